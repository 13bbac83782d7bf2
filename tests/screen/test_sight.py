"""The chosen filter's pictures, or why there are none, and its siblings."""

import dataclasses

import pytest
from support.snapshots import snapshot_of
from support.tables import known_table

from carviz.screen import sight as sight_module
from carviz.screen.sight import siblings, sight
from carviz.session.seeing.kept import Patch
from carviz.wording import likeness_words


def tabs(shown):
    return {tab["name"]: tab for tab in sight(shown)["tabs"]}


def test_a_deep_bank_s_weights_are_called_effective(measured, deep):
    assert [tab["words"] for tab in sight(measured)["tabs"]] == [
        "Weights", "Patches", "Synthesised"
    ]  # fmt: skip
    found = tabs(deep)["weights"]
    assert found["words"] == "Effective weights"
    assert found["large"]["picture"][1].startswith(
        f"Effective weights of filter {deep.filter} of second"
    )
    assert found["large"]["picture"][2], "seven pixels a side are shown as squares"


def test_the_small_patch_is_the_first_of_the_sheet(measured):
    found = tabs(measured)["patches"]
    items = found["large"]["items"]
    assert len(items) == 9
    assert found["small"][0] == items[0][0]
    assert [words for _, words in items] == [
        patch.words for patch in measured.seen.sheets[measured.filter]
    ]


def test_a_picture_that_became_better_has_another_name(measured):
    before = tabs(measured)["synthesised"]["large"]["picture"]
    seen = measured.seen.copy()
    seen.put("synthesised", measured.filter, seen.synthesised[measured.filter])
    after = tabs(dataclasses.replace(measured, seen=seen))["synthesised"]["large"]["picture"]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize(
    ("name", "failed"),
    [("weights", ("weights", 0)), ("patches", ("exciting", -1)), ("synthesised", None)],
)
def test_why_there_is_no_picture_is_told(name, failed):
    shown = snapshot_of(table=known_table(), pictures=None)
    assert tabs(shown)[name]["large"]["words"] == "Comes in a moment…"
    assert tabs(shown)[name]["small"] is None
    busy = dataclasses.replace(shown, busy=True)
    assert tabs(busy)[name]["large"]["words"] == "Comes when the running job is over."
    shown.seen.failed[failed or ("synthesised", 0)] = "OSError: gone"
    assert tabs(shown)[name]["large"]["words"] == "No picture: OSError: gone"


def test_a_filter_that_no_image_excites_says_so():
    shown = snapshot_of(table=known_table())
    shown.seen.sheets[0] = []
    assert "excites filter 0" in tabs(shown)["patches"]["large"]["words"]


def test_siblings_are_the_nearest_each_with_its_picture(measured, monkeypatch):
    near = measured.seen.nearest(measured.filter)
    alike = sum(like >= sight_module.ALIKE for _, like in near)
    assert len(siblings(measured)["items"]) == alike < 3
    monkeypatch.setattr(sight_module, "ALIKE", -1.0)
    found = siblings(measured)
    assert [(item["filter"], item["words"]) for item in found["items"]] == [
        (filter, likeness_words(like)) for filter, like in near
    ]
    assert len(near) == 3
    assert all(item["picture"] for item in found["items"])
    closed = dataclasses.replace(measured, looks=measured.looks.changed(siblings=False))
    assert siblings(closed)["items"] == []


def test_why_there_are_no_siblings_is_told(measured):
    shown = dataclasses.replace(measured, seen=dataclasses.replace(measured.seen, siblings=None))
    assert siblings(shown)["words"] == "Come in a moment…"
    assert "job is over" in siblings(dataclasses.replace(shown, busy=True))["words"]
    shown.seen.failed["siblings", -1] = "OSError: gone"
    assert siblings(shown)["words"] == "None: OSError: gone"
    del shown.seen.failed["siblings", -1]


def test_other_patches_in_the_same_place_have_another_name():
    shown = snapshot_of(table=known_table())
    keys = set()
    for content in (b"a", b"b"):
        shown.seen.sheets[0] = [Patch(content, "a patch")]
        (patches,) = (tab for tab in sight(shown)["tabs"] if tab["name"] == "patches")
        keys.add(patches["large"]["items"][0][0])
    assert len(keys) == 2, "a browser keeps pictures by their names"
