"""A whole lesson in plain Python: opened, measured, looked at, pruned, compared, exported."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.gated import GATE, data, network
from support.shown import displayed

import carviz
from carviz.ablation import Run
from carviz.session import Session
from carviz.wording import apart_words

WAIT = 60
SMALL = Run(batch_size=4)


def test_a_lesson(tmp_path):
    session = carviz.open_session(network(), data(), run=SMALL)
    assert isinstance(session, Session)
    assert [bank.layer for bank in session.banks] == ["first", "second", "third"]
    assert (session.layer, session.filter, session.table, session.busy) == ("first", 0, None, False)
    assert session.snapshot().to_json()["classes"] == []

    # Which filter matters, and to which classes?
    session.compute()
    session.wait(WAIT)
    table = carviz.measure_car(network(), data(), "first", run=SMALL, progress=False)
    assert session.table == table
    best = int(np.argmax(table.car))
    session.filter = best
    chosen = session.snapshot().to_json()["chosen"]
    assert (chosen["filter"], chosen["rank"]) == (best, 1)
    assert chosen["car"] == table.car[best]
    assert chosen["told_apart"] is table.tells_apart()
    assert chosen["apart_p_value"] == table.agreement().p_value
    assert chosen["apart_words"] == apart_words(table)
    assert displayed(session.snapshot().figure())["image/png"].startswith(b"\x89PNG")

    # What does it see, and what changed without it?
    number = session.snapshot().to_json()["classes"][0]["rows"][0]["number"]
    session.look(large="patches", siblings=True, opened=number)
    session.settle(WAIT)
    shown = session.snapshot()
    assert len(shown.seen.sheets[best]) == 9
    assert shown.seen.siblings is not None
    assert shown.looks.opened == number
    assert session.table.lost[best, number] == table.flips(best, number)["change"].eq("lost").sum()
    image = session.read(lambda: shown.images.read([7]))
    assert torch.equal(image[0][0], data()[0][7])

    # Which of them can go?
    session.prune()
    assert session.view == "pruning"
    session.wait(WAIT)
    path = carviz.prune_filters(network(), data(), "first", progress=False, run=SMALL)
    assert session.path.order.tolist() == path.order.tolist()
    session.compare()
    session.wait(WAIT)
    assert len(session.paths) == 6
    assert len(session.snapshot().band) == 10
    assert session.snapshot().missing == []
    session.count = 2
    session.export(tmp_path / "smaller.pt2")
    session.wait(WAIT)
    smaller = torch.export.load(tmp_path / "smaller.pt2").module()
    assert (smaller(data()[0]).argmax(1) == data()[1]).sum() == round(
        path.accuracy[2] * len(data()[1])
    )
    session.close()
    assert session.status == "Closed."
    with pytest.raises(ValueError, match="until it is closed"):
        session.compute()


def test_a_snapshot_stays_as_it_is_and_goes_through_json():
    session = carviz.open_session(network(), data(), run=SMALL)
    before = session.snapshot()
    frozen = json.dumps(before.to_json(), allow_nan=False)
    session.look(gallery="synthesised", siblings=True)
    session.filter = 4
    session.compute()
    session.wait(WAIT)
    session.settle(WAIT)
    assert json.dumps(before.to_json(), allow_nan=False) == frozen
    after = json.loads(json.dumps(session.snapshot().to_json(), allow_nan=False))
    assert after["pictures"]["synthesised"] == list(range(6))
    assert after["chosen"]["measured"]
    assert [row["car"] for row in after["filters"]] == session.table.car.tolist()
    with pytest.raises(AttributeError):
        before.filter = 3


@pytest.mark.parametrize("layer", ["first", "second"])
def test_before_anybody_looks_no_picture_is_made(layer):
    session = carviz.open_session(network(), data(), layer=layer)
    first = GATE.passes
    session.settle(WAIT)
    assert GATE.passes == first
    assert not session.snapshot().seen.weights
    session.look()
    session.settle(WAIT)
    assert session.snapshot().seen.sheets


def test_a_bank_switch_and_the_words_for_what_is_refused():
    session = carviz.open_session(network(), data())
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        session.layer = "firts"
    with pytest.raises(ValueError, match="filters 0 to 5; found 6"):
        session.filter = 6
    with pytest.raises(ValueError, match="0 to 0; found 1"):
        session.count = 1
    with pytest.raises(ValueError, match="device is one of"):
        session.device = "tpu"
    with pytest.raises(ValueError, match=r"large is one of .* Did you mean 'patches'"):
        session.look(large="patch")
    with pytest.raises(ValueError, match="not pruned yet"):
        session.compare()
    assert (session.layer, session.filter, session.count) == ("first", 0, 0)
    assert "Session of Network on given tensors, 'first'" in repr(session)


def test_weights_that_changed_are_measured_anew_and_what_was_known_comes_back():
    model = network()
    session = carviz.open_session(model, data(), layer="second", run=SMALL)
    session.compute()
    session.wait(WAIT)
    former = session.table
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.second.weight.copy_(model.second.weight.flip(0))
        model.last.weight.mul_(-1)
    session.filter = 2
    session.compute()
    session.wait(WAIT)
    assert session.table == carviz.measure_car(model, data(), "second", run=SMALL, progress=False)
    assert session.table != former
    assert session.status.startswith("The network has changed: measured anew. Done in")
    assert (session.layer, session.filter) == ("second", 2)
    session.compute("filter")
    session.wait(WAIT)
    assert session.status.startswith("Done in")
    model.load_state_dict(kept)
    session.compute("filter")
    session.wait(WAIT)
    assert session.table == former, "the bank was known of these weights"


def test_weights_that_were_written_and_are_the_same_are_measured_as_before():
    model = network()
    session = carviz.open_session(model, data(), run=SMALL)
    session.compute()
    session.wait(WAIT)
    former = session.table
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    session.compute()
    session.wait(WAIT)
    assert session.table == former
    assert session.status.startswith("Done in")


def test_a_network_that_was_replaced_under_it_is_told():
    model = network()
    session = carviz.open_session(model, data(), layer="third", run=SMALL)
    model.third = torch.nn.Identity()
    session.compute()
    with pytest.raises(ValueError):  # noqa: PT011 - what the forward pass says
        session.wait(WAIT)
    assert not session.busy


def test_an_export_of_other_weights_is_refused(tmp_path):
    model = network()
    session = carviz.open_session(model, data(), run=SMALL)
    session.prune(2)
    session.wait(WAIT)
    former = session.path
    session.count = 1
    with torch.no_grad():
        model.last.weight.mul_(2)
    session.export(tmp_path / "smaller.pt2")
    with pytest.raises(ValueError, match="changed since"):
        session.wait(WAIT)
    assert list(tmp_path.iterdir()) == []
    session.compare()
    with pytest.raises(ValueError, match="changed since"):
        session.wait(WAIT)
    session.prune(2)
    session.wait(WAIT)
    assert session.status.startswith("The network has changed: measured anew. Done in")
    assert session.path.passport["model"] != former.passport["model"]


def test_it_names_no_widget_library():
    code = (
        "import sys, carviz; data = carviz.load_data('shapes', limit=1); "
        "s = carviz.open_session('shapes', data); "
        "s.look(); s.compute('filter'); s.wait(60); s.snapshot().to_json(); "
        "widgets = ('ipywidgets', 'anywidget', 'traitlets', 'IPython'); "
        "print([name for name in widgets if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"], done.stderr


def test_weights_that_changed_are_opened_anew_also_with_other_data():
    model = network()
    session = carviz.open_session(model, data(), layer="second", run=SMALL)
    with torch.no_grad():
        model.second.weight.copy_(model.second.weight.flip(0))
    session.load(data=data(1))
    session.wait(WAIT)
    session.layer = "second"
    session.compute()
    session.wait(WAIT)
    assert session.table == carviz.measure_car(model, data(1), "second", run=SMALL, progress=False)


def test_what_is_known_stands_under_the_weights_that_were_measured():
    model = network()
    session = carviz.open_session(model, data(), run=SMALL)
    session.load(data=data(1))
    while "wait() does it" not in session.status:  # loaded, and not opened yet
        pass
    with torch.no_grad():
        model.last.weight.mul_(-1)
    session.wait(WAIT)
    session.compute()
    session.wait(WAIT)
    assert session.table == carviz.measure_car(model, data(1), "first", run=SMALL, progress=False)


def test_what_was_seen_of_other_weights_is_not_shown_beside_the_former_ones():
    model = network()
    session = carviz.open_session(model, data(), layer="second", run=SMALL)
    former = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.first.weight.mul_(-1)
        model.first.weight[0] = model.first.weight[0].mean(0)
    session.layer = "first"
    session.look(large="patches")
    session.settle(WAIT)
    seen = session.snapshot().seen.exciting
    model.load_state_dict(former)
    session.compute("filter")
    session.wait(WAIT)
    session.settle(WAIT)
    fresh = carviz.open_session(network(), data(), run=SMALL)
    fresh.look(large="patches")
    fresh.compute("filter")
    fresh.settle(WAIT)
    assert fresh.snapshot().seen.exciting != seen
    assert session.snapshot().seen.exciting == fresh.snapshot().seen.exciting
    assert session.snapshot().seen.sheets[0] == fresh.snapshot().seen.sheets[0]
    assert session.selectivity == fresh.selectivity


def test_a_filter_that_a_smaller_bank_does_not_have_is_let_go():
    model = network()
    session = carviz.open_session(model, data(), run=SMALL)
    session.filter = 5
    model.first, model.second = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3)
    session.compute()
    session.wait(WAIT)
    assert session.filter == 0
    assert session.snapshot().to_json()["chosen"]["measured"]


@pytest.mark.parametrize("news", ["work", "sight", "afterwards"])
def test_who_is_told_of_news_waits_for_nothing_and_may_close(news):
    session, told = carviz.open_session(network(), data(), run=SMALL), []

    def hear(said=None):
        if told or (said is not None and said.what != news):
            return
        for wait in (session.wait, session.settle):
            with pytest.raises(RuntimeError, match="Wait outside"):
                wait()
            with pytest.raises(TimeoutError):
                wait(0)
        told.append(True)
        session.close()

    session.compute()
    if news == "afterwards":
        session.listen(lambda said: None, hear)
    else:
        session.listen(hear)
    session.look(large="patches")
    session.settle(WAIT)
    assert told
    assert session.status == "Closed."


def test_to_settle_is_to_open_what_is_asked_for_meanwhile():
    session = carviz.open_session(network(), data(), run=SMALL)
    session.look()
    session.listen(lambda _said: None, lambda: session.opening or asked or load())
    asked = []

    def load():
        asked.append(True)
        session.load(data=data(1))

    session.compute()
    session.settle(WAIT)
    assert asked
    assert not session.busy
    assert session.table is None, "of the former data"


def test_a_bank_that_is_gone_is_no_longer_offered_and_one_that_came_is():
    model = network()
    session = carviz.open_session(model, data(), run=SMALL)
    model.third = torch.nn.Sequential(model.third, torch.nn.Conv2d(8, 8, 1))
    session.compute()
    session.wait(WAIT)
    assert [bank.layer for bank in session.banks] == ["first", "second", "third.0", "third.1"]
    assert session.table == carviz.measure_car(model, data(), "first", run=SMALL, progress=False)
    assert len(session.snapshot().to_json()["banks"]) == 4
    session.layer = "third.1"
    with pytest.raises(ValueError, match="third"):
        session.layer = "third"
