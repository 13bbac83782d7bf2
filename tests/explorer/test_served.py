"""An explorer in a notebook that is served to others: nobody can name a folder of the server."""

import pytest
from support.gated import data, network
from support.shown import send
from support.waiting import WAIT

from carviz.explorer import explore


@pytest.fixture
def explorer():
    made = explore(network(), data(), change=False)
    yield made
    made.close()


def test_what_is_opened_cannot_be_changed_from_the_screen(explorer, tmp_path):
    assert explorer.change is False
    (tmp_path / "secret").mkdir()
    send(explorer, {"load": {"model": "", "data": str(tmp_path), "limit": ""}})
    send(explorer, {"models": True})
    explorer.session.settle(WAIT)
    assert explorer.shown_models == []
    assert explorer.status == "Nothing measured yet: press “Compute the bank”."
    send(explorer, {"filter": 2})
    assert explorer.filter == 2, "all else is heard"


def test_a_browser_cannot_allow_it(explorer, tmp_path):
    explorer.set_state({"change": True})
    send(explorer, {"load": {"model": "", "data": str(tmp_path), "limit": ""}})
    explorer.session.settle(WAIT)
    assert not explorer.busy
    assert explorer.results().story == ""


def test_python_can(explorer):
    explorer.load(data=data(1))
    explorer.wait(WAIT)
    assert explorer.layer == "first"


def test_by_default_it_can(tmp_path):
    explorer = explore(network(), data())
    assert explorer.change is True
    send(explorer, {"load": {"model": "", "data": str(tmp_path / "none"), "limit": ""}})
    with pytest.raises((FileNotFoundError, ValueError), match="none"):
        explorer.wait(WAIT)
    explorer.close()


def test_nothing_is_written_on_the_server(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer.prune(2)
    explorer.wait(WAIT)
    send(explorer, {"press": "export"})
    explorer.session.settle(WAIT)
    assert explorer.exported is None
    assert list(tmp_path.iterdir()) == []
