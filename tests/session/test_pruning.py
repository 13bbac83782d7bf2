"""Pruning in a session: prune, cancel, compare, go to a place on the path."""

import threading
import time

import numpy as np
import pytest
from support.gated import GATE, data, network
from support.legible import words
from support.pruned_alone import alone, same
from support.waiting import WAIT

from carviz import Run, measure_cumulative, open_session
from carviz.pruning import CRITERIA
from carviz.session.bank_paths import GOOD, RIVALS, good_place
from carviz.wording import points

SMALL = Run(batch_size=16)


@pytest.fixture
def session():
    made = open_session(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.close()


@pytest.fixture(scope="module")
def whole():
    return alone()


def pruned(session, count=None):
    session.prune(count)
    session.wait(WAIT)
    return session.path


def found(session) -> int:
    """Return how many steps of greedy pruning there are, told already or not."""
    return max((len(path) for path in session.paths if path.criterion == "car"), default=0)


def cancel_when(session, done):
    """Cancel at the first pass of the tail after `done()`; return how many came after that."""
    at = []

    def act(number: int) -> None:
        if not at and done():
            at.append(number)
            session.cancel()

    GATE.act = act
    session.wait(WAIT)
    GATE.act = None
    return GATE.passes - at[0]


def test_its_path_is_prune_filters_s(session, whole):
    assert (session.path, session.count) == (None, 0)
    path = pruned(session)
    assert same(path, whole)
    assert len(path) == 6
    assert not session.busy
    assert session.progress == 1.0
    assert session.status.startswith("Done in")
    assert "6 filters pruned" in session.status
    assert session.view == "pruning", "what is asked for is looked at"
    assert session.snapshot().tables == (), "pruning measures no CAR"


def test_when_all_is_done_the_place_is_where_little_is_lost(session):
    path = pruned(session)
    count = session.count
    assert count == good_place(path)
    assert (path.accuracy[: count + 1] >= path.accuracy[0] - GOOD - 1e-9).all()
    assert count == len(path) or path.accuracy[count + 1] < path.accuracy[0] - GOOD
    assert f"{count} of them" in session.status


def test_count_cuts_the_path_short(session, whole):
    assert same(pruned(session, 2), alone(count=2))
    assert session.path.order.tolist() == whole.order[:2].tolist()
    assert session.progress == 1.0


def test_during_a_run_what_there_is_is_shown_and_the_place_follows(session):
    reached, opened, steps = threading.Event(), threading.Event(), set()

    def act(_: int) -> None:
        if (there := found(session)) not in steps:
            steps.add(there)
            time.sleep(0.25)  # what is shown is changed a few times a second only
        if session.path is not None and len(session.path) >= 2:
            reached.set()
            assert opened.wait(20)

    GATE.act = act
    session.prune()
    assert session.busy
    assert reached.wait(WAIT)
    path = session.path
    assert session.busy
    assert 2 <= len(path) < 6
    assert session.count == len(path)
    assert "of 6 filters pruned" in session.status
    assert session.snapshot().to_json()["pruning"]["order"] == path.order.tolist()
    session.count = 1  # looked back at: it stays there
    opened.set()
    session.wait(WAIT)
    assert session.count == 1
    assert len(session.path) == 6


def test_cancel_ends_within_a_batch_and_keeps_what_there_is(session, whole):
    session.prune()
    assert cancel_when(session, lambda: found(session) == 3) == 0
    assert not session.busy
    assert same(session.path, whole.prefix(3))
    assert session.count == 3
    assert session.progress == 0.5
    assert session.status == "Cancelled: 3 filters pruned, and kept."


def test_cancel_before_the_first_step(session):
    session.prune()
    assert cancel_when(session, lambda: True) <= 8, "a plan is tried on four images"
    assert session.path is None or len(session.path) == 0
    assert session.status == "Cancelled before the first filter."


def test_a_second_run_that_is_cancelled_loses_nothing(session, whole):
    pruned(session)
    place = session.count
    session.prune()
    cancel_when(session, lambda: True)
    assert same(session.path, whole)
    assert 0 <= session.count <= max(place, 6)
    assert not session.busy


def test_another_bank_during_a_run_ends_it_and_it_writes_nothing_more(session):
    with GATE.closed(after=60) as (reached, opened):
        session.prune()
        assert reached.wait(WAIT)
        session.layer = "second"
        assert (session.busy, session.path, session.count) == (False, None, 0)
        news: list = []
        session.listen(news.append)
        opened.set()
        session.settle(WAIT)
    assert news == []
    assert session.paths == []
    pruned(session, 1)
    assert session.path.banks == ("second",)
    session.layer = "first"
    assert session.path is None or session.path.banks == ("first",)


def test_paths_are_kept_for_each_bank(session, whole):
    pruned(session)
    session.layer = "third"
    pruned(session, 2)
    session.layer = "first"
    assert same(session.path, whole)
    assert session.count == good_place(whole)
    session.layer = "third"
    assert len(session.path) == 2


def test_measuring_and_pruning_take_turns(session, whole):
    GATE.act = lambda _: time.sleep(0.005)
    session.compute()
    session.prune()
    GATE.act = None
    session.wait(WAIT)
    assert same(session.path, whole)
    assert "filters pruned" in session.status
    assert not any(table.complete for table in session.snapshot().tables), "the measuring was ended"
    session.compute()
    session.wait(WAIT)
    assert session.table.complete
    assert same(session.path, whole)


def test_what_fails_is_told_and_raised_and_what_there_is_kept(session, whole):
    session.prune()

    def fail(_: int) -> None:
        if found(session) == 2:
            raise RuntimeError("the gate broke down")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        session.wait(WAIT)
    GATE.act = None
    assert same(session.path, whole.prefix(2))
    assert "broke" in session.status
    assert "Traceback" in session.snapshot().story
    pruned(session)
    assert session.snapshot().story == ""
    assert same(session.path, whole)


def test_what_cannot_be_pruned_is_refused_at_once(session):
    with pytest.raises(ValueError, match="7"):
        session.prune(7)
    with pytest.raises(ValueError, match="not pruned yet"):
        session.compare()
    assert not session.busy


def test_rivals_come_cheapest_first_each_as_prune_filters_has_it(session, whole):
    pruned(session, 4)
    (path,) = session.paths
    assert same(path, whole.prefix(4))
    assert session.snapshot().missing == list(RIVALS), "random orders are there already"
    seen = []
    session.listen(lambda _: seen.append(session.status))
    session.compare()
    session.wait(WAIT)
    paths = {path.criterion: path for path in session.snapshot().paths}
    assert set(paths) == set(CRITERIA) - {"log-prob", "random"}
    for name in RIVALS:
        assert same(paths[name], alone(criterion=name, count=4)), name
    assert list(paths) == ["car", *RIVALS]
    assert "5 other criteria and 10 random orders" in session.status
    assert any("comparing with" in words for words in seen)
    assert session.snapshot().missing == [], "there is nothing left to compare"
    assert session.count <= 4


def test_a_comparison_that_is_cancelled_keeps_the_rivals_it_has(session):
    pruned(session)
    session.compare()
    assert cancel_when(session, lambda: len(session.paths) == 3) == 0
    assert [path.criterion for path in session.paths][:2] == ["car", "l1"]
    assert session.status.startswith("Cancelled")
    assert session.snapshot().missing
    session.compare()
    session.wait(WAIT)
    assert len(session.paths) == 6
    assert all(len(path) == 6 for path in session.paths)


def test_random_orders_come_after_the_path_as_measure_cumulative_has_them(session, whole):
    path = pruned(session)
    table = measure_cumulative(network(), data(), "first", order=path, draws=10, progress=False)
    band = session.snapshot().band
    assert band.right.tolist() == table.right_random.tolist()
    told = session.snapshot().to_json()["pruning"]
    assert told["band"]["lowest"] == table.lowest.tolist()
    assert told["band"]["covers"] == pytest.approx(9 / 11)
    assert told["chosen_on"] == 80
    assert told["tie_share"] == path.tie_share
    assert told["held_out"] is None
    assert "random (mean of 10)" in words(session.snapshot().figure())


def drawn(session) -> int:
    band = session.snapshot().band
    return 0 if band is None else len(band)


def test_random_orders_that_are_cancelled_keep_path_place_and_what_is_drawn(session, whole):
    session.prune()
    assert cancel_when(session, lambda: drawn(session) == 3) <= 4
    assert same(session.path, whole)
    assert session.count == good_place(whole)
    assert drawn(session) == 3
    assert "Cancelled then: 3 random orders beside it" in session.status
    assert session.snapshot().missing == [*RIVALS, "random"]
    session.compare()
    session.wait(WAIT)
    assert drawn(session) == 10
    assert session.snapshot().missing == []


def test_a_share_of_the_images_is_held_out_of_the_order(session):
    pruned(session)
    session.prune(held_out=0.25)
    session.wait(WAIT)
    shown = session.snapshot()
    path, held = shown.path, shown.held_out
    assert (len(path.targets), len(held.targets), shown.band.images) == (60, 20, 60)
    assert held.order.tolist() == path.order.tolist()
    good = good_place(path)
    change = points(held.accuracy[good] - held.accuracy[0])
    assert session.status.endswith(
        f"{good} of them at the cost of a point of accuracy at most on the images that chose them, "
        f"and {change} on those held out."
    )
    everything = np.bincount(data()[1], minlength=5)
    both = np.bincount(path.targets, minlength=5) + np.bincount(held.targets, minlength=5)
    assert both.tolist() == everything.tolist()
    assert np.abs(np.bincount(held.targets, minlength=5) - everything / 4).max() <= 1
    assert shown.to_json()["pruning"]["held_out"]["images"] == 20
    assert "20 held-out images" in words(shown.figure())
    session.compare()
    session.wait(WAIT)
    assert {len(path.targets) for path in session.paths} == {60}
    session.prune()
    session.wait(WAIT)
    shown = session.snapshot()
    assert (len(shown.path.targets), shown.held_out, len(shown.paths)) == (80, None, 1)


def test_an_image_that_the_data_holds_twice_is_not_held_out_of_itself():
    images, labels = data()
    session = open_session(network(), (images.repeat(2, 1, 1, 1), labels.repeat(2)), layer="first")
    session.prune(held_out=0.5)
    with pytest.raises(ValueError, match=r"held_out are other images than data.*in both"):
        session.wait(WAIT)


@pytest.mark.parametrize(
    ("share", "error", "told"),
    [
        (1.0, ValueError, "held out, 0 or more and below 1; found 1.0"),
        (float("nan"), ValueError, "below 1; found nan"),
        ("half", TypeError, "half"),
    ],
)
def test_what_cannot_be_held_out_is_refused_at_once(session, share, error, told):
    with pytest.raises(error, match=told):
        session.prune(held_out=share)
    assert not session.busy


def test_two_sessions_prune_side_by_side():
    a, b = open_session(network(1), data(1)), open_session(network(2), data(2), layer="second")
    a.prune()
    b.prune()
    a.wait(WAIT)
    b.wait(WAIT)
    assert same(a.path, alone("first", seed=1))
    assert same(b.path, alone("second", seed=2))


def test_a_figure_is_of_what_is_looked_at(session):
    pruned(session)
    assert "Pruning first" in session.snapshot().figure().description
    session.compute("filter")
    session.wait(WAIT)
    assert "Pruning first" in session.snapshot().figure().description
    session.look(view="filter")
    assert "Filter 0 of first" in session.snapshot().figure().description
