"""The row in which model and data are chosen: what is typed there, and what comes of it."""

import threading
from types import SimpleNamespace

import pandas as pd
import pytest
from support.gated import data, network
from support.loadable import NAMES
from support.waiting import WAIT, eventually

from carviz.explorer import explore
from carviz.explorer.chooser import Choice, what_to_open
from carviz.session import loading
from carviz.session.loading import IMAGES_A_CLASS


@pytest.fixture
def explorer(named):
    made = explore(network(), data())
    yield made
    made.close()


def typed(explorer, model, images, limit=""):
    load = {"model": model, "data": str(images), "limit": limit}
    explorer.listener.hear({"load": load})


def test_it_is_closed_until_asked_for(explorer, monkeypatch):
    frame = pd.DataFrame(
        {"name": ["a", "b"], "source": ["bundled", "torchvision"], "accuracy": [float("nan"), 0.5]}
    )
    monkeypatch.setattr("carviz.zoo.list_models", lambda: frame)
    chooser = explorer.panels.chooser
    assert not chooser.shown
    assert chooser.models == []
    explorer.panels.change.click()
    assert chooser.shown
    eventually(lambda: chooser.models)
    assert chooser.models == [
        {"name": "a", "note": "bundled"},
        {"name": "b", "note": "torchvision, 50.0% right"},
    ]
    explorer.listener.hear({"close": True})
    assert not chooser.shown
    explorer.panels.change.click()
    explorer.panels.change.click()
    assert not chooser.shown


def test_it_begins_with_what_is_explored(explorer):
    chooser = explorer.panels.chooser
    assert (chooser.model, chooser.data, chooser.limit) == ("Network", "given tensors", "")
    assert chooser.sets[0] == "shapes"
    assert "CIFAR10" in chooser.sets


def test_what_is_typed_is_loaded_and_remembered(explorer, photos):
    explorer.panels.change.click()
    typed(explorer, " small ", photos, "2")
    assert explorer.panels.chooser.loading
    explorer.wait(WAIT)
    shown, chooser = explorer.results(), explorer.panels.chooser
    assert (shown.model, len(shown.images)) == ("small", 2 * len(NAMES))
    assert (chooser.model, chooser.data, chooser.limit) == ("small", str(photos), "2")
    assert not chooser.shown, "the row closes"
    assert not chooser.loading
    assert chooser.sets[:2] == [str(photos), "shapes"]
    typed(explorer, "twin", photos, "")
    explorer.wait(WAIT)
    assert len(explorer.results().images) == 6 * len(NAMES)
    assert chooser.sets.count(str(photos)) == 1


def test_the_model_alone_and_the_data_alone(explorer, photos):
    typed(explorer, "small", "given tensors", "3")
    explorer.wait(WAIT)
    shown = explorer.results()
    assert (shown.model, shown.data) == ("small", "given tensors")
    typed(explorer, "small", photos, "3")
    explorer.wait(WAIT)
    shown = explorer.results()
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 15)


def test_what_is_wrong_is_told_and_the_row_stays_open(explorer, photos):
    explorer.panels.change.click()
    for limit in ("ten", "0", "-3", "1.5"):
        typed(explorer, "small", photos, limit)
        with pytest.raises(ValueError, match=f"a whole number, 1 or more.*found '{limit}'"):
            explorer.wait(WAIT)
    typed(explorer, "smal", photos)
    with pytest.raises(ValueError, match="there is no 'smal'"):
        explorer.wait(WAIT)
    assert explorer.panels.chooser.shown
    assert "Failed" in explorer.panels.status.value
    assert explorer.results().model == "Network"


def test_a_second_press_while_it_loads_starts_nothing_anew(explorer, photos, monkeypatch):
    reached, go_on, load_model = threading.Event(), threading.Event(), loading.load_model

    def slow(name, weights="DEFAULT"):
        reached.set()
        assert go_on.wait(WAIT)
        return load_model(name)

    monkeypatch.setattr(loading, "load_model", slow)
    typed(explorer, "small", photos)
    assert reached.wait(WAIT)
    typed(explorer, "twin", photos)
    assert explorer.status == "Loading small: weights"
    go_on.set()
    explorer.wait(WAIT)
    assert explorer.results().model == "small"


@pytest.mark.parametrize(
    ("choice", "origin", "found"),
    [
        (("", "", ""), "shapes", (None, "shapes", None)),
        (("here", "shapes", "50"), "shapes", (None, "shapes", 50)),
        (("other", "folder", "7"), "shapes", ("other", "folder", 7)),
        (("other", "Mine", "7"), object(), ("other", None, None)),
        (("here", "folder", ""), object(), (None, "folder", None)),
    ],
)
def test_what_stands_there_already_is_not_loaded_by_name(choice, origin, found):
    subject = SimpleNamespace(model_name="here", data_name="Mine", origin=origin)
    assert what_to_open(Choice(*choice), subject) == found


def test_the_bundled_network_comes_with_its_images():
    explorer = explore()
    chooser = explorer.panels.chooser
    assert (chooser.model, chooser.data, chooser.limit) == ("shapes", "shapes", "50")
    assert IMAGES_A_CLASS == 50
    typed(explorer, "shapes", "shapes", "2")
    explorer.wait(WAIT)
    assert len(explorer.results().images) == 32
    assert explorer.layer == "features.0"
