"""The explorer without a browser: traits are set, methods called, and nothing is waited for."""

import threading
import time

import pytest
import torch
import traitlets
from support.gated import GATE, IMAGES, data, network
from torch import fx, nn

import carviz
from carviz.ablation import Run
from carviz.banks import open_network
from carviz.evaluate import Images
from carviz.explorer import Explorer, explore
from carviz.results import CarTable
from carviz.session.subject import Subject
from carviz.session.worker import Cancelled, Job

WAIT = 30
SMALL = Run(batch_size=4)


@pytest.fixture
def explorer():
    made = explore(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.retire()


def ended(job) -> None:
    assert job.wait(WAIT)


def test_its_table_is_measure_car_s(explorer):
    assert (explorer.layer, explorer.filter, explorer.table) == ("first", 0, None)
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table == carviz.measure_car(
        network(), data(), "first", run=SMALL, progress=False
    )
    assert explorer.table.complete
    assert explorer.table.lost.sum() > 0
    assert not explorer.busy
    assert explorer.progress == 1.0
    assert "6 filters measured on 80 images" in explorer.status


def test_a_filter_s_table_joins_the_bank_s(explorer):
    whole = carviz.measure_car(network(), data(), "first", run=SMALL, progress=False)
    for filter in (4, 1):
        explorer.filter = filter
        explorer.compute("filter")
        explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [1, 4]
    assert (explorer.table.predictions == whole.predictions[[1, 4]]).all()
    explorer.filter = 0  # not measured: its neighbours' table stays, the panel says so
    assert explorer.table.filters.tolist() == [1, 4]
    assert "not measured yet" in explorer.panels.panel.value
    explorer.compute("bank")
    explorer.wait(WAIT)
    assert explorer.table == whole


def test_a_filter_measured_on_more_images_than_the_bank_is_shown_from_its_own_table(explorer):
    cancel_after(explorer, 85)
    partial = explorer.table
    assert 0 < len(partial.images) < IMAGES
    explorer.filter = 2
    explorer.compute("filter")
    explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [2]
    assert explorer.table.complete
    explorer.filter = 3
    assert explorer.table == partial


def cancel_after(explorer, passes: int) -> int:
    """Compute the bank, cancel at a pass of the tail, and return how many passes came after."""
    explorer.compute("bank")
    first = GATE.passes

    def act(number: int) -> None:
        if number == first + passes:
            explorer.cancel()

    GATE.act = act
    explorer.wait(WAIT)
    GATE.act = None
    return GATE.passes - first - passes


def test_cancel_ends_within_a_batch_and_keeps_what_there_is(explorer):
    # The first 32 images take 8 passes and 48 with a filter gone; then a chunk of 48 takes 12 + 72.
    assert cancel_after(explorer, 85) == 0
    assert not explorer.busy
    assert explorer.progress == 32 / IMAGES
    table = explorer.table
    assert len(table.images) == 32
    assert table.total == IMAGES
    assert not table.complete
    assert len(table.filters) == 6
    assert "Cancelled: 6 filters measured on 32 of 80 images" in explorer.status
    whole = carviz.measure_car(network(), data(), "first", run=SMALL, progress=False)
    assert (table.predictions == whole.predictions[:, table.images]).all()


def test_cancel_before_the_first_images_are_through(explorer):
    assert cancel_after(explorer, 30) == 0
    assert explorer.table is None
    assert not explorer.busy
    assert explorer.status.startswith("Cancelled before")


def test_a_second_run_that_is_cancelled_loses_nothing(explorer):
    explorer.compute()
    explorer.wait(WAIT)
    whole = explorer.table
    cancel_after(explorer, 30)
    assert explorer.table == whole


def test_cancel_and_wait_without_a_job_do_nothing(explorer):
    explorer.cancel()
    explorer.wait()
    assert explorer.status.startswith("Nothing measured yet")
    assert not explorer.busy


def test_changing_the_layer_during_a_run_ends_it_and_it_writes_nothing_more(explorer):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        job = explorer._job
        explorer.layer = "second"
        assert not explorer.busy
        assert explorer.table is None
        assert explorer.progress == 0
        heard = []
        explorer.observe(heard.append)
        shown = explorer.panels.panel.value, explorer.panels.gallery.tiles
        opened.set()
        ended(job)
    assert heard == []
    assert (explorer.panels.panel.value, explorer.panels.gallery.tiles) == shown
    assert len(explorer.panels.gallery.tiles) == 4
    explorer.compute()
    explorer.wait(WAIT)
    explorer.layer = "first"
    assert len(explorer.table.images) == 32, "what the run had found was kept"


def test_finished_tables_are_kept_for_each_layer(explorer):
    explorer.compute()
    explorer.wait(WAIT)
    first = explorer.table
    explorer.layer = "second"
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.layer == "second"
    explorer.layer = "first"
    assert explorer.table is first
    assert "6 filters measured on 80 images" in explorer.status


def test_a_superseded_job_writes_nothing(explorer):
    with GATE.closed(after=10) as (reached, opened):
        explorer.compute("bank")
        assert reached.wait(WAIT)
        old = explorer._job
        explorer.filter = 5
        explorer.compute("filter")
        opened.set()
    explorer.wait(WAIT)
    ended(old)
    assert old.stopped
    assert old.error is None
    assert explorer.table.filters.tolist() == [5]
    assert explorer.status.startswith("Done")
    assert "1 filter measured" in explorer.status


def test_a_job_that_is_not_the_explorer_s_own_cannot_write(explorer):
    heard = []
    explorer.observe(heard.append)
    stranger = Job(lambda _: None, lambda _: None)
    with pytest.raises(Cancelled):
        explorer._measure(stranger, explorer.session.subject.network, "first", None)
    explorer._ended(stranger)
    assert heard == []
    assert explorer._tables() == []


def test_choosing_a_filter_during_a_run_just_shows_it(explorer):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        explorer.filter = 3
        assert explorer.busy
        assert len(explorer.table.images) == 32
        assert "Filter 3" in explorer.panels.panel.value
        assert "32 of 80 images so far" in explorer.panels.panel.value
        assert explorer.panels.gallery.value == 3
        opened.set()
        explorer.wait(WAIT)
    assert explorer.filter == 3
    assert explorer.table.complete
    assert "so far" not in explorer.panels.panel.value


def test_what_fails_is_told_and_raised():
    images, labels = data()
    labels[7] = 9
    explorer = explore(network(), (images, labels))
    explorer.compute()
    with pytest.raises(ValueError, match="image 7 has label 9"):
        explorer.wait(WAIT)
    assert not explorer.busy
    assert explorer.table is None
    assert "image 7 has label 9" in explorer.status
    shown = explorer.panels.status.value
    assert "<details>" in shown
    assert "Traceback" in shown
    assert "Failed" in shown
    labels[7] = 0
    explorer.compute()
    assert "Traceback" not in explorer.panels.status.value
    explorer.wait(WAIT)
    assert explorer.table.complete


def test_an_error_in_the_middle_keeps_what_there_is(explorer):
    explorer.compute()
    first = GATE.passes

    def fail(number: int) -> None:
        if number == first + 70:
            raise RuntimeError("the gate broke <b>down</b>")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        explorer.wait(WAIT)
    assert len(explorer.table.images) == 32
    assert "<b>down</b>" not in explorer.panels.status.value, "words of an error are no HTML"


def test_wait_says_when_it_is_not_over(explorer):
    with GATE.closed(after=0) as (reached, _):
        explorer.compute()
        assert reached.wait(WAIT)
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=r"not over after 0\.05 s"):
            explorer.wait(0.05)
        assert time.monotonic() - start < 5
        assert explorer.busy
    explorer.wait(WAIT)


def test_two_explorers_side_by_side():
    a, b = explore(network(1), data(1)), explore(network(2), data(2), layer="second")
    a.compute()
    b.compute()
    a.wait(WAIT)
    b.wait(WAIT)
    assert a.table == carviz.measure_car(network(1), data(1), "first", progress=False)
    assert b.table == carviz.measure_car(network(2), data(2), "second", progress=False)


def test_the_worker_never_traces_prints_or_opens_pyplot(explorer, monkeypatch, capfd):
    threads = []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        threads.append(threading.current_thread().name)
        return trace(self, *args, **kwargs)

    monkeypatch.setattr(fx.Tracer, "trace", watched)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: pytest.fail("display"))
    for name in ("figure", "subplots"):
        monkeypatch.setattr(f"matplotlib.pyplot.{name}", lambda *_, **__: pytest.fail("pyplot"))
    for layer in ("first", "third"):
        explorer.layer = layer
        explorer.compute()
        explorer.wait(WAIT)
    assert threads == [], "the trace of explore() serves every run"
    assert capfd.readouterr() == ("", "")


def test_another_thread_can_run_modules_all_the_while():
    module, stop, failed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), threading.Event(), []
    images = torch.zeros(1, 3, 8, 8)

    def loop() -> None:
        while not stop.is_set():
            try:
                module(images)
            except Exception as error:
                failed.append(error)
                return

    explorer = explore(network(), data())
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for layer in ("second", "first", "third"):
            explorer.layer = layer
            explorer.compute()
            explorer.wait(WAIT)
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_updates_are_at_most_about_ten_a_second(explorer):
    heard = []
    explorer.observe(lambda change: heard.append(change["name"]), ["progress", "table"])
    start, passes = time.monotonic(), GATE.passes
    GATE.act = lambda _: time.sleep(0.004)
    explorer.compute()
    explorer.wait(WAIT)
    seconds = time.monotonic() - start
    assert GATE.passes - passes > 50
    assert heard.count("progress") <= 10 * seconds + 3
    assert heard.count("table") <= 6 * seconds + 4


def test_layers_and_filters_that_are_not_there_are_refused(explorer):
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        explorer.layer = "firts"
    with pytest.raises(traitlets.TraitError, match="filters 0 to 5; found 6"):
        explorer.filter = 6
    with pytest.raises(ValueError, match="'bank' or 'filter'; found 'all'"):
        explorer.compute("all")
    assert (explorer.layer, explorer.filter, explorer.busy) == ("first", 0, False)


def test_a_choice_that_comes_late_from_the_browser_is_of_the_former_bank(explorer):
    explorer.layer = "third"
    explorer.listener.hear({"choose": 7})
    assert explorer.filter == 7
    explorer.layer = "second"
    assert explorer.filter == 0
    explorer.listener.hear({"choose": 7})
    explorer.listener.hear({"choose": "x"})
    assert explorer.filter == 0


def test_buttons_and_dropdown(explorer):
    view = explorer.panels
    assert view.cancel.disabled
    with GATE.closed(after=5) as (reached, opened):
        view.compute_bank.click()
        assert reached.wait(WAIT)
        job = explorer._job
        assert explorer.busy
        assert not view.cancel.disabled
        view.compute_bank.click()  # the second of a double click
        assert explorer._job is job
        view.cancel.click()
        opened.set()
        explorer.wait(WAIT)
    assert explorer.status.startswith("Cancelled")
    assert view.cancel.disabled
    view.layer.value = "second"
    assert explorer.layer == "second"
    view.compute_filter.click()
    explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [0]
    view.view.value = "bank"
    assert "CAR of 1 filters of second" in view.drawing.value
    assert "cv-gone" in view.detail._dom_classes
    assert "cv-gone" not in view.drawing._dom_classes


def test_another_device_ends_the_run_and_serves_the_next():
    made = network()
    networks = {name: open_network(made, name) for name in ("cpu", "cpu:0")}
    explorer = Explorer(Subject(networks, Images(data()), "Network", "tensors", SMALL))
    dropdown = explorer.panels.device
    assert dropdown.options == ("cpu", "cpu:0")
    assert dropdown in explorer.panels.controls.children
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        dropdown.value = "cpu:0"
        assert not explorer.busy
        assert len(explorer.table.images) == 32
        opened.set()
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert "<b>cpu:0</b>" in explorer.panels.header.value


def test_snapshot_and_results(explorer):
    with pytest.raises(ValueError, match="filter 0 of 'first' is not"):
        explorer.snapshot()
    explorer.filter = 2
    explorer.compute("filter")
    explorer.wait(WAIT)
    figure = explorer.snapshot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "Filter 2 of first" in figure.description
    shown = explorer.results()
    assert shown.table is explorer.table
    assert shown.pictures.shape == (6, 3, 3, 3)
    assert (shown.layer, shown.filter, shown.model) == ("first", 2, "Network")


def test_retired_explorers_are_ended(explorer):
    with GATE.closed(after=5) as (reached, _):
        explorer.compute()
        assert reached.wait(WAIT)
        job = explorer._job
        assert explorer.retire() is job
        assert not explorer.busy
        assert explorer.status.startswith("Ended")
    ended(job)
    assert job.stopped
    assert explorer.comm is None


def test_the_class_is_public():
    assert carviz.Explorer is Explorer
    assert carviz.explore is explore
    assert isinstance(Explorer.table, traitlets.Instance)
    assert Explorer.table.klass is CarTable
