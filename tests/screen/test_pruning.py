"""Pruning on the screen: its lines, what a place costs, the smaller network."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.paths import known_path
from support.selectivity_tables import kinds_of
from support.shown import numbers, text
from support.snapshots import snapshot_of

from carviz.screen.pruning import SHOWN, place, pruning, report
from carviz.wording import band_words, percent, points, share_words


def test_the_lines_are_the_paths_and_the_band_the_random_orders(pruned):
    found = pruning(pruned)
    assert found["order"] == pruned.path.order.tolist()
    assert list(found["tied"]) == pruned.path.decided_by_tie.astype(int).tolist()
    assert found["lines"][0]["criterion"] == "car"
    assert len(found["lines"]) == 6
    for line, path in zip(found["lines"], pruned.paths, strict=True):
        assert np.array_equal(numbers(line["accuracy"]), path.accuracy)
    assert np.array_equal(numbers(found["held"]), pruned.held_out.accuracy)
    assert found["band"]["draws"] == 10
    for name in ("lowest", "highest", "mean"):
        assert np.array_equal(numbers(found["band"][name]), getattr(pruned.band, name))
    assert not found["compare"]


def test_it_says_what_the_lines_are(pruned):
    chosen, tie, band = pruning(pruned)["notes"]
    assert "CAR chose its order on these 40 images: the dashed line is of 40 others." in chosen
    assert share_words(pruned.path.tie_share) in tie
    assert band == band_words(pruned.band)
    alone = dataclasses.replace(pruned, held_out=None, band=None)
    assert "on others its line can lie lower" in " ".join(pruning(alone)["notes"])
    assert (pruning(alone)["held"], pruning(alone)["band"]) == (None, None)


def test_nothing_is_shown_before_a_bank_is_pruned(measured):
    assert pruning(measured) == {"layer": "first", "filters": 6, "order": None}
    assert place(measured) == {"count": 0}


@pytest.mark.parametrize("count", range(7))
def test_a_place_says_what_is_left_and_lost(pruned, count):
    found, path = place(dataclasses.replace(pruned, count=count)), pruned.path
    assert found["count"] == count
    assert found["right"] == percent(path.accuracy[count])
    change = points(path.accuracy[count] - path.accuracy[0]) if count else ""
    assert found["change"] == change
    lost = path.lost_classes(count)
    lost = lost[lost["car"] > 0]
    assert len(found["lost"]) == min(len(lost), SHOWN)
    assert found["more"] == max(len(lost) - SHOWN, 0)
    shown = lost.head(SHOWN).iterrows()
    for (number, before, after, images), (_, row) in zip(found["lost"], shown, strict=True):
        assert path.classes[number] == row["class"]
        assert (before, after, images) == (row["before"], row["after"], row["images"])


def test_the_count_of_colour_selective_filters_stands_beside_chance(pruned):
    found, kinds = text(place(dataclasses.replace(pruned, count=4))["colours"]), pruned.selectivity
    alive = kinds.kind != "dead"
    gone = pruned.path.order[:4][alive[pruned.path.order[:4]]]
    color = int((kinds.kind[gone] == "color").sum())
    assert f"{color} of {len(gone)}" in found
    assert f"by chance {(kinds.kind == 'color').sum() / alive.sum():.0%}" in found
    assert place(dataclasses.replace(pruned, count=0))["colours"] == []
    assert place(dataclasses.replace(pruned, count=4, selectivity=None))["colours"] == []


def test_dead_filters_alone_leave_none_to_count():
    kinds = kinds_of(4, layer="conv1", dead=[3])
    shown = snapshot_of(path=known_path(), kinds=kinds, count=1)
    assert "none is left to count" in text(place(shown)["colours"])


def test_the_report_says_what_became_smaller(pruned):
    assert report(pruned) == {}
    sizes = [SimpleNamespace(parameters=n, multiply_adds=1000 * n) for n in (12_345, 6_789)]
    done = SimpleNamespace(
        path=Path("folder/smaller.pt2"), report=SimpleNamespace(before=sizes[0], after=sizes[1])
    )
    found = report(dataclasses.replace(pruned, exported=done))
    assert (found["name"], found["path"]) == ("smaller.pt2", str(done.path))
    assert found["rows"][0] == ["parameters", "12,345", "6,789"]
