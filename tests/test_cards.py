"""Pages are whole, self-contained, escaped, and say what the table says."""

import base64
import dataclasses
import functools
import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image
from support.cumulative import cumulative_of, held_out
from support.pages import Page
from support.paths import known_path, random_path, two_banks
from support.pictures import pictures_of
from support.selectivity_tables import kinds_of
from support.tables import LONG, known_table, random_table

from carviz.cards import bank_page, filter_page, pruning_page, save_page, whole_page
from carviz.results import CarTable, PruningPath
from carviz.wording import NOT_APART, kind_words

NASTY = "<script>alert(\"x\")</script> & 'co'"


def nasty_table():
    return CarTable(
        f"{NASTY}.0", filters=[0, 1], classes=(NASTY, "dog"), images=[0, 1, 2], total=3,
        targets=[0, 1, 1], baseline=[0, 1, 0], predictions=[[1, 0, 0], [0, 1, 1]],
        log_prob_drop=np.zeros((2, 2)), passport={"remark": NASTY, "model": NASTY},
    )  # fmt: skip


def nasty_path():
    return PruningPath(
        NASTY, banks=(f"{NASTY}.0",), bank_sizes=[2], layers=(f"{NASTY}.0",), order=[1],
        classes=(NASTY, "dog"), targets=[0, 1, 1], baseline=[0, 1, 0], predictions=[[1, 1, 0]],
        decided_by_tie=[False], evaluated=[3], naive=[6], passport={"model": NASTY},
    )  # fmt: skip


def both_banks():
    """Return pictures, and what the first one selects, of `two_banks`."""
    pictures = {"features.0": pictures_of(8), "features.3": pictures_of(12)}
    return {"pictures": pictures, "selectivity": {"features.0": kinds_of(8, dead=[1])}}


def some_kinds():
    return {"selectivity": kinds_of(5, dead=[2]), "pictures": pictures_of(5)}


def changed():
    """Return a picture for each image that filter 3 changes."""
    return {int(i): pictures_of(5)[0] for i in random_table(count=5).flips(3).image}


PAGES = {
    "filter, bare": lambda: filter_page(random_table(count=5), 3),
    "filter, dead": lambda: filter_page(
        random_table(count=5), 2, picture=pictures_of(5)[2], selectivity=kinds_of(5, dead=[2])
    ),
    "filter, images": lambda: filter_page(
        random_table(count=5), 3, selectivity=kinds_of(5, dead=[2]), thumbnails=changed()
    ),
    "filter, nasty": lambda: filter_page(
        nasty_table(), 0, about=NASTY, thumbnails={0: pictures_of(5)[0]}
    ),
    "bank, bare": lambda: bank_page(random_table(count=5)),
    "bank, full": lambda: bank_page(random_table(count=5), **some_kinds(), about="a network"),
    "bank, nasty": lambda: bank_page(nasty_table(), about=NASTY),
    "pruning, bare": lambda: pruning_page(random_path()),
    "pruning, nothing yet": lambda: pruning_page(random_path(steps=0)),
    "pruning, full": lambda: pruning_page(
        [random_path(), random_path("l1")],
        count=9,
        pictures=pictures_of(32),
        selectivity=kinds_of(32, dead=[7]),
        about="a network",
    ),
    "pruning, beside": lambda: pruning_page(
        random_path(), band=cumulative_of(), held_out=held_out(random_path()), count=16
    ),
    "pruning, two banks": lambda: pruning_page(two_banks(), count=4, **both_banks()),
    "pruning, nasty": lambda: pruning_page(nasty_path(), about=NASTY),
    "all": lambda: whole_page(
        random_table(count=5), 3, **some_kinds(), count=2, paths=[random_path(sizes=(5,))]
    ),
    "bank, long names": lambda: bank_page(random_table(count=3, names=LONG, empty=[4])),
}


@functools.cache
def made(name):
    """Return a page, made once for all tests."""
    return PAGES[name]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_fetches_nothing(name):
    html = made(name)
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
    addresses = [a[k] for _, a in page.elements for k in ("src", "href", "srcset") if k in a]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"@import|url\(|https?:", html)
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    for address in addresses:
        Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).verify()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_aloud(name):
    page = Page(made(name))
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"].strip() for image in page.all("img"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    heads = page.all("th")
    assert {attrs["scope"] for attrs in heads} == ({"row", "col"} if page.all("table") else set())


def test_names_are_shown_and_not_run():
    for name in ("filter, nasty", "bank, nasty", "pruning, nasty"):
        html = made(name)
        assert "<script" not in html
        assert Page(html).text.count('<script>alert("x")</script>') >= 3


def rows_of(html, number=0):
    """Return the cells of the page's table of that number, row by row."""
    table = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)[number]
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
    return [[re.sub("<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def test_a_filter_page_says_what_the_table_says():
    html = filter_page(known_table(), 0, selectivity=kinds_of(2, "conv1"), about="a net on pets")
    text = Page(html).text
    assert "Filter 0 of conv1" in text
    assert "a net on pets" in text
    assert "CAR +2.0 points" in text
    assert "3 lost, 1 gained of 100" in text
    assert f"Rank in the bank {NOT_APART}" in text
    assert f"{NOT_APART}, highest CAR first" not in text
    assert "S shape colour index 0.00" in text
    # cat loses 3 of 50: two-sided sign test 2/8, twice that after looking at two classes
    assert rows_of(html) == [
        ["cat", "+6.0", "−1.6 to +13.1", "3", "0", "50", "0.25", "0.50"],
        ["dog", "−2.0", "−7.2 to +3.4", "0", "1", "50", "1.00", "1.00"],
    ]
    assert "3 lost Right with the filter, wrong without." in text
    assert rows_of(html, 1)[0] == ["0", "cat", "cat", "dog", "lost"]
    assert rows_of(html, 1)[-1] == ["50", "dog", "cat", "dog", "gained"]


def test_the_intervals_are_those_of_the_table():
    top = known_table().top_classes(0, 1).iloc[0]
    assert 100 * top.low == pytest.approx(-1.6, abs=0.05)
    assert 100 * top.high == pytest.approx(13.1, abs=0.05)


def test_a_bank_page_has_every_filter_in_order():
    table = random_table(count=40)
    html = bank_page(table, selectivity=kinds_of(40, dead=[7]), pictures=pictures_of(40))
    rows = rows_of(html)
    assert [int(row[1]) for row in rows] == table.order.tolist()
    row = dict(zip(("lost", "gained"), rows[0][5:7], strict=True))
    first = table.row(table.order[0])
    assert row == {"lost": str(table.lost_all[first]), "gained": str(table.gained_all[first])}
    assert next(row for row in rows if row[1] == "7")[2] == "× dead"
    top = table.top_classes(table.order[0], 1).iloc[0]
    assert rows[0][-2].startswith(f"{top['class']} +")


def test_classes_are_marked_by_the_test_over_all_of_them():
    null = random_table(count=20, strength=0.4, seed=1)
    frame = null.to_frame("class")
    assert (frame.p_value < 0.001).any()
    assert (frame.q_value > 0.05).all()
    assert not any("*" in row[-1] + row[-2] for row in rows_of(bank_page(null)))
    strong = random_table(count=20, strength=3.0)
    q_value = strong.to_frame("class").q_value
    assert (q_value <= 0.05).any()
    assert any("*" in row[-2] for row in rows_of(bank_page(strong)))


def test_low_precision_is_told_and_a_log_p_that_was_left_out_decides_nothing():
    left_out = np.full((2, 2), np.nan)
    passport = {"precision_audit": {"found": "Audited in <float32>."}}
    table = dataclasses.replace(known_table(), log_prob_drop=left_out, passport=passport)
    for html in (filter_page(table, 1), bank_page(table)):
        assert "Audited in &lt;float32&gt;." in html
        assert "log p decides" not in html
        assert "nan" not in Page(html).text.lower()
    assert "log p decides" in filter_page(known_table(), 1)
    assert "number decides" in filter_page(table, 1)


def test_an_unfinished_table_says_so():
    for html in (filter_page(known_table(total=900), 0), bank_page(known_table(total=900))):
        assert "100 of 900 images so far" in Page(html).text
        assert "was not finished" in Page(html).text


def test_a_filter_that_changes_nothing():
    text = Page(filter_page(known_table(), 1)).text
    assert "says the same of every image" in text
    assert "no class changes" in Page(bank_page(known_table())).text


def test_a_pruning_page_says_what_the_path_says():
    html = pruning_page(known_path(), count=2, about="a net on pets")
    text = Page(html).text
    assert "<h1>Pruning conv1</h1>" in html
    assert "a net on pets" in text
    assert "98.0% right on 100 images" in text
    assert "2 of 4 filters (50%), by CAR, greedy" in text
    assert "80.0% −18.0 points from the whole network's 98.0%" in text
    assert "33% of 3" in text
    assert rows_of(html) == [
        ["1", "3", "90.0%", "a tie"],
        ["2", "1", "80.0%", "CAR, greedy"],
        ["3", "0", "70.0%", "CAR, greedy"],
    ]
    assert len(Page(html).all("img")) == 2, "the curve, and what was lost"


def test_the_steps_of_a_pruning_tell_bank_and_kind():
    path, html = two_banks(), made("pruning, two banks")
    kinds = both_banks()["selectivity"]["features.0"].kind
    rows = rows_of(html)
    assert [row[1] for row in rows] == list(path.layers)
    assert [int(row[2]) for row in rows] == path.order.tolist()
    for row in rows:
        told = kind_words(kinds[int(row[2])]) if row[1] == "features.0" else ""
        assert row[3].endswith(told)
        assert bool(row[3]) == bool(told)
    assert len(Page(html).all("img")) == 3, "pictures in their order, too"


def test_a_pruning_page_looks_at_half_of_the_filters_unless_told():
    assert "16 of 32 filters" in Page(made("pruning, bare")).text
    assert "9 of 32 filters" in Page(pruning_page(random_path(steps=9))).text
    text = Page(pruning_page(random_path(), count=0)).text
    assert "0 of 32 filters" in text
    assert "Which classes were lost" not in text


def test_a_whole_page_tells_of_pruning_only_where_there_was_some():
    table, path = random_table(count=5), random_path(sizes=(5,), steps=3)
    plain = whole_page(table, 3)
    assert whole_page(table, 3, paths=[], count=0) == plain
    assert "Pruning" not in Page(plain).text
    html = whole_page(table, 3, paths=[path], count=2)
    text = Page(html).text
    assert "Pruning, the least needed filter first" in text
    assert "2 of 5 filters (40%)" in text
    assert len(rows_of(html, -1)) == 3


def test_where_the_numbers_of_a_path_come_from_is_told():
    text = Page(made("pruning, nasty")).text
    assert "Where these numbers come from" in text
    assert f"Pruning by {NASTY}" in text


def test_thumbnails_of_each_kind_of_change_up_to_a_number():
    table = random_table(count=2, strength=5)
    flips = table.flips(0)
    counts = flips.change.value_counts()
    assert counts["lost"] > 24 > counts["still wrong"] > 0
    shown = {int(i): pictures_of(1)[0] for i in flips.image}
    html = filter_page(table, 0, thumbnails=shown)
    alts = [i["alt"] for i in Page(html).all("img") if "thumbnail" in i.get("class", "")]
    assert len(alts) == sum(min(24, count) for count in counts)
    assert f"{counts['lost']:,} lost" in Page(html).text
    assert "24 are shown" in Page(html).text
    assert len(rows_of(html, -1)) == len(flips)


def test_pictures_keep_their_pixels():
    picture = np.array([[[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]]])
    html = filter_page(known_table(), 0, picture=picture)
    (weights,) = [i for i in Page(html).all("img") if i.get("class") == "weights"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(weights["src"].split(",")[1]))))
    assert max(pixels.shape[:2]) >= 96
    assert pixels[0, 0].tolist() == [0, 128, 255]
    assert pixels[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: filter_page("table", 0), TypeError, "CarTable"),
        (lambda: filter_page(known_table(), 5), ValueError, "0 to 1"),
        (lambda: filter_page(known_table(), 0, k=0), ValueError, "1 or more"),
        (lambda: filter_page(known_table(), 0, picture=[[1, 2]]), TypeError, "float"),
        (lambda: filter_page(known_table(), 0, thumbnails=[1]), TypeError, "found list"),
        (lambda: filter_page(known_table(), 0, thumbnails={0: np.full((2, 2, 3), 9.0)}),
         ValueError, "9"),
        (lambda: filter_page(known_table(), 0, selectivity=kinds_of(2)), ValueError, "conv1"),
        (lambda: bank_page(known_table(), pictures=pictures_of(1)), ValueError, "found 1"),
        (lambda: pruning_page("path"), TypeError, "found str"),
        (lambda: pruning_page([]), ValueError, "found none"),
        (lambda: pruning_page(known_path(), count=4), ValueError, "0 to 3"),
        (lambda: pruning_page(known_path(), pictures=pictures_of(3)), ValueError, "found 3"),
        (lambda: pruning_page(known_path(), selectivity=kinds_of(4, "conv1")), ValueError,
         "no pictures"),
        (lambda: save_page(b"", "x.html"), TypeError, "found bytes"),
    ],
)  # fmt: skip
def test_errors_say_what_was_found(call, error, told):
    with pytest.raises(error, match=told):
        call()


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    html = filter_page(known_table(), 0)
    assert save_page(html, str(path)) == path
    assert path.read_text(encoding="utf-8") == html
    with pytest.raises(FileNotFoundError, match="does not"):
        save_page(html, tmp_path / "no" / "page.html")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_page("other", path)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text(encoding="utf-8") == html


def test_random_orders_and_held_out_images_stand_in_the_facts_of_a_pruning():
    path, band = random_path(), cumulative_of()
    judged = held_out(path)
    said = Page(made("pruning, beside")).text
    assert f"{band.lowest[16]:.1%} to {band.highest[16]:.1%} left, of 20 drawn" in said
    assert f"{judged.accuracy[16]:.1%} left on 110 images" in said
    assert "Random orders" not in Page(made("pruning, full")).text
