"""Pruning in the panels: the strip, the slider, what was lost, the legend, the buttons, pages."""

import re
import threading
import time

import pytest
import torch
from support.gated import GATE, data, network
from support.pruned_alone import alone
from support.shown import is_gone
from support.small import planted
from support.waiting import WAIT

from carviz import Run
from carviz.explorer import explore
from carviz.wording import counted, percent


@pytest.fixture
def explorer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = explore(network(), data(), run=Run(batch_size=16))
    yield made
    GATE.act = None
    made.close()


@pytest.fixture(scope="module")
def whole():
    return alone()


def pruned(explorer, count=None):
    explorer.prune(count)
    explorer.wait(WAIT)
    return explorer.path


def test_what_is_asked_for_is_looked_at(explorer):
    assert explorer.panels.view.value == "filter"
    pruned(explorer)
    assert explorer.panels.view.value == "pruning"
    assert explorer.panels.gallery.tiles[0]["car"] == "", "pruning measures no CAR"
    assert not explorer.panels.pruning.export.disabled
    assert not explorer.panels.pruning.compare.disabled


def test_during_a_run_what_there_is_is_shown_and_the_slider_follows(explorer):
    reached, opened, steps = threading.Event(), threading.Event(), set()

    def act(_: int) -> None:
        there = max((len(path) for path in explorer.results().paths), default=0)
        if there not in steps:
            steps.add(there)
            time.sleep(0.25)  # what a browser shows is changed a few times a second only
        if explorer.path is not None and len(explorer.path) >= 2:
            reached.set()
            assert opened.wait(20)

    GATE.act = act
    explorer.prune()
    assert reached.wait(WAIT)
    path, view = explorer.path, explorer.panels.pruning
    assert explorer.busy
    assert 2 <= len(path) < 6
    assert explorer.count == view.slider.value == view.slider.most == len(path)
    assert "of 6 filters pruned" in explorer.status
    out = [tile["filter"] for tile in view.strip.tiles if tile["out"]]
    assert out == path.order.tolist()
    assert len(view.strip.tiles) == 6
    assert view.compare.disabled
    assert view.export.disabled
    explorer.count = 1  # looked back at: it stays there
    assert [tile["out"] for tile in view.strip.tiles] == [True] + 5 * [False]
    opened.set()
    explorer.wait(WAIT)
    assert explorer.count == view.slider.value == 1
    assert view.slider.most == len(explorer.path) == 6
    assert not view.compare.disabled
    assert not view.export.disabled


def test_before_anything_is_pruned_there_is_nothing_to_export(explorer):
    with GATE.closed(after=60) as (reached, opened):
        explorer.prune()
        assert reached.wait(WAIT)
        explorer.layer = "second"
        assert "Nothing pruned yet" in explorer.panels.pruning.order.value
        assert is_gone(explorer.panels.pruning.below)
        opened.set()
    with explorer.session.lock:  # before it begins
        explorer.prune()
        explorer.cancel()
    explorer.wait(WAIT)
    assert explorer.status == "Cancelled before the first filter."
    assert explorer.panels.pruning.export.disabled
    assert explorer.panels.pruning.compare.disabled


def test_what_fails_is_told_in_the_status_and_what_there_is_shown(explorer, whole):
    explorer.prune()

    def fail(_: int) -> None:
        if any(len(path) == 2 for path in explorer.results().paths):
            raise RuntimeError("the gate broke <b>down</b>")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        explorer.wait(WAIT)
    GATE.act = None
    shown = explorer.panels.status.value
    assert "Failed" in shown
    assert "Traceback" in shown
    assert "<b>down</b>" not in shown
    out = [tile["filter"] for tile in explorer.panels.pruning.strip.tiles if tile["out"]]
    assert out == whole.order[:2].tolist()
    pruned(explorer)
    assert "Traceback" not in explorer.panels.status.value


def test_the_curve_has_the_band_the_held_out_line_and_says_what_they_are(explorer):
    explorer.prune(held_out=0.5)
    explorer.wait(WAIT)
    shown, view = explorer.results(), explorer.panels.pruning
    chosen = counted(len(shown.path.targets), "image")
    assert f"</b> right on {chosen}<" in explorer.panels.header.value
    explorer.compute()
    explorer.wait(WAIT)
    whole = percent(explorer.results().table.accuracy)
    assert f"whole network <b>{whole}</b> right<" in explorer.panels.header.value
    points = re.search(r'cv-band" points="([^"]*)"', view.curve.value)[1].split()
    assert len(points) == 2 * shown.band.accuracy.shape[1]
    assert view.curve.value.count("cv-held") == 1
    at = explorer.count
    assert f"held out {shown.held_out.accuracy[at]:.1%}" in view.curve.value
    low, high = shown.band.lowest[at], shown.band.highest[at]
    assert f"10 random orders {low:.1%} to {high:.1%}" in view.curve.value
    assert f"{low:.0%} to {high:.0%}" in view.legend.value
    assert "the dashed line is of 40 others" in view.legend.value
    pruned(explorer)
    assert "held out" not in view.curve.value
    assert "CAR chose its order on these 80 images: on others" in view.legend.value
    assert "A tie decided" in view.legend.value


def test_what_cannot_be_done_is_told_to_whoever_clicks(explorer):
    explorer.panels.pruning.compare.click()
    with pytest.raises(ValueError, match="not pruned yet"):
        explorer.wait(WAIT)
    assert "not pruned yet" in explorer.status
    assert "not pruned yet" in explorer.panels.status.value
    for ask in (explorer.compare, explorer.export):
        with pytest.raises(ValueError, match="not pruned yet"):
            ask()
    pruned(explorer)
    explorer.count = 0
    explorer.panels.pruning.export.click()
    with pytest.raises(ValueError, match="Move the slider"):
        explorer.wait(WAIT)
    assert "Move the slider" in explorer.status
    assert "Traceback" in explorer.panels.status.value


def test_the_slider_moves_the_place_and_all_that_depends_on_it(explorer, whole):
    pruned(explorer)
    view = explorer.panels.pruning
    for place in (0, 5, 2):
        explorer.listener.hear({"place": place})
        assert explorer.count == view.slider.value == place
        assert view.slider.most == 6
        right = f"{whole.accuracy[place]:.1%}"
        assert right in view.lost.value
        assert right in view.slider.words
        assert right in view.legend.value
        assert sum(tile["out"] for tile in view.strip.tiles) == place
        assert view.export.disabled == (place == 0)
        assert str(place) in view.export.description
        lost = whole.lost_classes(place)
        first = lost.iloc[0]
        if first["car"] > 0:
            assert f"{first['before']:.0%} → <b>{first['after']:.0%}</b>" in view.lost.value


def test_a_picture_of_the_strip_chooses_its_filter(explorer):
    pruned(explorer)
    strip = explorer.panels.pruning.strip
    filter = int(explorer.path.order[3])
    explorer.listener.hear({"choose": filter})
    assert explorer.filter == strip.value == filter
    assert f"Filter {filter}: pruned as number 4" in strip.note
    assert f"{explorer.path.accuracy[4]:.1%}" in strip.note


def test_the_count_of_colour_selective_filters_stands_beside_chance(explorer):
    path = pruned(explorer)
    kinds = explorer.results().selectivity.kind
    explorer.count = 4
    alive = kinds != "dead"
    gone = path.order[:4][alive[path.order[:4]]]
    color = int((kinds[gone] == "color").sum())
    chance = (kinds == "color").sum() / alive.sum()
    words = explorer.panels.pruning.order.value
    assert f"{color} of {len(gone)}" in words
    assert f"by chance {chance:.0%}" in words


def test_a_bank_that_reads_no_rgb_has_no_pictures_in_its_strip(explorer):
    explorer.layer = "second"
    pruned(explorer)
    assert explorer.panels.pruning.strip.sprite == b""
    assert len(explorer.panels.pruning.strip.tiles) == 4
    explorer.session.settle(WAIT)
    explorer.count = 2
    assert "by chance" in explorer.panels.pruning.order.value, "told apart by what it sees"


def test_a_network_that_reads_no_rgb_has_no_colour_count():
    explorer = explore(*planted())
    pruned(explorer)
    explorer.session.settle(WAIT)
    explorer.count = 2
    assert "Pruned first: 2 of 4" in explorer.panels.pruning.order.value
    assert "Colour" not in explorer.panels.pruning.order.value


def test_rivals_stand_in_the_legend_and_the_smaller_network_in_the_report(explorer, tmp_path):
    pruned(explorer)
    view = explorer.panels
    view.pruning.compare.click()
    explorer.wait(WAIT)
    assert len(explorer.results().paths) == 6
    assert view.pruning.legend.value.count("<tr") == 7
    assert view.pruning.compare.disabled, "there is nothing left to compare"
    explorer.count = 1
    view.pruning.export.click()
    explorer.wait(WAIT)
    done = explorer.exported
    assert (done.count, done.path.resolve().parent) == (1, tmp_path)
    assert torch.export.load(done.path)
    assert f"{done.report.after.parameters:,}" in view.pruning.report.value
    assert done.path.name in view.pruning.report.value


def test_why_there_is_no_smaller_network_stands_in_the_status(explorer):
    pruned(explorer)
    explorer.count = 6
    explorer.export()
    with pytest.raises(ValueError, match="keeps one filter"):
        explorer.wait(WAIT)
    assert "keeps one filter" in explorer.panels.status.value
    assert explorer.exported is None


def test_the_button_prunes_once_and_the_view_goes_there_and_back(explorer, whole):
    view = explorer.panels
    with GATE.closed(after=60) as (reached, opened):
        view.prune.click()
        assert reached.wait(WAIT)
        status = explorer.status
        assert "of 6 filters pruned" in status
        view.prune.click()  # the second of a double click
        assert explorer.status == status, "nothing starts anew"
        opened.set()
        explorer.wait(WAIT)
    assert explorer.path.order.tolist() == whole.order.tolist()
    assert is_gone(view.left)
    assert not is_gone(view.pruning.box)
    view.view.value = "filter"
    assert not is_gone(view.left)
    assert is_gone(view.pruning.box)


def test_pictures_and_pages_hold_the_pruning(explorer, tmp_path):
    pruned(explorer)
    assert "Pruning first" in explorer.snapshot().description
    page = explorer.save_html(tmp_path / "a.html").read_text()
    assert page.count("<figure") == 3, "curves, order, and what was lost"
    assert "<h1>Pruning first</h1>" in page
    explorer.compute("filter")
    explorer.wait(WAIT)
    page = explorer.save_html(tmp_path / "b.html").read_text()
    assert "<h1>Filter 0 of first</h1>" in page
    assert "<h2>Pruning" in page
    assert page.count("</main>") == 1
    assert "Pruning first" in explorer.snapshot().description
    explorer.panels.view.value = "filter"
    assert "Filter 0 of first" in explorer.snapshot().description
