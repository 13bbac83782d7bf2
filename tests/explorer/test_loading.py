"""Another model and other data in the panels: while they are loaded, then, and where that fails."""

import pytest
from support.gated import IMAGES, data, network
from support.waiting import WAIT

from carviz.explorer import explore
from carviz.session.status import READY


@pytest.fixture
def explorer(named):
    made = explore(network(), data())
    yield made
    made.close()


def is_as_before(explorer):
    shown, view = explorer.results(), explorer.panels
    assert (shown.model, shown.data, len(shown.images)) == ("Network", "given tensors", IMAGES)
    assert (explorer.layer, explorer.filter, explorer.busy) == ("third", 5, False)
    assert [value for _, value in view.layer.options] == ["first", "second", "third"]
    assert (view.layer.value, view.gallery.value, len(view.gallery.tiles)) == ("third", 5, 8)
    assert "<b>Network</b>" in view.header.value


def test_another_model_and_other_data_are_shown_as_if_freshly_opened(explorer, photos):
    explorer.layer, explorer.filter = "third", 5
    explorer.compute()
    explorer.wait(WAIT)
    explorer.load("small", photos, limit=4)
    assert explorer.busy
    explorer.wait(WAIT)
    view = explorer.panels
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert (explorer.table, explorer.path, explorer.exported) == (None, None, None)
    assert (explorer.busy, explorer.progress, explorer.status) == (False, 0.0, READY)
    assert [value for _, value in view.layer.options] == ["stem", "deep"]
    assert view.layer.value == "stem"
    assert len(view.gallery.tiles) == 4
    assert view.gallery.bank == "stem"
    assert view.gallery.sprite.startswith(b"\x89PNG")
    assert "<b>small</b>" in view.header.value
    assert "<b>photos</b>, 20 images" in view.header.value
    explorer.load("twin")
    explorer.wait(WAIT)
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert len(view.gallery.tiles) == 6, "banks of the same name are shown anew"


def test_what_cannot_be_opened_is_told_and_the_former_stays(explorer, photos):
    explorer.layer, explorer.filter = "third", 5
    explorer.load("wide", photos.parent / "nowhere")
    with pytest.raises(FileNotFoundError, match="no folder"):
        explorer.wait(WAIT)
    assert "no folder" in explorer.status
    assert "Traceback" in explorer.panels.status.value
    is_as_before(explorer)
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert "Traceback" not in explorer.panels.status.value


def test_while_it_is_loaded_nothing_else_can_be_pressed_but_cancel(explorer, photos, held_up):
    explorer.layer, explorer.filter = "third", 5
    explorer.session.settle(WAIT)
    reached, go_on = held_up
    view = explorer.panels
    explorer.load("small", photos)
    assert reached.wait(WAIT)
    assert explorer.status == "Loading small: weights"
    controls = (view.layer, view.device, view.compute_bank, view.compute_filter, view.prune)
    assert view.chooser.loading
    assert all(control.disabled for control in controls)
    assert not view.cancel.disabled
    view.cancel.click()
    explorer.wait(WAIT)
    is_as_before(explorer)
    assert explorer.status == "Cancelled: Network on given tensors stays."
    assert not view.chooser.loading
    assert not any(control.disabled for control in controls)
    heard = []
    explorer.observe(heard.append)
    go_on.set()
    explorer.session.settle(WAIT)
    assert heard == []
    is_as_before(explorer)


def test_retired_while_it_loads(explorer, photos):
    explorer.load("small", photos)
    explorer.retire()
    explorer.session.settle(WAIT)
    assert explorer.results().model == "Network"
    assert explorer.status.startswith("Ended")
