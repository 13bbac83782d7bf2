"""CAR in a session: measured, cancelled, superseded, shown bank by bank; nothing is waited for."""

import threading
import time

import pytest
import torch
from support.gated import GATE, IMAGES, data, network
from support.waiting import WAIT
from torch import fx, nn

import carviz
from carviz import Run, open_session
from carviz.banks import open_network
from carviz.evaluate import Images
from carviz.session import Session
from carviz.session.subject import Subject

SMALL = Run(batch_size=4)


@pytest.fixture
def session():
    made = open_session(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.close()


def alone(layer="first"):
    return carviz.measure_car(network(), data(), layer, run=SMALL, progress=False)


def cancel_after(session, passes: int) -> int:
    """Compute the bank, cancel at a pass of the tail, and return how many passes came after."""
    session.compute("bank")
    first = GATE.passes

    def act(number: int) -> None:
        if number == first + passes:
            session.cancel()

    GATE.act = act
    session.wait(WAIT)
    GATE.act = None
    return GATE.passes - first - passes


def heard(session) -> list:
    """Return a list that all news of a session is added to."""
    news: list = []
    session.listen(news.append)
    return news


def test_its_table_is_measure_car_s(session):
    assert (session.layer, session.filter, session.table) == ("first", 0, None)
    session.compute()
    session.wait(WAIT)
    assert session.table == alone()
    assert session.table.complete
    assert session.table.lost.sum() > 0
    assert not session.busy
    assert session.progress == 1.0
    assert "6 filters measured on 80 images" in session.status


def test_a_filter_s_table_joins_the_bank_s(session):
    whole = alone()
    for filter in (4, 1):
        session.filter = filter
        session.compute("filter")
        session.wait(WAIT)
    assert session.table.filters.tolist() == [1, 4]
    assert (session.table.predictions == whole.predictions[[1, 4]]).all()
    session.filter = 0  # not measured: its neighbours' table stays
    assert session.table.filters.tolist() == [1, 4]
    assert not session.snapshot().measured
    session.compute("bank")
    session.wait(WAIT)
    assert session.table == whole


def test_a_filter_measured_on_more_images_than_the_bank_is_shown_from_its_own_table(session):
    cancel_after(session, 85)
    partial = session.table
    assert 0 < len(partial.images) < IMAGES
    session.filter = 2
    session.compute("filter")
    session.wait(WAIT)
    assert session.table.filters.tolist() == [2]
    assert session.table.complete
    session.filter = 3
    assert session.table == partial
    assert len(session.snapshot().tables) == 2


def test_cancel_ends_within_a_batch_and_keeps_what_there_is(session):
    # The first 32 images take 8 passes and 48 with a filter gone; then a chunk of 48 takes 12 + 72.
    assert cancel_after(session, 85) == 0
    assert not session.busy
    assert session.progress == 32 / IMAGES
    table = session.table
    assert len(table.images) == 32
    assert table.total == IMAGES
    assert not table.complete
    assert len(table.filters) == 6
    assert "Cancelled: 6 filters measured on 32 of 80 images" in session.status
    assert (table.predictions == alone().predictions[:, table.images]).all()


def test_cancel_before_the_first_images_are_through(session):
    assert cancel_after(session, 30) == 0
    assert session.table is None
    assert not session.busy
    assert session.status.startswith("Cancelled before")


def test_a_second_run_that_is_cancelled_loses_nothing(session):
    session.compute()
    session.wait(WAIT)
    whole = session.table
    cancel_after(session, 30)
    assert session.table == whole


def test_cancel_and_wait_without_a_job_do_nothing(session):
    session.cancel()
    session.wait()
    session.settle()
    assert session.status.startswith("Nothing measured yet")
    assert not session.busy


def test_changing_the_layer_during_a_run_ends_it_and_it_writes_nothing_more(session):
    with GATE.closed(after=70) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        session.layer = "second"
        assert not session.busy
        assert session.table is None
        assert session.progress == 0
        news, passes = heard(session), GATE.passes
        opened.set()
        session.settle(WAIT)
    assert news == []
    assert GATE.passes == passes, "it ends within the batch"
    session.compute()
    session.wait(WAIT)
    session.layer = "first"
    assert len(session.table.images) == 32, "what the run had found was kept"


def test_finished_tables_are_kept_for_each_layer(session):
    session.compute()
    session.wait(WAIT)
    first = session.table
    session.layer = "second"
    session.compute()
    session.wait(WAIT)
    assert session.table.layer == "second"
    session.layer = "first"
    assert session.table is first
    assert "6 filters measured on 80 images" in session.status


def test_a_superseded_job_writes_nothing(session):
    with GATE.closed(after=10) as (reached, opened):
        session.compute("bank")
        assert reached.wait(WAIT)
        session.filter = 5
        session.compute("filter")
        shown = session.snapshot()
        assert (shown.busy, shown.progress, shown.tables) == (True, 0.0, ())
        opened.set()
    session.wait(WAIT)
    session.settle(WAIT)
    assert [table.filters.tolist() for table in session.snapshot().tables] == [[5]]
    assert session.status.startswith("Done")
    assert "1 filter measured" in session.status
    assert session.snapshot().story == ""


def test_choosing_a_filter_during_a_run_just_shows_it(session):
    with GATE.closed(after=70) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        session.filter = 3
        assert session.busy
        assert len(session.table.images) == 32
        chosen = session.snapshot().to_json()["chosen"]
        assert (chosen["filter"], chosen["complete"]) == (3, False)
        assert "32 of 80 images so far" in chosen["seen_words"]
        opened.set()
        session.wait(WAIT)
    assert session.filter == 3
    assert session.table.complete


def test_what_fails_is_told_and_raised():
    images, labels = data()
    labels[7] = 9
    session = open_session(network(), (images, labels))
    session.compute()
    with pytest.raises(ValueError, match="image 7 has label 9"):
        session.wait(WAIT)
    assert not session.busy
    assert session.table is None
    assert "image 7 has label 9" in session.status
    assert "Traceback" in session.snapshot().story
    labels[7] = 0
    session.compute()
    assert session.snapshot().story == ""
    session.wait(WAIT)
    assert session.table.complete


def test_an_error_in_the_middle_keeps_what_there_is(session):
    session.compute()
    first = GATE.passes

    def fail(number: int) -> None:
        if number == first + 70:
            raise RuntimeError("the gate broke down")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        session.wait(WAIT)
    assert len(session.table.images) == 32
    assert session.progress == 32 / IMAGES


def test_wait_and_settle_say_when_it_is_not_over(session):
    with GATE.closed(after=0) as (reached, _):
        session.compute()
        assert reached.wait(WAIT)
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=r"not over after 0\.05 s"):
            session.wait(0.05)
        with pytest.raises(TimeoutError, match=r"not over after 0\.05 s"):
            session.settle(0.05)
        assert time.monotonic() - start < 5
        assert session.busy
    session.wait(WAIT)


def test_two_sessions_side_by_side():
    a = open_session(network(1), data(1))
    b = open_session(network(2), data(2), layer="second")
    a.compute()
    b.compute()
    a.wait(WAIT)
    b.wait(WAIT)
    assert a.table == carviz.measure_car(network(1), data(1), "first", progress=False)
    assert b.table == carviz.measure_car(network(2), data(2), "second", progress=False)


def test_the_worker_never_traces_prints_or_opens_pyplot(session, monkeypatch, capfd):
    threads = []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        threads.append(threading.current_thread().name)
        return trace(self, *args, **kwargs)

    monkeypatch.setattr(fx.Tracer, "trace", watched)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: pytest.fail("display"))
    for name in ("figure", "subplots"):
        monkeypatch.setattr(f"matplotlib.pyplot.{name}", lambda *_, **__: pytest.fail("pyplot"))
    session.look(large="patches", siblings=True)
    for layer in ("first", "third"):
        session.layer = layer
        session.compute()
        session.wait(WAIT)
        session.settle(WAIT)
    assert threads == [], "the trace of open_session() serves every run, and pictures"
    assert capfd.readouterr() == ("", "")


def test_another_thread_can_run_modules_all_the_while(session):
    module, stop, failed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), threading.Event(), []
    images = torch.zeros(1, 3, 8, 8)

    def loop() -> None:
        while not stop.is_set():
            try:
                module(images)
            except Exception as error:
                failed.append(error)
                return

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for layer in ("second", "first", "third"):
            session.layer = layer
            session.compute()
            session.wait(WAIT)
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_updates_are_at_most_about_ten_a_second(session):
    said, tables = [], []

    def hear(news) -> None:
        if news.what == "work":
            said.append(session.progress)
        elif session.table is not None and not any(session.table is t for t in tables):
            tables.append(session.table)

    session.listen(hear)
    start, passes = time.monotonic(), GATE.passes
    GATE.act = lambda _: time.sleep(0.004)
    session.compute()
    session.wait(WAIT)
    seconds = time.monotonic() - start
    assert GATE.passes - passes > 50
    assert len(set(said)) <= 10 * seconds + 3
    assert len(said) <= 10 * seconds + 6
    assert 0 < len(tables) <= 6 * seconds + 4


def test_a_scope_that_is_none_is_refused(session):
    with pytest.raises(ValueError, match="'bank', 'filter' or 'together'; found 'all'"):
        session.compute("all")
    assert not session.busy


def test_another_device_ends_the_run_and_serves_the_next():
    made = network()
    networks = {name: open_network(made, name) for name in ("cpu", "cpu:0")}
    session = Session(Subject(networks, Images(data()), "Network", "tensors", SMALL))
    assert (session.device, list(session.subject.networks)) == ("cpu", ["cpu", "cpu:0"])
    with GATE.closed(after=70) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        session.device = "cpu:0"
        assert not session.busy
        assert session.status == "Stopped, to go on with cpu:0."
        assert len(session.table.images) == 32
        opened.set()
    session.compute()
    session.wait(WAIT)
    assert session.table.complete
    assert session.snapshot().device == "cpu:0"


def test_a_figure_needs_a_measured_filter(session):
    with pytest.raises(ValueError, match="filter 0 of 'first' is not"):
        session.snapshot().figure()
    session.filter = 2
    session.compute("filter")
    session.wait(WAIT)
    shown = session.snapshot()
    assert "Filter 2 of first" in shown.figure().description
    assert shown.table is session.table
    assert shown.pictures.shape == (6, 3, 3, 3)
    assert (shown.layer, shown.filter, shown.model) == ("first", 2, "Network")


def test_closed_in_the_midst_of_a_job_it_ends_within_the_batch(session):
    with GATE.closed(after=70) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        passes = GATE.passes
        threading.Timer(0.1, opened.set).start()
        session.close()
        assert GATE.passes == passes
    assert not session.busy
    assert session.status == "Closed."
    assert len(session.table.images) == 32, "what was measured stays"
    session.settle(WAIT)


def test_the_filter_of_highest_car_is_shown_once_the_bank_is_done(session):
    session.compute()
    session.wait(WAIT)
    highest = int(alone().order[0])
    assert highest != 0, "and this test would see it"
    assert session.filter == highest
    session.layer = "second"
    assert session.filter == 0, "another bank, where nobody has chosen"
    session.compute()
    session.wait(WAIT)
    assert session.filter == alone("second").order[0]


@pytest.mark.parametrize("act", ["filter", "class", "alone"])
def test_what_somebody_chose_stays_when_the_bank_is_done(session, act):
    if act == "filter":
        session.filter = 0  # the one that is shown already
    elif act == "class":
        session.look(opened=1)
    elif act == "alone":
        session.compute("filter")
        session.wait(WAIT)
    session.compute()
    session.wait(WAIT)
    assert session.table.complete
    assert session.filter == 0


def test_a_deep_bank_begins_with_patches_unless_somebody_chose(session):
    assert session.looks.gallery == "weights"
    session.layer = "third"
    assert session.looks.gallery == "patches"
    session.layer = "first"
    assert session.looks.gallery == "weights"
    session.look(gallery="weights")
    session.layer = "third"
    assert session.looks.gallery == "weights"
