"""An explorer that is closed, or whose cell is run again, leaves no thread and no widget."""

import threading
import time

import pytest
from ipywidgets.widgets.widget import _instances
from support.gated import GATE, data, network
from support.shown import Browser, send
from support.waiting import WAIT

from carviz.explorer import Explorer, explore, front
from carviz.screen import SECTIONS
from carviz.session import Session


@pytest.fixture
def before():
    """Return the widgets that are there already."""
    return set(_instances)


@pytest.fixture
def threads():
    """Return the threads that are there already."""
    return set(threading.enumerate())


def used(**options):
    """Return an explorer that was used: measured, pruned, its models and siblings listed."""
    explorer = explore(network(), data(), **options)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.prune(2)
    explorer.wait(WAIT)
    send(explorer, {"models": True})
    send(explorer, {"look": {"siblings": True, "gallery": "patches"}})
    return explorer


def assert_gone(before, threads):
    assert set(_instances) - before == set()
    end = time.monotonic() + 2
    while set(threading.enumerate()) - threads and time.monotonic() < end:
        time.sleep(0.01)
    assert {t.name for t in set(threading.enumerate()) - threads} == set()


def test_closed_it_leaves_nothing_and_sends_nothing(before, threads):
    explorer = used()
    assert set(_instances) - before, "else this test tries nothing"
    browser, widgets = Browser(explorer), len(set(_instances) - before)
    assert widgets <= 2, "the explorer and its layout"
    explorer.close()
    assert_gone(before, threads)
    sent = len(browser.updates)
    assert explorer.status == "Closed."
    assert explorer.table.complete, "what was measured stays"
    assert all(getattr(explorer, f"shown_{name}") == {} for name in SECTIONS)
    explorer.session.look(view="bank")
    explorer.close()  # again, as Python does when it forgets the explorer
    with pytest.raises(ValueError, match="until it is closed"):
        explorer.compute()
    assert len(browser.updates) == sent
    assert all(getattr(explorer, f"shown_{name}") == {} for name in SECTIONS)


@pytest.mark.parametrize("ask", ["compute", "prune"])
def test_closed_in_the_midst_of_a_job(before, threads, ask):
    explorer = explore(network(), data())
    with GATE.closed(after=5) as (reached, opened):
        getattr(explorer, ask)()
        assert reached.wait(WAIT)
        threading.Timer(0.1, opened.set).start()
        explorer.close()
        assert not explorer.busy
        assert_gone(before, threads)


def test_closed_while_another_model_is_loaded(before, threads):
    explorer = explore(network(), data())
    explorer.load(network(1))
    explorer.close()
    assert_gone(before, threads)


def test_a_cell_that_runs_again_leaves_one_explorer(before, threads, monkeypatch):
    executions = iter(["run-1", "run-2", "run-3"])
    monkeypatch.setattr(front, "running_cell", lambda: ("the cell", next(executions)))
    first = used()
    many = len(set(_instances) - before)
    second = explore(network(), data())
    assert len(set(_instances) - before) <= many
    assert first.comm is None
    assert first.status.startswith("Ended")
    third = explore(network(), data())
    assert second.comm is None
    third.close()
    assert_gone(before, threads)


def test_one_that_cannot_be_made_leaves_no_widget():
    explorer = explore(network(), data())
    there = set(_instances)
    with pytest.raises(ValueError, match="nowhere"):
        Explorer(Session(explorer.session.subject, layer="nowhere"))
    assert set(_instances) == there
    explorer.close()
