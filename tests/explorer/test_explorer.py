"""The explorer's public traits and methods, as a cell uses them: nothing is waited for."""

import threading

import ipywidgets
import pytest
import traitlets
from support.gated import GATE, data, network
from support.shown import displayed, send, text
from support.waiting import WAIT

import carviz
from carviz import Run
from carviz.banks import open_network
from carviz.evaluate import Images
from carviz.explorer import Explorer, explore
from carviz.results import CarTable
from carviz.session import Session
from carviz.session.subject import Subject

SMALL = Run(batch_size=4)
MIRRORED = ("layer", "filter", "view", "busy", "progress", "status", "table", "path", "count")


@pytest.fixture
def explorer():
    made = explore(network(), data(), run=SMALL)
    made.session.settle(WAIT)  # then nothing but what a test asks for passes the gate
    yield made
    GATE.act = None
    made.close()


def mirrored(explorer) -> bool:
    return all(getattr(explorer, name) == getattr(explorer.session, name) for name in MIRRORED)


def test_its_traits_are_what_the_session_has(explorer):
    heard = []
    explorer.observe(lambda change: heard.append(change["name"]))
    assert (explorer.layer, explorer.filter, explorer.table) == ("first", 0, None)
    explorer.compute()
    assert explorer.busy
    explorer.wait(WAIT)
    assert mirrored(explorer)
    assert explorer.table is explorer.session.table
    assert explorer.table == carviz.measure_car(
        network(), data(), "first", run=SMALL, progress=False
    )
    assert {"table", "busy", "progress", "status"} <= set(heard)
    explorer.prune(2)
    explorer.wait(WAIT)
    assert explorer.view == "pruning"
    assert len(explorer.path) == 2
    assert mirrored(explorer)


def test_what_is_set_is_chosen_and_what_is_chosen_elsewhere_is_shown(explorer):
    session = explorer.session
    explorer.layer, explorer.filter = "third", 7
    assert (session.layer, session.filter) == ("third", 7)
    shown = explorer.shown_choice
    assert (shown["layer"], shown["filter"]) == ("third", 7)
    explorer.view = "bank"
    assert session.view == "bank"
    session.layer = "second"
    session.filter = 2
    session.look(view="filter")
    assert (explorer.layer, explorer.filter, explorer.view) == ("second", 2, "filter")
    shown = explorer.shown_choice
    assert (shown["layer"], shown["filter"], shown["view"]) == ("second", 2, "filter")
    assert explorer.shown_bank["filters"] == 4


def test_it_says_when_a_filter_is_not_measured(explorer):
    explorer.filter = 4
    explorer.compute("filter")
    explorer.wait(WAIT)
    assert explorer.shown_chosen["car"]
    explorer.filter = 0  # its neighbour's table stays
    assert explorer.table.filters.tolist() == [4]
    assert "not measured yet" in text(explorer.shown_chosen["facts"])


def test_changing_the_layer_during_a_run_ends_it_and_nothing_more_is_shown_of_it():
    explorer = explore(network(), data(), layer="second", run=SMALL)
    explorer.session.settle(WAIT)
    explorer.layer = "first"  # all that is to be made of both banks is made
    explorer.session.settle(WAIT)
    explorer.layer = "second"
    with GATE.closed(after=60) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        assert len(explorer.table.images) == 32
        explorer.layer = "first"
        assert (explorer.busy, explorer.table, explorer.progress) == (False, None, 0)
        heard = []
        explorer.observe(heard.append)
        shown = explorer.shown_chosen, explorer.shown_numbers
        opened.set()
        explorer.session.settle(WAIT)
    assert heard == []
    assert (explorer.shown_chosen, explorer.shown_numbers) == shown
    assert explorer.shown_bank["filters"] == 6
    explorer.layer = "second"
    assert len(explorer.table.images) == 32, "what the run had found was kept"
    explorer.close()


def test_choosing_a_filter_during_a_run_just_shows_it(explorer):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        explorer.filter = 3
        assert explorer.busy
        assert explorer.shown_chosen["title"] == "Filter 3"
        assert "32 of 80 images so far" in explorer.shown_chosen["partial"]
        assert explorer.shown_choice["filter"] == 3
        opened.set()
        explorer.wait(WAIT)
    assert explorer.filter == 3
    assert explorer.table.complete
    assert explorer.shown_chosen["partial"] == ""


def test_what_fails_is_told_in_plain_words(explorer):
    first = GATE.passes

    def fail(number: int) -> None:
        if number > first + 70:
            raise RuntimeError("the gate broke <b>down</b>")

    GATE.act = fail
    explorer.compute()
    with pytest.raises(RuntimeError, match="broke"):
        explorer.wait(WAIT)
    GATE.act = None
    assert not explorer.busy
    assert "broke" in explorer.status
    assert "the gate broke <b>down</b>" in explorer.shown_work["status"]
    assert "Traceback" in explorer.shown_work["story"]
    explorer.compute()
    assert explorer.shown_work["story"] == ""
    explorer.wait(WAIT)
    assert explorer.table.complete


def test_layers_filters_and_places_that_are_not_there_are_refused(explorer):
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        explorer.layer = "firts"
    with pytest.raises(traitlets.TraitError, match="filters 0 to 5; found 6"):
        explorer.filter = 6
    with pytest.raises(traitlets.TraitError, match="0 to 0; found 1"):
        explorer.count = 1
    with pytest.raises(ValueError, match="'bank', 'filter' or 'together'; found 'all'"):
        explorer.compute("all")
    assert (explorer.layer, explorer.filter, explorer.busy) == ("first", 0, False)


def test_another_device_ends_the_run_and_serves_the_next():
    made = network()
    networks = {name: open_network(made, name) for name in ("cpu", "cpu:0")}
    explorer = Explorer(Session(Subject(networks, Images(data()), "Network", "tensors", SMALL)))
    explorer.session.settle(WAIT)
    assert explorer.shown_names["devices"] == ["cpu", "cpu:0"]
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        send(explorer, {"device": "cpu:0"})
        assert not explorer.busy
        assert len(explorer.table.images) == 32
        opened.set()
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert "on cpu:0" in text(explorer.shown_head["facts"])
    explorer.session.device = "cpu"
    assert explorer.shown_choice["device"] == "cpu"
    send(explorer, {"device": "toaster"})
    assert (explorer.shown_choice["device"], explorer.busy) == ("cpu", False), "it is left"
    explorer.close()


def test_snapshot_is_a_figure_and_results_are_the_session_s(explorer):
    with pytest.raises(ValueError, match="filter 0 of 'first' is not"):
        explorer.snapshot()
    explorer.filter = 2
    explorer.compute("filter")
    explorer.wait(WAIT)
    figure = explorer.snapshot()
    assert displayed(figure)["image/png"].startswith(b"\x89PNG")
    assert "Filter 2 of first" in figure.description
    shown = explorer.results()
    assert shown.table is explorer.table
    assert (shown.layer, shown.filter, shown.model) == ("first", 2, "Network")


def test_retired_explorers_are_ended(explorer):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        assert explorer.retire(), "it waits for nothing"
        assert not explorer.busy
        assert explorer.status.startswith("Ended")
        passes = GATE.passes
        opened.set()
        explorer.session.settle(WAIT)
        assert GATE.passes == passes
    assert explorer.comm is None
    assert not explorer.retire(), "once"


def test_any_thread_may_choose_and_ask(explorer):
    def elsewhere() -> None:
        explorer.filter = 3
        explorer.compute("filter")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [3]


def test_it_stands_in_a_box_and_is_linked_to_other_widgets(explorer):
    slider, words = ipywidgets.IntSlider(), ipywidgets.Label()
    box = ipywidgets.HBox([explorer, slider])
    assert box.children[0] is explorer
    ipywidgets.link((explorer, "filter"), (slider, "value"))
    ipywidgets.dlink((explorer, "status"), (words, "value"))
    explorer.filter = 3
    assert slider.value == 3
    slider.value = 5
    assert explorer.filter == explorer.shown_choice["filter"] == 5
    explorer.compute("filter")
    explorer.wait(WAIT)
    assert words.value == explorer.status
    assert explorer.table.filters.tolist() == [5]


def test_two_explorers_of_one_session_show_the_same(explorer):
    twin = Explorer(explorer.session)
    twin.filter = 4
    assert explorer.filter == explorer.shown_choice["filter"] == 4
    explorer.compute()
    twin.wait(WAIT)
    assert twin.table is explorer.table
    assert twin.shown_numbers == explorer.shown_numbers
    twin.close()
    assert explorer.shown_work["status"] == "Closed."


def test_the_class_is_public():
    assert carviz.Explorer is Explorer
    assert carviz.explore is explore
    assert isinstance(Explorer.table, traitlets.Instance)
    assert Explorer.table.klass is CarTable
    assert Explorer.path.klass is carviz.PruningPath


def test_picked_filters_are_a_trait(explorer):
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "picked")
    explorer.picked = [3, 0, 3]
    assert (explorer.picked, explorer.session.picked) == ((3, 0), (3, 0))
    explorer.session.picked = [1]
    assert (explorer.picked, seen) == ((1,), [(3, 0), (1,)])
    with pytest.raises(traitlets.TraitError, match="filters 0 to 5; found 6"):
        explorer.picked = [1, 6]
    with pytest.raises(traitlets.TraitError):
        explorer.picked = 3
    assert explorer.session.picked == (1,)
    explorer.layer = "second"
    assert explorer.picked == ()
