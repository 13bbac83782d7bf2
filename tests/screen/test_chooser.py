"""The row in which another model and other data are chosen: names, and what is asked for."""

from types import SimpleNamespace

import pandas as pd
import pytest
from support.snapshots import snapshot_of
from support.tables import known_table

from carviz.screen.chooser import Choice, chooser, model_names, what_to_open
from carviz.session.loading import How


def test_it_begins_with_what_is_explored_and_lists_what_was_opened():
    shown = snapshot_of(
        table=known_table(), data_asked="photos", data_names=("photos", "shapes", "other"), limit=3
    )
    found = chooser(shown)
    assert (found["model"], found["data"], found["limit"]) == ("Network", "photos", "3")
    assert found["sets"][:3] == ["photos", "other", "shapes"]
    assert "CIFAR10" in found["sets"]
    assert len(set(found["sets"])) == len(found["sets"])
    assert chooser(snapshot_of(table=known_table()))["limit"] == ""


def test_a_model_s_name_has_a_note(monkeypatch):
    frame = pd.DataFrame(
        {"name": ["a", "b"], "source": ["bundled", "torchvision"], "accuracy": [float("nan"), 0.5]}
    )
    monkeypatch.setattr("carviz.zoo.list_models", lambda: frame)
    assert model_names() == [
        {"name": "a", "note": "bundled"},
        {"name": "b", "note": "torchvision, 50.0% right"},
    ]


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
    how = How()
    subject = SimpleNamespace(model_name="here", data_name="Mine", origin=origin, how=how)
    assert what_to_open(Choice(*choice), subject) == (*found, how)


@pytest.mark.parametrize("limit", ["ten", "0", "-3", "1.5", "²"])
def test_images_a_class_are_a_number(limit):
    subject = SimpleNamespace(model_name="here", data_name="Mine", origin="shapes", how=How())
    with pytest.raises(ValueError, match=f"a whole number, 1 or more.*found '{limit}'"):
        what_to_open(Choice("", "folder", limit), subject)
