"""What the panels' messages do, also where they come late."""

import pytest
from support.gated import data, network
from support.shown import send
from support.waiting import WAIT

from carviz.explorer import explore


@pytest.fixture
def explorer():
    made = explore(network(), data())
    yield made
    made.close()


def test_every_panel_is_heard(explorer):
    panels, session = explorer.panels, explorer.session
    explorer.prune(2)
    explorer.wait(WAIT)
    send(panels.gallery, {"choose": 3})
    assert explorer.filter == 3
    send(panels.pruning.strip, {"choose": 4})
    assert explorer.filter == 4
    send(panels.siblings, {"open": True})
    assert session.snapshot().looks.siblings
    send(panels.siblings, {"choose": 1})
    assert explorer.filter == 1
    send(panels.sight, {"look": "patches"})
    assert session.snapshot().looks.large == "patches"
    send(panels.classes, {"open": 2})
    assert session.snapshot().looks.opened == 2
    send(panels.pruning.slider, {"place": 1})
    assert explorer.count == 1
    panels.change.click()
    assert panels.chooser.shown
    send(panels.chooser, {"close": True})
    assert not panels.chooser.shown
    send(panels.chooser, {"load": {"model": "", "data": "", "limit": "x"}})
    explorer.wait(WAIT)
    assert not explorer.busy


def test_a_choice_that_comes_late_is_of_the_former_bank(explorer):
    explorer.layer = "third"
    explorer.listener.hear({"choose": 7})
    assert explorer.filter == 7
    explorer.layer = "second"
    assert explorer.filter == 0
    explorer.listener.hear({"choose": 7})
    explorer.listener.hear({"choose": -1})
    assert explorer.filter == 0


def test_a_place_that_comes_late_is_of_the_former_path(explorer):
    explorer.prune(3)
    explorer.wait(WAIT)
    explorer.listener.hear({"place": 99})
    assert explorer.count == 3
    explorer.layer = "second"
    explorer.listener.hear({"place": 2})
    assert explorer.count == 0


@pytest.mark.parametrize(
    "content",
    [
        None, "load", {}, {"load": 3}, {"choose": "x"}, {"place": "x"}, {"look": "nothing"},
        {"open": "x"}, {"close": False},
    ],
)  # fmt: skip
def test_other_messages_are_not_heard(explorer, content):
    def chosen():
        shown = explorer.results()
        return (
            shown.filter, shown.count, shown.looks, shown.looks.siblings, shown.busy,
            explorer.panels.chooser.shown,
        )  # fmt: skip

    explorer.panels.change.click()
    before = chosen()
    explorer.listener.hear(content)
    assert chosen() == before
