"""Filters that are picked are removed together, in the background."""

import json

import numpy as np
import pytest
import torch
from support.gated import GATE, data, network
from support.waiting import WAIT

import carviz
from carviz import open_session
from carviz.session.picks import Picks


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
    assert session.snapshot().accuracy == expected.accuracy
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
    with pytest.raises(TypeError, match=r"picked are filters' numbers; found 3.*Write \[3\]"):
        session.picked = 3
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


def test_a_set_goes_with_the_weights_that_it_was_measured_on():
    model = network()
    session = open_session(model, data())
    session.picked = [0, 3]
    session.compute("together")
    session.wait(WAIT)
    before = session.snapshot().joint
    with torch.no_grad():
        model.last.weight.mul_(-1)
    session.compute("filter")
    session.wait(WAIT)
    shown = session.snapshot()
    assert (shown.picks.several, shown.joint) == ((0, 3), None)
    session.compute("together")
    session.wait(WAIT)
    after = session.snapshot().joint
    expected = carviz.measure_joint(model, data(), "first", [[0, 3]], progress=False)
    np.testing.assert_array_equal(after.predictions, expected.predictions)
    assert (after.predictions != before.predictions).any()
    session.close()


def test_picks_are_left_out_that_a_bank_of_fewer_filters_has_not():
    assert Picks((5, 1, 3), 4).within(4) == Picks((1, 3), -1)
    assert Picks((5, 1), 4).within(6) == Picks((5, 1), 4)


def test_the_set_is_told_as_json(session):
    assert session.snapshot().to_json()["together"] is None
    session.picked = [3, 0]
    session.compute("together")
    session.wait(WAIT)
    told = json.loads(json.dumps(session.snapshot().to_json(), allow_nan=False))
    expected = carviz.measure_joint(network(), data(), "first", [[0, 3]], progress=False)
    together = told["together"]
    assert (told["picked"], told["pinned"]) == ([3, 0], -1)
    names = ("car", "lost", "gained", "sum_of_cars", "excess", "p_value")
    assert [together[name] for name in names] == [getattr(expected, name)[0] for name in names]
    cars = {member["filter"]: member["car"] for member in together["members"]}
    assert cars == dict(zip([0, 3], expected.single_car.tolist(), strict=True))
    session.picked = [3]
    session.compute("together")
    session.wait(WAIT)
    alone = json.loads(json.dumps(session.snapshot().to_json(), allow_nan=False))["together"]
    assert (alone["car"], alone["p_value"], alone["excess_words"]) == (cars[3], None, "")


def test_how_many_sets_were_tried_is_told(session):
    for filters in ([0, 1], [1, 0], [2], [3, 4]):
        session.picked = filters
        session.compute("together")
        session.wait(WAIT)
    assert session.snapshot().sets_tried == 2
    session.layer = "second"
    assert session.snapshot().sets_tried == 1
