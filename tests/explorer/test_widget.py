"""The explorer without a browser: traits are set, methods called, and nothing is waited for."""

import threading

import pytest
import traitlets
from support.gated import GATE, data, network
from support.shown import displayed, is_gone
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
    session, panels = explorer.session, explorer.panels
    explorer.layer, explorer.filter = "third", 7
    assert (session.layer, session.filter) == ("third", 7)
    assert (panels.layer.value, panels.gallery.value) == ("third", 7)
    explorer.view = "bank"
    assert session.view == "bank"
    session.layer = "second"
    session.filter = 2
    session.look(view="filter")
    assert (explorer.layer, explorer.filter, explorer.view) == ("second", 2, "filter")
    assert (panels.layer.value, panels.gallery.value, panels.view.value) == ("second", 2, "filter")
    assert len(panels.gallery.tiles) == 4


def test_the_panel_says_when_a_filter_is_not_measured(explorer):
    explorer.filter = 4
    explorer.compute("filter")
    explorer.wait(WAIT)
    assert "not measured yet" not in explorer.panels.panel.value
    explorer.filter = 0  # its neighbour's table stays
    assert explorer.table.filters.tolist() == [4]
    assert "not measured yet" in explorer.panels.panel.value


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
        shown = explorer.panels.panel.value, explorer.panels.gallery.tiles
        opened.set()
        explorer.session.settle(WAIT)
    assert heard == []
    assert (explorer.panels.panel.value, explorer.panels.gallery.tiles) == shown
    assert len(explorer.panels.gallery.tiles) == 6
    explorer.layer = "second"
    assert len(explorer.table.images) == 32, "what the run had found was kept"
    explorer.close()


def test_choosing_a_filter_during_a_run_just_shows_it(explorer):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        explorer.filter = 3
        assert explorer.busy
        assert "Filter 3" in explorer.panels.panel.value
        assert "32 of 80 images so far" in explorer.panels.panel.value
        assert explorer.panels.gallery.value == 3
        opened.set()
        explorer.wait(WAIT)
    assert explorer.filter == 3
    assert explorer.table.complete
    assert "so far" not in explorer.panels.panel.value


def test_what_fails_is_told_in_words_that_are_no_html(explorer):
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
    shown = explorer.panels.status.value
    for words in ("<details>", "Traceback", "Failed"):
        assert words in shown
    assert "<b>down</b>" not in shown
    explorer.compute()
    assert "Traceback" not in explorer.panels.status.value
    explorer.wait(WAIT)
    assert explorer.table.complete


def test_layers_filters_and_places_that_are_not_there_are_refused(explorer):
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        explorer.layer = "firts"
    with pytest.raises(traitlets.TraitError, match="filters 0 to 5; found 6"):
        explorer.filter = 6
    with pytest.raises(traitlets.TraitError, match="0 to 0; found 1"):
        explorer.count = 1
    with pytest.raises(ValueError, match="'bank' or 'filter'; found 'all'"):
        explorer.compute("all")
    assert (explorer.layer, explorer.filter, explorer.busy) == ("first", 0, False)


def test_buttons_and_dropdown(explorer):
    view = explorer.panels
    assert view.cancel.disabled
    with GATE.closed(after=70) as (reached, opened):
        view.compute_bank.click()
        assert reached.wait(WAIT)
        assert explorer.busy
        assert not view.cancel.disabled
        status, table = explorer.status, explorer.table
        assert "images" in status
        view.compute_bank.click()  # the second of a double click
        assert (explorer.status, explorer.table) == (status, table), "nothing starts anew"
        view.cancel.click()
        opened.set()
        explorer.wait(WAIT)
    assert explorer.status.startswith("Cancelled: 6 filters measured on 32 of 80 images")
    assert view.cancel.disabled
    view.layer.value = "second"
    assert explorer.layer == "second"
    view.compute_filter.click()
    explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [0]
    view.view.value = "bank"
    assert explorer.view == "bank"
    assert "CAR of 1 filters of second" in view.drawing.value
    assert is_gone(view.detail)
    assert not is_gone(view.drawing)


def test_another_device_ends_the_run_and_serves_the_next():
    made = network()
    networks = {name: open_network(made, name) for name in ("cpu", "cpu:0")}
    explorer = Explorer(Session(Subject(networks, Images(data()), "Network", "tensors", SMALL)))
    explorer.session.settle(WAIT)
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
    explorer.session.device = "cpu"
    assert dropdown.value == "cpu"
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


def test_the_class_is_public():
    assert carviz.Explorer is Explorer
    assert carviz.explore is explore
    assert isinstance(Explorer.table, traitlets.Instance)
    assert Explorer.table.klass is CarTable
    assert Explorer.path.klass is carviz.PruningPath
