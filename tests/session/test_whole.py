"""All pictures of a bank, made in one go, are those that are made when somebody looks."""

import numpy as np
import pytest
from support.hostile import LAYERS, HostileData, hostile_network

import carviz
from carviz.session.seeing.making import Maker


@pytest.fixture
def session():
    made = carviz.open_session(hostile_network(), HostileData(), layer=LAYERS[1])
    yield made
    made.close()


def test_every_filter_has_the_pictures_that_looking_makes(session):
    told = []
    session.see_all(("weights", "patches"), siblings=True, progress=told.append)
    seen = session.snapshot().seen
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert set(seen.weights) == set(seen.best) == set(seen.sheets) == set(range(5))
    assert not seen.synthesised
    assert session.selectivity is not None
    other = carviz.open_session(hostile_network(), HostileData(), layer=LAYERS[1])
    other.look(large="patches", siblings=True)
    other.settle(60)
    looked = other.snapshot().seen
    other.close()
    assert [patch.png for patch in looked.sheets[0]] == [patch.png for patch in seen.sheets[0]]
    assert all(np.array_equal(looked.weights[n], seen.weights[n]) for n in looked.weights)
    assert looked.nearest(2) == seen.nearest(2)


def test_what_cannot_be_made_is_told_where_the_picture_would_be(session, monkeypatch):
    def fail(_self):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Maker, "exciting", fail)
    session.see_all(("patches",))
    assert session.snapshot().seen.failed == {("exciting", -1): "OSError: the disk is gone"}


def test_a_snapshot_of_each_filter_is_what_choosing_it_gives(session):
    session.filter = 1
    session.compute("filter")
    session.wait()
    before = session.snapshot()
    found = session.snapshots()
    assert list(found) == [LAYERS[1]]
    for filter, shown in enumerate(found[LAYERS[1]]):
        session.filter = filter
        assert shown.to_json() == session.snapshot().to_json()
        assert shown.own_data == session.snapshot().own_data
    session.filter = 1
    session.layer = LAYERS[0]
    others = session.snapshots()
    assert list(others) == list(LAYERS)
    assert others[LAYERS[1]][1].to_json()["chosen"] == before.to_json()["chosen"]
    assert session.layer == LAYERS[0]
