"""What is shown: tiles, bars, thumbnails, words, and the drawing of a bank."""

import base64
import dataclasses
import io
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image
from support.gated import data, network
from support.results_examples import car_table, selectivity_table
from support.small import planted

import carviz
from carviz.evaluate import Images, Normalization
from carviz.explorer import explore
from carviz.explorer.gallery import make_tile
from carviz.explorer.panels import filter_panel, header, status_line
from carviz.explorer.scatter import bank_drawing
from carviz.session.bank_tables import BankTables, best
from carviz.session.class_rows import class_content
from carviz.session.seeing.class_images import changed_images

WAIT = 30


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def measured():
    explorer = explore(network(), data())
    explorer.compute()
    explorer.wait(WAIT)
    return explorer


def test_the_sprite_holds_every_picture_where_the_browser_looks_for_it(measured):
    gallery, pictures = measured.panels.gallery, carviz.rgb_weights(network(), "first")
    sheet = decode(gallery.sprite)
    w, h = gallery.tile_width, gallery.tile_height
    for filter, picture in enumerate(pictures):
        y, x = divmod(filter, gallery.columns)
        tile = sheet[y * h : (y + 1) * h, x * w : (x + 1) * w]
        assert np.abs(tile / 255 - picture).max() < 0.003, filter


def test_tiles_say_kind_and_car_in_letters_and_in_words(measured):
    table = measured.table
    for tile in measured.panels.gallery.tiles:
        car = 100 * table.car[tile["filter"]]
        assert float(tile["car"].replace("−", "-")) == pytest.approx(car, abs=0.0501)
        assert tile["mark"] in ("C", "S", "×")
        assert f"Filter {tile['filter']}" in tile["label"]
        assert "points" in tile["label"]
    assert make_tile(3, "", "")["label"] == "Filter 3, CAR not measured"


def test_sorting(measured):
    view = measured._view

    def order(name):
        view.sort.value = name
        return [tile["filter"] for tile in view.gallery.tiles]

    car, index = measured.table.car, measured._findings.kinds["first"].color_index
    assert order("index") == list(range(6))
    assert np.all(np.diff(car[order("car")]) <= 0)
    assert np.all(np.diff(index[order("color")]) <= 0)
    order("index")


def test_a_network_that_reads_no_rgb_has_number_tiles_and_says_so():
    explorer = explore(*planted())
    gallery = explorer.panels.gallery
    assert gallery.sprite == b""
    assert not gallery.pictured
    assert "reads no RGB" in gallery.note
    assert [t["mark"] for t in gallery.tiles] == [""] * 4
    assert explorer._screen.sights.wanted() == [], "what cannot be made is not tried"
    explorer.compute()
    explorer.wait(WAIT)
    explorer.panels.view.value = "bank"
    assert "rank, highest CAR first" in explorer.panels.drawing.value


def test_a_log_p_that_was_left_out_reaches_no_browser():
    table = car_table()
    table = dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))
    for filter in table.filters.tolist():
        json.dumps(class_content(table, filter), allow_nan=False)
        assert "nan" not in filter_panel("conv", filter, 3, None, table).lower()
        assert "nan" not in bank_drawing(table, None, "conv", filter).lower()


def test_rows_of_classes_agree_with_the_table(measured):
    table = measured.table
    content = class_content(table, 4)
    rows = [row for block in content["blocks"] for row in block["rows"]]
    assert len(rows) == 5
    scale = content["scale"]
    for row in rows:
        assert row["car"] == table.class_car[table.row(4), row["number"]]
        assert table.classes[row["number"]] == row["name"]
        assert scale["low"] <= row["low"] <= row["car"] + 0.2
        assert row["high"] <= scale["high"]
        assert row["name"] in row["label"]
        assert "95% interval" in row["label"]
    assert any(tick["at"] == 0 for tick in scale["ticks"])
    assert all(scale["low"] <= tick["at"] <= scale["high"] for tick in scale["ticks"])


def test_a_class_opens_to_the_images_that_changed(measured):
    table = measured.table
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    measured.filter = filter
    measured.listener.hear({"open": number})
    changed = measured.panels.classes.changed
    flips = table.flips(filter, number)
    assert (changed["filter"], changed["number"]) == (filter, number)
    assert len(changed["items"]) + changed["more"] == len(flips) > 0
    shown = {item["image"]: (item["before"], item["after"]) for item in changed["items"]}
    for _, row in flips.iterrows():
        if row["image"] in shown:
            assert shown[row["image"]] == (row["before"], row["after"])
    measured.filter = (filter + 1) % 6
    assert measured.panels.classes.changed["filter"] == measured.filter
    measured.listener.hear({"open": -1})
    assert measured.panels.classes.opened == -1


def test_thumbnails_are_raw_rgb():
    model, (images, labels) = planted()
    table = carviz.measure_car(model, (images, labels), "0", progress=False)
    raw = torch.rand(8, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    found = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.1), "a test")
    seen = (raw - torch.tensor(found.mean).view(3, 1, 1)) / torch.tensor(found.std).view(3, 1, 1)
    shown = changed_images(table, 3, 0, Images((seen, labels)), found)
    assert [item["change"] for item in shown["items"]] == ["now right"] * 2
    for item in shown["items"]:
        picture = decode(base64.b64decode(item["src"].split(",")[1]))
        expected = raw[item["image"]].permute(1, 2, 0).numpy()
        assert np.abs(picture / 255 - expected).max() < 0.003
    assert shown["note"] == ""
    grey = changed_images(table, 3, 0, Images((images, labels)), None)
    assert "colours stretched" in grey["note"]


def test_an_unreadable_image_is_told_where_it_would_be(measured, monkeypatch):
    measured.filter = 0
    broken = Images(data())
    monkeypatch.setattr(broken, "read", lambda _: (_ for _ in ()).throw(OSError("gone")))
    object.__setattr__(measured._subject, "images", broken)
    number = int(np.argmax(measured.table.lost[0] + measured.table.gained[0]))
    measured._open_class(number)
    assert measured.panels.classes.changed["problem"] == "OSError: gone"
    measured._open_class(-1)


class Checker(HTMLParser):
    """Collects tags, and sees that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("img", "br"):
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "html",
    [
        header("<model>", "a & b", 3, "cpu", None, ""),
        header("m", "d", 3, "cpu", car_table(), "slow"),
        filter_panel("<x>", 1, 4, selectivity_table(), car_table()),
        filter_panel("conv", 2, 4, selectivity_table(), car_table()),
        filter_panel("conv", 0, 4, None, None),
        status_line(0.3, True, "<b>", ""),
        status_line(0.3, False, "no", "Traceback <module>"),
    ],
)
def test_html_closes_and_escapes(html):
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert all(image.get("alt") for image in checker.images)
    for forbidden in ("<model>", "<x>", "<module>", "a & b"):
        assert forbidden not in html


def test_the_panel_says_what_the_table_says():
    html = filter_panel("conv", 0, 2, selectivity_table(), car_table())
    assert "<b>+33.3</b>" in html
    assert "1 lost, 0 gained of 3 images" in html
    assert "3 of 4 images so far" in html
    assert "rank <b>1</b> of 2" in html
    assert "colour index <b>0.10</b>" in html
    assert "shape" in html


@pytest.mark.parametrize("kinds", [None, selectivity_table()])
def test_the_drawing_is_whole_and_marks_the_chosen_filter(kinds):
    drawing = bank_drawing(car_table(), kinds, "conv <1>", 1)
    svg = ET.fromstring(drawing[drawing.index("<svg") : drawing.index("</svg>") + 6])
    dots = [e for e in svg.iter() if "cv-dot " in (e.get("class") or "") + " "]
    legend = 0 if kinds is None else 2
    assert len([e for e in dots if e.get("class").startswith("cv-dot cv")]) == 2 + legend
    assert len([e for e in svg.iter() if e.get("class") == "cv-ring"]) == 1
    assert "Chosen: filter 1" in svg.get("aria-label")
    assert "conv &lt;1&gt;" in drawing
    assert "press" in bank_drawing(None, kinds, "conv", 0)


def test_the_drawing_puts_dots_where_the_numbers_are(measured):
    kinds = measured._findings.kinds["first"]
    drawing = bank_drawing(measured.table, kinds, "first", 0)
    svg = ET.fromstring(drawing[drawing.index("<svg") : drawing.index("</svg>") + 6])
    errors = [e for e in svg.iter() if e.get("class") == "cv-err"]
    places = np.array([float(e.get("x1")) for e in errors])
    index = kinds.color_index[measured.table.filters]
    far = np.abs(index[:, None] - index) > 0.1
    assert (np.sign(places[:, None] - places) == np.sign(index[:, None] - index))[far].all()


# -- which table is shown


def part(images, filters):
    model, (pictures, labels) = planted()
    return carviz.measure_car(
        model, (pictures[:images], labels[:images]), "0", filters=filters, progress=False
    )


def test_tables_of_the_same_images_are_merged_and_others_kept_beside():
    known = BankTables()
    known.add(part(8, [0]))
    known.add(part(8, [2]))
    assert [t.filters.tolist() for t in known.tables] == [[0, 2]]
    known.add(part(6, None))
    assert len(known.tables) == 2
    assert len(best(known.tables, 0).images) == 8
    assert len(best(known.tables, 1).images) == 6
    known.add(part(8, [1, 3]))
    assert best(known.tables, 1).filters.tolist() == [0, 1, 2, 3]


def test_a_table_outdone_by_one_of_more_of_the_same_images_is_dropped():
    whole = part(8, None)
    first = dataclasses.replace(
        whole, images=whole.images[:3], targets=whole.targets[:3], baseline=whole.baseline[:3],
        predictions=whole.predictions[:, :3],
    )  # fmt: skip
    known = BankTables()
    known.add(first)
    known.add(part(8, [0]))
    assert len(known.tables) == 2, "the other filters are known of three images only"
    known.add(whole)
    assert known.tables == [whole]


def test_the_table_of_most_images_is_shown():
    few, one = part(6, None), part(8, [0])
    assert best([], 0) is None
    assert best([few, one], 0) is one
    assert best([few, one], 1) is few
    assert best([one], 1) is one, "better than none: it tells of the neighbours"


def test_lost_images_come_first_and_the_rest_is_counted():
    table = car_table()
    images = Images((torch.zeros(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])))
    shown = changed_images(table, 0, 1, images, None)
    assert [(i["image"], i["change"]) for i in shown["items"]] == [(1, "now wrong")]
    assert shown["more"] == 0


# -- the page


def test_save_html_writes_what_is_shown(measured, tmp_path):
    path = measured.save_html(tmp_path / "page.html")
    page = path.read_text()
    filter, layer = measured.filter, measured.layer
    assert f"<h1>Filter {filter} of {layer}</h1>" in page
    assert "Filter by filter, highest CAR first" in page
    changed = measured.table.flips(filter)["change"].value_counts()
    assert page.count('class="thumbnail"') == changed.clip(upper=24).sum() > 0
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_page_of_other_images_shows_none(measured, tmp_path):
    from carviz.explorer.paper import page

    shown = measured.results()
    assert 'class="thumbnail"' in page(shown, shown.table.passport["data"])
    assert 'class="thumbnail"' not in page(shown, "other")


def test_nothing_measured_makes_no_page(tmp_path):
    explorer = explore(network(), data())
    with pytest.raises(ValueError, match="measured first"):
        explorer.save_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
