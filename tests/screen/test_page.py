"""A saved page is whole, self-contained, escaped, and says of each filter what a session does."""

import base64
import dataclasses
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from support.gated import data, network
from support.hostile import ALERT, LAYERS, NAMES, HostileData, hostile_network
from support.pages import Page
from support.saved_page import data_of, picture_names, sections_of

import carviz
from carviz.screen import SECTIONS, save_page
from carviz.screen.page import page as page_of
from carviz.screen.pages.album import Album, Group, compact
from carviz.screen.pages.content import LEFT_OUT, Parts, content_of, to_text
from carviz.screen.pages.document import document
from carviz.screen.pictures import Made


@pytest.fixture(scope="module")
def session():
    """Two small banks: measured and pictured, the first one pruned a little."""
    made = carviz.open_session(hostile_network(), HostileData())
    for layer in LAYERS:
        made.layer = layer
        made.compute()
        made.wait()
        made.see_all(("weights", "patches"), siblings=True)
    made.layer = LAYERS[0]
    made.prune(2)
    made.wait()
    made.filter = 3
    made.look(view="filter")
    yield made
    made.close()


@pytest.fixture(scope="module")
def saved(session, tmp_path_factory):
    return save_page(session, tmp_path_factory.mktemp("page") / "page.html").read_text("utf-8")


def as_json(value):
    return json.loads(to_text(value))


def without_pictures(value):
    """Return JSON with a star for each name of a picture, long or short."""
    if isinstance(value, dict):
        return {name: without_pictures(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_pictures(part) for part in value]
    is_name = isinstance(value, str) and (value.isdecimal() or value.startswith('["'))
    return "*" if is_name else value


def test_a_page_says_of_each_filter_what_the_session_says(session, saved):
    data = data_of(saved)
    for layer in LAYERS:
        session.layer = layer
        for filter in range(session.snapshot().bank.filters):
            session.filter = filter
            shown = session.snapshot()
            found = sections_of(data, layer, filter)
            for name in ("head", "names", "chosen", "classes", "bank", "pruning"):
                wanted = as_json(SECTIONS[name](shown))
                assert without_pictures(found[name]) == without_pictures(wanted), (name, filter)
            assert found["numbers"]["tiles"] == as_json(SECTIONS["numbers"](shown))["tiles"]
    session.layer, session.filter = LAYERS[0], 3


def test_changed_images_and_the_places_of_pruning_are_all_there(session, saved):
    data, shown = data_of(saved), session.snapshot()
    (bank,) = [bank for bank in data["banks"] if bank["layer"] == LAYERS[0]]
    assert len(bank["places"]) == 3
    for count, place in enumerate(bank["places"]):
        assert data["parts"][place] == as_json(
            SECTIONS["place"](dataclasses.replace(shown, count=count))
        )
    rows = [row for block in SECTIONS["classes"](shown)["blocks"] for row in block["rows"]]
    assert list(map(int, bank["changed"][3])) == [row["number"] for row in rows]
    total = 0
    for number, place in bank["changed"][3].items():
        items = data["parts"][place]["items"]
        row = shown.table.predictions[shown.table.row(3)]
        table = shown.table
        of_class = (table.targets == int(number)) & (row != table.baseline)
        assert sorted(item[1] for item in items) == sorted(table.images[of_class].tolist())
        total += len(items)
    assert total


def test_every_picture_that_is_named_is_there_and_opens(saved):
    data = data_of(saved)
    named = {name for part in data["parts"] for name in picture_names(part)}
    assert named
    assert named <= set(data["pictures"])
    for file, about in data["pictures"].values():
        mime, coded = data["files"][file]
        with Image.open(io.BytesIO(base64.b64decode(coded))) as image:
            image.load()
            assert image.get_format_mimetype() == mime
            if about:
                assert image.width == about["columns"] * about["width"]
    assert len({coded for _, coded in data["files"]}) == len(data["files"])


def test_it_begins_with_what_is_chosen_and_says_when_and_by_what_it_was_saved(saved):
    data = data_of(saved)
    assert data["choice"]["layer"] == LAYERS[0]
    assert {bank["layer"]: bank["filter"] for bank in data["banks"]}[LAYERS[0]] == 3
    assert re.search(r"needs a notebook\. Saved on \d{4}-\d\d-\d\d by carviz", data["status"])
    assert carviz.__version__ in data["status"]
    assert "Left out" not in data["status"]


def test_saving_leaves_what_is_chosen_as_it_is(session, tmp_path):
    before = session.layer, session.filter, session.count, session.looks
    session.snapshots()
    save_page(session, tmp_path / "page.html")
    assert (session.layer, session.filter, session.count, session.looks) == before


def test_its_policy_allows_its_own_script_and_no_connection(saved):
    read = Page(saved)
    (policy,) = [m["content"] for m in read.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    (script,) = re.findall(r'<script type="module">(.*?)</script>', saved, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", saved, re.S)
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert [tag for tag, attributes in read.elements if {"src", "href"} & set(attributes)] == []


def test_names_stay_text(session, tmp_path):
    path = save_page(session, tmp_path / "page.html", model=ALERT, data=NAMES[1])
    text = path.read_text("utf-8")
    tags = [tag for tag, _ in Page(text).elements]
    assert tags == ["html", "head", *["meta"] * 3, "title", "style", "body", "noscript",
                    "script", "script"]  # fmt: skip
    data = data_of(text)
    found = sections_of(data, LAYERS[0], 0)
    head = {**found["head"], **found.get("names", {})}
    assert head["classes"] == list(NAMES)
    assert (head["model"], head["data"]) == (ALERT, NAMES[1])
    assert data["banks"][0]["layer"] == LAYERS[0]


def test_a_missing_folder_is_refused_before_the_work(session, tmp_path, monkeypatch):
    monkeypatch.setattr(type(session), "snapshots", lambda _self: pytest.fail("worked"))
    with pytest.raises(FileNotFoundError, match=r"A page is saved into a folder that exists"):
        save_page(session, tmp_path / "none" / "page.html")


def test_what_fails_leaves_the_former_page(session, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before")

    def fail(_shown):
        raise RuntimeError("no")

    monkeypatch.setitem(SECTIONS, "place", fail)
    with pytest.raises(RuntimeError, match="no"):
        save_page(session, path)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "before"


def test_an_image_that_cannot_be_read_is_told_where_it_would_stand(session, monkeypatch):
    def broken(_self, index):
        raise OSError(f"image {index} is gone")

    monkeypatch.setattr(HostileData, "__getitem__", broken)
    data = data_of(page_of(session, session.snapshot(), session.snapshots()).decode())
    images = {item[0] for part in data["parts"] if "number" in part for item in part["items"]}
    assert images
    for name in images:
        assert name not in data["pictures"]
        assert "is gone" in data["problems"][name]
    assert "Left out" not in data["status"]


def test_where_there_is_little_room_images_stay_and_the_page_says_what_went(session):
    chosen, snapshots = session.snapshot(), session.snapshots()
    whole = page_of(session, chosen, snapshots)
    less = page_of(session, chosen, snapshots, room=len(whole) - 3_000).decode()
    assert len(whole) - 9_000 < len(less.encode()) <= len(whole) - 3_000
    data = data_of(less)
    words = re.search(r"Left out to keep it small: (\d+) pictures\.", data["status"])
    named = {name for part in data["parts"] for name in picture_names(part)}
    assert int(words[1]) == len(named - set(data["pictures"])) > 0
    images = {item[0] for part in data["parts"] if "number" in part for item in part["items"]}
    assert images <= set(data["pictures"])


def test_of_what_has_no_room_the_bank_that_is_shown_stays(session):
    chosen, snapshots = session.snapshot(), session.snapshots()
    content = content_of(chosen, snapshots, Album(chosen.subject), room=(0, 0))
    assert [bank["layer"] for bank in content.banks] == [LAYERS[0]]
    assert content.left_out == [f"the banks {LAYERS[1]}", "classes and pictures of 4 filters"]
    texts = "".join(content.parts.texts)
    assert LEFT_OUT in texts
    assert '"faces":{"' not in texts


def test_half_of_a_pair_of_utf16_is_written_as_json_can():
    assert data_of(document("half", to_text({"layer": "\ud800<"})).decode())["layer"] == "\ud800<"


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        to_text({"car": float("nan")})


def test_equal_parts_are_kept_once():
    parts = Parts()
    assert [parts.put(value) for value in ({"a": b"\x01"}, [np.int64(2)], {"a": b"\x01"})] == [
        0,
        1,
        0,
    ]
    assert parts.texts == ['{"a":"AQ=="}', "[2]"]
    with pytest.raises(TypeError, match="JSON has no set"):
        parts.put({1})


def test_the_most_wanted_pictures_are_made_first_and_small_ones_are_the_large_ones():
    album = Album("s")
    names = [
        '["s","small","l","weights",0,1]',
        '["s","large","l","weights",0,1]',
        '["s","image",7]',
    ]
    assert album.named(names) == ["1", "1", "2"]
    assert album.named(['["s","image",8]'], Group.MORE_IMAGES) == ["3"]
    assert album.named(['["s","image",8]', "other"]) == ["3", "other"]
    made, left = album.make(
        lambda keys: [Made("image/webp", key.encode() * 10) for key in keys], 900
    )
    assert (list(made), left) == (["2", "3"], 1)
    one = Made("image/webp", b"x" * 600)
    made, left = album.make(lambda keys: [one] * len(keys), 1500)
    assert (list(made), left) == (["2", "3", "1"], 0)


def test_few_pixels_keep_their_colours():
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    small = compact(Made("image/png", buffer.getvalue()))
    again = np.asarray(Image.open(io.BytesIO(small.data)).convert("RGB"))
    assert np.array_equal(again, pixels)
    large = np.kron(pixels, np.ones((20, 20, 1), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, format="PNG")
    assert compact(Made("image/png", buffer.getvalue())).mime == "image/webp"


@pytest.mark.parametrize("view", ["several", "image"])
def test_a_page_begins_with_a_view_that_it_has(tmp_path, view):
    session = carviz.open_session(network(), data())
    session.look(view=view)
    text = save_page(session, tmp_path / "page.html").read_text("utf-8")
    session.close()
    assert '"view":"filter"' in text
    assert f'"view":"{view}"' not in text
