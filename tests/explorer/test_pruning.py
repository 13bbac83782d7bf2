"""Pruning in the explorer without a browser: prune, cancel, compare, move the slider, export."""

import threading
import time

import numpy as np
import pytest
import torch
import traitlets
from support.gated import GATE, data, network
from torch import fx, nn
from torch_pruning import DependencyGraph

import carviz
from carviz.ablation import Run
from carviz.banks import TRACING, tracing
from carviz.explorer import explore
from carviz.pruning import CRITERIA, prune_filters
from carviz.session.bank_paths import GOOD, RIVALS, good_place
from carviz.session.worker import Cancelled, Job

WAIT = 60
SMALL = Run(batch_size=16)


@pytest.fixture
def explorer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = explore(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.retire()


@pytest.fixture(scope="module")
def whole():
    return alone()


def alone(layer="first", seed=0, **more):
    return prune_filters(network(seed), data(seed), layer, progress=False, **more)


def same(path, other) -> bool:
    """Whether two paths say the same: they may have been searched in batches of another size."""
    names = ("order", "predictions", "baseline", "targets", "decided_by_tie")
    arrays = all(np.array_equal(getattr(path, n), getattr(other, n)) for n in names)
    return arrays and (path.criterion, path.layers) == (other.criterion, other.layers)


def pruned(explorer, count=None):
    explorer.prune(count)
    explorer.wait(WAIT)
    return explorer.path


def cancel_when(explorer, done):
    """Cancel at the first pass of the tail after `done()`; return how many came after that."""
    at = []

    def act(number: int) -> None:
        if not at and done():
            at.append(number)
            explorer.cancel()

    GATE.act = act
    explorer.wait(WAIT)
    GATE.act = None
    return GATE.passes - at[0]


def test_its_path_is_prune_filters_s(explorer, whole):
    assert (explorer.path, explorer.count) == (None, 0)
    path = pruned(explorer)
    assert same(path, whole)
    assert len(path) == 6
    assert not explorer.busy
    assert explorer.progress == 1.0
    assert explorer.status.startswith("Done in")
    assert "6 filters pruned" in explorer.status
    assert explorer.panels.view.value == "pruning", "what is asked for is looked at"
    assert "CAR" not in explorer.panels.gallery.tiles[0]["car"], "pruning measures no CAR"


def test_when_all_is_done_the_slider_stands_where_little_is_lost(explorer):
    path = pruned(explorer)
    assert explorer.count == good_place(path)
    assert (path.accuracy[: explorer.count + 1] >= path.accuracy[0] - GOOD - 1e-9).all()
    assert (
        explorer.count == len(path) or path.accuracy[explorer.count + 1] < path.accuracy[0] - GOOD
    )
    assert f"{explorer.count} of them" in explorer.status


def test_count_cuts_the_path_short(explorer, whole):
    assert same(pruned(explorer, 2), alone(count=2))
    assert explorer.path.order.tolist() == whole.order[:2].tolist()
    assert explorer.progress == 1.0


def test_during_a_run_what_there_is_is_shown_and_the_slider_follows(explorer):
    reached, opened, found = threading.Event(), threading.Event(), set()

    def act(_: int) -> None:
        running = explorer._of("first").running
        if (steps := 0 if running is None else len(running)) not in found:
            found.add(steps)
            time.sleep(0.25)  # what a browser shows is changed a few times a second only
        if explorer.path is not None and len(explorer.path) >= 2:
            reached.set()
            assert opened.wait(20)

    GATE.act = act
    explorer.prune()
    assert explorer.busy
    assert reached.wait(WAIT)
    path, view = explorer.path, explorer.panels.pruning
    assert explorer.busy
    assert 2 <= len(path) < 6
    assert explorer.count == len(path)
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
    assert explorer.count == 1
    assert len(explorer.path) == 6
    assert not view.compare.disabled
    assert not view.export.disabled


def test_cancel_ends_within_a_batch_and_keeps_what_there_is(explorer, whole):
    explorer.prune()
    running = explorer._of("first")
    after = cancel_when(explorer, lambda: running.running is not None and len(running.running) == 3)
    assert after == 0
    assert not explorer.busy
    path = explorer.path
    assert same(path, whole.prefix(3))
    assert explorer.count == 3
    assert explorer.progress == 0.5
    assert explorer.status == "Cancelled: 3 filters pruned, and kept."
    assert not explorer.panels.pruning.export.disabled


def test_cancel_before_the_first_step(explorer):
    explorer.prune()
    assert cancel_when(explorer, lambda: True) <= 8, "a plan is tried on four images"
    assert explorer.path is None or len(explorer.path) == 0
    assert explorer.status == "Cancelled before the first filter."
    assert explorer.panels.pruning.export.disabled


def test_a_second_run_that_is_cancelled_loses_nothing(explorer, whole):
    pruned(explorer)
    place = explorer.count
    explorer.prune()
    cancel_when(explorer, lambda: True)
    assert same(explorer.path, whole)
    assert 0 <= explorer.count <= max(place, 6)
    assert not explorer.busy


def test_another_bank_during_a_run_ends_it_and_it_writes_nothing_more(explorer):
    with GATE.closed(after=60) as (reached, opened):
        explorer.prune()
        assert reached.wait(WAIT)
        job = explorer._job
        explorer.layer = "second"
        assert (explorer.busy, explorer.path, explorer.count) == (False, None, 0)
        assert "Nothing pruned yet" in explorer.panels.pruning.order.value
        heard = []
        explorer.observe(heard.append)
        opened.set()
        assert job.wait(WAIT)
    assert heard == []
    pruned(explorer, 1)
    assert explorer.path.banks == ("second",)
    explorer.layer = "first"
    assert explorer.path is None or explorer.path.banks == ("first",)


def test_paths_are_kept_for_each_bank(explorer, whole):
    pruned(explorer)
    explorer.layer = "third"
    pruned(explorer, 2)
    explorer.layer = "first"
    assert same(explorer.path, whole)
    assert explorer.count == good_place(whole)
    explorer.layer = "third"
    assert len(explorer.path) == 2


def test_measuring_and_pruning_take_turns(explorer, whole):
    GATE.act = lambda _: time.sleep(0.005)
    explorer.compute()
    old = explorer._job
    explorer.prune()
    GATE.act = None
    explorer.wait(WAIT)
    assert old.wait(WAIT)
    assert old.stopped
    assert same(explorer.path, whole)
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert same(explorer.path, whole)


def test_a_job_that_is_not_the_explorer_s_own_cannot_write(explorer):
    heard = []
    explorer.observe(heard.append)
    stranger = Job(lambda _: None, lambda _: None)
    with pytest.raises(Cancelled):
        explorer._prune(stranger, "first", 1)
    with pytest.raises(Cancelled):
        explorer._run_rivals(stranger, "first", 1)
    explorer._pruning_ended(stranger, "first", 1)
    explorer._comparing_ended(stranger, "first")
    explorer._exporting_ended(stranger)
    assert heard == []
    assert explorer._of("first").paths == ()


def test_what_fails_is_told_and_raised_and_what_there_is_kept(explorer, whole):
    explorer.prune()
    running = explorer._of("first")

    def fail(_: int) -> None:
        if running.running is not None and len(running.running) == 2:
            raise RuntimeError("the gate broke <b>down</b>")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        explorer.wait(WAIT)
    GATE.act = None
    assert same(explorer.path, whole.prefix(2))
    shown = explorer.panels.status.value
    assert "Failed" in shown
    assert "Traceback" in shown
    assert "<b>down</b>" not in shown
    pruned(explorer)
    assert "Traceback" not in explorer.panels.status.value
    assert same(explorer.path, whole)


def test_what_cannot_be_pruned_is_refused_at_once_or_told_to_whoever_clicks(explorer):
    with pytest.raises(ValueError, match="7"):
        explorer.prune(7)
    assert not explorer.busy
    explorer.panels.pruning.compare.click()
    with pytest.raises(ValueError, match="not pruned yet"):
        explorer.wait(WAIT)
    assert "not pruned yet" in explorer.status
    with pytest.raises(ValueError, match="not pruned yet"):
        explorer.compare()
    with pytest.raises(ValueError, match="not pruned yet"):
        explorer.export()


def test_a_click_that_is_refused_is_told_in_the_status(explorer):
    pruned(explorer)
    explorer.count = 0
    explorer.panels.pruning.export.click()
    with pytest.raises(ValueError, match="Move the slider"):
        explorer.wait(WAIT)
    assert "Move the slider" in explorer.status
    assert "Traceback" in explorer.panels.status.value


def test_rivals_come_cheapest_first_each_as_prune_filters_has_it(explorer, whole):
    seen = []
    pruned(explorer, 4)
    explorer.observe(lambda _: seen.append(explorer.status), "status")
    (path,) = explorer._of("first").paths
    assert same(path, whole.prefix(4))
    explorer.compare()
    explorer.wait(WAIT)
    paths = {path.criterion: path for path in explorer.results().paths}
    assert set(paths) == set(CRITERIA)
    for name in RIVALS:
        expected = alone(criterion=name, count=4)
        assert same(paths[name], expected), name
    assert list(paths) == ["car", *RIVALS]
    assert "6 other criteria" in explorer.status
    assert any("comparing with" in words for words in seen)
    assert explorer.panels.pruning.compare.disabled, "there is nothing left to compare"
    assert explorer.panels.pruning.legend.value.count("<tr") == 7
    assert explorer.count <= 4


def test_a_comparison_that_is_cancelled_keeps_the_rivals_it_has(explorer):
    pruned(explorer)
    explorer.compare()
    known = explorer._of("first")
    assert cancel_when(explorer, lambda: len(known.paths) == 3) == 0
    assert [path.criterion for path in known.paths][:2] == ["car", "l1"]
    assert explorer.status.startswith("Cancelled")
    assert not explorer.panels.pruning.compare.disabled
    explorer.compare()
    explorer.wait(WAIT)
    assert all(len(path) == 6 for path in known.paths)


def test_the_slider_moves_the_place_and_all_that_depends_on_it(explorer, whole):
    pruned(explorer)
    view = explorer.panels.pruning
    for place in (0, 5, 2):
        view.slider._heard(None, {"place": place}, [])
        assert explorer.count == view.slider.value == place
        assert view.slider.most == 6
        right = f"{whole.accuracy[place]:.1%}"
        assert right in view.lost.value
        assert right in view.slider.words
        assert right in view.legend.value
        assert sum(tile["out"] for tile in view.strip.tiles) == place
        assert view.export.disabled == (place == 0)
        lost = whole.lost_classes(place)
        first = lost.iloc[0]
        if first["car"] > 0:
            assert f"{first['before']:.0%} → <b>{first['after']:.0%}</b>" in view.lost.value
    view.slider._heard(None, {"place": 99}, [])
    assert explorer.count == 6, "a late message is of a former path"
    view.slider._heard(None, {"place": "x"}, [])
    with pytest.raises(traitlets.TraitError, match="0 to 6; found 7"):
        explorer.count = 7
    assert explorer.count == 6


def test_a_picture_of_the_strip_chooses_its_filter(explorer):
    pruned(explorer)
    strip = explorer.panels.pruning.strip
    filter = int(explorer.path.order[3])
    strip._heard(None, {"choose": filter}, [])
    assert explorer.filter == strip.value == filter
    assert f"Filter {filter}: pruned as number 4" in strip.note
    assert f"{explorer.path.accuracy[4]:.1%}" in strip.note


def test_the_count_of_colour_selective_filters_stands_beside_chance(explorer):
    path = pruned(explorer)
    kinds = explorer._findings.kinds["first"].kind
    explorer.count = 4
    alive = kinds != "dead"
    gone = path.order[:4][alive[path.order[:4]]]
    color = int((kinds[gone] == "color").sum())
    chance = (kinds == "color").sum() / alive.sum()
    words = explorer.panels.pruning.order.value
    assert f"{color} of {len(gone)}" in words
    assert f"by chance {chance:.0%}" in words


def test_a_bank_that_reads_no_rgb_has_no_colour_count(explorer):
    explorer.layer = "second"
    pruned(explorer)
    assert "Colour" not in explorer.panels.pruning.order.value
    assert explorer.panels.pruning.strip.sprite == b""


def test_export_writes_a_network_that_computes_what_the_ablated_one_does(explorer, tmp_path):
    path = pruned(explorer)
    explorer.count = 2
    explorer.export()
    explorer.wait(WAIT)
    done = explorer.exported
    assert done.path.resolve() == tmp_path / "Network-first-minus-2.pt2"
    assert explorer.status == f"Saved as {done.path}."
    opened = torch.export.load(done.path).module()
    images, _ = data()
    with torch.no_grad():
        predicted = opened(images).argmax(1).numpy()
    assert np.array_equal(predicted, path.predictions[1])
    assert done.report.after.parameters < done.report.before.parameters
    assert f"{done.report.after.parameters:,}" in explorer.panels.pruning.report.value
    assert done.path.name in explorer.panels.pruning.report.value


def test_an_export_that_does_not_come_back_is_cancelled(explorer, tmp_path, monkeypatch):
    inside = threading.Event()

    def for_ever(graph, module, *_rest):
        while True:
            inside.set()
            graph.get_out_channels(module)

    monkeypatch.setattr(DependencyGraph, "get_pruning_group", for_ever)
    pruned(explorer)
    explorer.count = 2
    explorer.export()
    assert inside.wait(WAIT)
    explorer.cancel()
    explorer.wait(WAIT)
    assert explorer.status == "Cancelled: nothing was saved."
    assert explorer.exported is None
    assert list(tmp_path.iterdir()) == []


def test_export_says_in_words_why_it_cannot(explorer, tmp_path):
    pruned(explorer)
    explorer.count = 6
    explorer.export()
    with pytest.raises(ValueError, match="keeps one filter"):
        explorer.wait(WAIT)
    assert "keeps one filter" in explorer.status
    assert "keeps one filter" in explorer.panels.status.value
    assert explorer.exported is None
    with pytest.raises(FileNotFoundError, match="nowhere"):
        explorer.export(tmp_path / "nowhere" / "x.pt2")
    assert list(tmp_path.iterdir()) == []


def test_the_worker_traces_nothing_while_it_prunes_compares_and_exports(explorer, monkeypatch):
    threads, unlocked = [], []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        # torch.export has a tracer of its own, which lets other threads' calls pass.
        if isinstance(self, tracing.Tracer) or type(self) is fx.Tracer:
            threads.append(threading.current_thread().name)
        elif free(TRACING):
            unlocked.append(type(self).__name__)
        else:
            exported.append(type(self).__name__)
        return trace(self, *args, **kwargs)

    def free(lock) -> bool:
        taken = []

        def take() -> None:
            taken.append(lock.acquire(blocking=False))
            if taken[0]:
                lock.release()

        other = threading.Thread(target=take)
        other.start()
        other.join()
        return taken[0]

    exported = []
    torch.export.export(torch.nn.ReLU(), (torch.ones(1),))  # its first call traces examples
    monkeypatch.setattr(fx.Tracer, "trace", watched)
    pruned(explorer, 2)
    explorer.compare()
    explorer.wait(WAIT)
    assert exported == []
    explorer.count = 2
    explorer.export()
    explorer.wait(WAIT)
    assert threads == []
    assert unlocked == [], "two tracers at once would leave torch.nn.Module patched"
    assert exported, "torch.export traces, and this test would see it"


def test_forward_passes_go_on_while_the_worker_exports(explorer):
    pruned(explorer)
    explorer.count = 2
    model, (images, _) = network(), data()
    calls = nn.Module.__call__, nn.Module.__getattr__
    passes = 0
    with torch.no_grad():
        expected = model(images)
        explorer.export()
        while explorer.busy:
            torch.testing.assert_close(model(images), expected)
            passes += 1
    explorer.wait(WAIT)
    assert passes > 1
    assert (nn.Module.__call__, nn.Module.__getattr__) == calls


def test_two_explorers_prune_side_by_side():
    a, b = explore(network(1), data(1)), explore(network(2), data(2), layer="second")
    a.prune()
    b.prune()
    a.wait(WAIT)
    b.wait(WAIT)
    assert same(a.path, alone("first", seed=1))
    assert same(b.path, alone("second", seed=2))


def test_buttons(explorer):
    view = explorer.panels
    view.prune.click()
    job = explorer._job
    view.prune.click()  # the second of a double click
    assert explorer._job is job
    explorer.wait(WAIT)
    assert "cv-gone" in view.left._dom_classes
    assert "cv-gone" not in view.pruning.box._dom_classes
    view.pruning.compare.click()
    explorer.wait(WAIT)
    assert len(explorer.results().paths) == 7
    explorer.count = 1
    view.pruning.export.click()
    explorer.wait(WAIT)
    assert explorer.exported.count == 1
    view.view.value = "filter"
    assert "cv-gone" not in view.left._dom_classes


def test_pictures_and_pages_hold_the_pruning(explorer, tmp_path):
    pruned(explorer)
    figure = explorer.snapshot()
    assert "Pruning first" in figure.description
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


def test_the_class_has_its_traits():
    assert carviz.Explorer.path.klass.__name__ == "PruningPath"
