"""Filters that are picked are removed together, in the background."""

import numpy as np
import pytest
import torch
from support.gated import GATE, data, network
from support.waiting import WAIT

import carviz
from carviz import open_session


@pytest.fixture
def session():
    made = open_session(network(), data())
    yield made
    GATE.act = None
    made.close()


def answers_without(filters):
    """Return what the network says without some filters of its first bank, by a plain hook."""
    model = network()

    def gone(_module, _args, output):
        output = output.clone()
        output[:, filters] = 0
        return output

    model.first.register_forward_hook(gone)
    with torch.no_grad():
        return model(data()[0]).argmax(1).numpy()


def test_a_set_is_measured_as_by_measure_joint_and_by_removing_its_filters(session):
    session.picked = [3, 0]
    session.compute("together")
    session.wait(WAIT)
    found = session.snapshot().joint
    expected = carviz.measure_joint(network(), data(), "first", [[0, 3]], progress=False)
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    assert (found.car, found.excess) == (expected.car, expected.excess)
    np.testing.assert_array_equal(found.predictions[0], answers_without([0, 3]))
    assert session.view == "several"
    assert "2 filters removed together" in session.status


def test_what_is_known_of_a_set_is_shown_again_in_any_order_and_of_no_other(session):
    session.picked = [3, 0]
    session.compute("together")
    session.wait(WAIT)
    session.picked = [0]
    assert session.snapshot().joint is None
    session.picked = [0, 3, 0]
    assert session.picked == (0, 3)
    assert session.snapshot().joint.sets == [[0, 3]]
    session.layer = "second"
    assert (session.picked, session.pinned) == ((), -1)
    session.layer = "first"
    assert session.picked == ()


def test_a_whole_bank_and_a_single_filter_are_sets(session):
    for filters in (range(6), [2]):
        session.picked = filters
        session.compute("together")
        session.wait(WAIT)
        assert session.snapshot().joint.sets == [list(filters)]


def test_none_is_no_set_and_others_are_not_of_the_bank(session):
    with pytest.raises(ValueError, match=r"none is\. Pick some"):
        session.compute("together")
    with pytest.raises(ValueError, match="filters 0 to 5; found 6"):
        session.picked = [1, 6]
    with pytest.raises(ValueError, match="filters 0 to 5; found -2"):
        session.pinned = -2
    session.pinned = 4
    session.pinned = -1
    assert session.pinned == -1


def test_a_cancelled_set_is_not_known(session):
    session.layer = "third"
    session.settle(WAIT)
    session.picked = [0, 1]
    with GATE.closed(2) as (reached, opened):
        session.compute("together")
        assert reached.wait(WAIT)
        session.cancel()
        opened.set()
        session.wait(WAIT)
    assert session.snapshot().joint is None
    assert "Cancelled" in session.status


def test_low_precision_does_not_reach_sets():
    session = open_session(network(), data(), run=carviz.Run(precision="bf16"))
    session.picked = [0, 3]
    session.compute("together")
    session.wait(WAIT)
    expected = carviz.measure_joint(network(), data(), "first", [[0, 3]], progress=False)
    np.testing.assert_array_equal(session.snapshot().joint.predictions, expected.predictions)
    session.close()
