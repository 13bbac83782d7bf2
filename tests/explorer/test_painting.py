"""What stands in the synced traits: when it is sent, how much of it, and of what is known now."""

import json
import threading
import time

import numpy as np
import pytest
import torch
from support.gated import GATE, IMAGES, data, network
from support.own_data import Own
from support.pruned_alone import alone
from support.shown import Browser, decode, numbers, send, text, tiles
from support.waiting import WAIT
from torch import nn

import carviz
from carviz import Run
from carviz.explorer import explore, painting
from carviz.explorer.painting import MOST
from carviz.pictures import effective_weights, excite, weight_pictures
from carviz.screen import SECTIONS, make_picture, sections, sight
from carviz.session.status import READY


@pytest.fixture
def explorer(named):
    made = explore(network(), data(), run=Run(batch_size=16))
    yield made
    GATE.act = None
    made.close()


def is_painted(explorer) -> bool:
    """Whether the traits show what is known now."""
    now = sections(explorer.results())
    return all(getattr(explorer, f"shown_{name}") == content for name, content in now.items())


def test_the_first_message_shows_all_there_is(monkeypatch):
    sent = []

    def publish(_comm, kind, data=None, **_keys):
        if "shown_head" in data.get("state", ()):
            sent.append((kind, data["state"]))

    monkeypatch.setattr("comm.DummyComm.publish_msg", publish)
    explorer = explore(network(), data())
    ((kind, state),) = sent
    assert kind == "comm_open"
    assert {f"shown_{name}" for name in SECTIONS} <= set(state)
    assert state["shown_choice"]["layer"] == "first"
    explorer.close()


def test_what_is_chosen_and_what_is_found_is_shown(explorer):
    explorer.layer, explorer.filter = "second", 3
    assert (explorer.shown_choice["layer"], explorer.shown_chosen["filter"]) == ("second", 3)
    explorer.session.settle(WAIT)
    assert is_painted(explorer)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.look(view="bank", siblings=True, gallery="synthesised")
    explorer.session.settle(WAIT)
    assert is_painted(explorer)
    explorer.prune()
    explorer.wait(WAIT)
    explorer.count = 1
    explorer.session.settle(WAIT)
    assert is_painted(explorer)


def test_at_most_ten_updates_a_second_of_20_kilobytes_each():
    wide = nn.Sequential(
        nn.Conv2d(3, 384, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(384, 9)
    ).eval()
    images = torch.randn(60, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    explorer = explore(wide, (images, torch.arange(60) % 9), run=Run(batch_size=20))
    explorer.view = "bank"  # most is shown of all filters there
    browser, when = Browser(explorer), []
    hear = browser.hear

    def watched(*message, **keys):
        when.append(time.monotonic())
        hear(*message, **keys)

    explorer.comm.publish_msg = watched
    explorer.compute()
    explorer.wait(WAIT)
    brought = [names for _, names in browser.updates]
    assert sum("shown_numbers" in names for names in brought) >= 2
    assert max(size for size, _ in browser.updates) < 20_000
    in_a_second = max(sum(t <= other < t + 1 for other in when) for t in when)
    assert in_a_second <= MOST + 4, "beside it what begins and what ends, which nobody waits for"
    explorer.close()


def test_nothing_is_sent_where_nothing_changes(explorer):
    explorer.session.settle(WAIT)
    browser = Browser(explorer)
    explorer.filter = explorer.filter
    explorer.session.look(view="filter")
    explorer.layer = "first"
    assert browser.updates == []
    explorer.filter = 1
    assert [names & {"shown_bank", "shown_gallery"} for _, names in browser.updates] == [set()]


# -- while a job runs


def test_during_pruning_what_there_is_is_shown_and_the_slider_follows(explorer):
    reached, opened, steps = threading.Event(), threading.Event(), set()

    def act(_: int) -> None:
        there = max((len(path) for path in explorer.results().paths), default=0)
        if there not in steps:
            steps.add(there)
            time.sleep(0.25)  # what a browser shows is changed a few times a second only
        if explorer.path is not None and len(explorer.path) >= 2:
            reached.set()
            assert opened.wait(20)

    GATE.act = act
    explorer.prune()
    assert reached.wait(WAIT)
    path = explorer.path
    assert explorer.busy
    assert 2 <= len(path) < 6
    assert explorer.count == explorer.shown_place["count"] == len(path)
    assert "of 6 filters pruned" in explorer.shown_work["status"]
    assert explorer.shown_pruning["order"] == path.order.tolist()
    can = explorer.shown_work["can"]
    assert (can["compare"], can["export"]) == (False, False)
    explorer.count = 1  # looked back at: it stays there
    assert explorer.shown_place["count"] == 1
    opened.set()
    explorer.wait(WAIT)
    assert explorer.count == explorer.shown_place["count"] == 1
    assert len(explorer.shown_pruning["order"]) == 6
    can = explorer.shown_work["can"]
    assert (can["compare"], can["export"]) == (True, True)


def test_what_is_asked_for_is_looked_at(explorer):
    assert explorer.shown_choice["view"] == "filter"
    explorer.prune()
    explorer.wait(WAIT)
    assert explorer.shown_choice["view"] == "pruning"
    assert np.isnan(numbers(explorer.shown_numbers["tiles"])).all(), "pruning measures no CAR"


def test_before_anything_is_pruned_there_is_nothing_to_export(explorer):
    with GATE.closed(after=60) as (reached, opened):
        explorer.prune()
        assert reached.wait(WAIT)
        explorer.layer = "second"
        assert explorer.shown_pruning["order"] is None
        opened.set()
    with explorer.session.lock:  # before it begins
        explorer.prune()
        explorer.cancel()
    explorer.wait(WAIT)
    assert explorer.shown_work["status"] == "Cancelled before the first filter."
    can = explorer.shown_work["can"]
    assert (can["compare"], can["export"]) == (False, False)


def test_what_fails_is_told_and_what_there_is_shown(explorer):
    explorer.prune()

    def fail(_: int) -> None:
        if any(len(path) == 2 for path in explorer.results().paths):
            raise RuntimeError("the gate broke <b>down</b>")

    GATE.act = fail
    with pytest.raises(RuntimeError, match="broke"):
        explorer.wait(WAIT)
    GATE.act = None
    assert "the gate broke <b>down</b>" in explorer.shown_work["status"], "as plain text"
    assert "Traceback" in explorer.shown_work["story"]
    assert explorer.shown_pruning["order"] == alone().order[:2].tolist()
    explorer.prune()
    explorer.wait(WAIT)
    assert explorer.shown_work["story"] == ""


def test_every_place_of_the_slider_is_shown(explorer):
    whole = alone()
    explorer.prune()
    explorer.wait(WAIT)
    for place in (0, 5, 2):
        send(explorer, {"count": place})
        assert explorer.count == explorer.shown_place["count"] == place
        assert explorer.shown_place["right"] == f"{whole.accuracy[place]:.1%}"
        assert explorer.shown_work["can"]["export"] == (place > 0)


# -- another model and other data


def is_as_before(explorer):
    shown = explorer.results()
    assert (shown.model, shown.data, len(shown.images)) == ("Network", "given tensors", IMAGES)
    assert (explorer.layer, explorer.filter, explorer.busy) == ("third", 5, False)
    banks = [bank["layer"] for bank in explorer.shown_names["banks"]]
    assert banks == ["first", "second", "third"]
    assert (explorer.shown_choice["layer"], explorer.shown_choice["filter"]) == ("third", 5)
    assert explorer.shown_bank["filters"] == 8
    assert "model Network" in text(explorer.shown_head["facts"])


def test_another_model_and_other_data_are_shown_as_if_freshly_opened(explorer, photos):
    explorer.layer, explorer.filter = "third", 5
    explorer.compute()
    explorer.wait(WAIT)
    explorer.load("small", photos, limit=4)
    assert explorer.busy
    explorer.wait(WAIT)
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert (explorer.table, explorer.path, explorer.exported) == (None, None, None)
    assert (explorer.busy, explorer.progress, explorer.status) == (False, 0.0, READY)
    assert [bank["layer"] for bank in explorer.shown_names["banks"]] == ["stem", "deep"]
    assert (explorer.shown_choice["layer"], explorer.shown_bank["filters"]) == ("stem", 4)
    sheets = explorer.shown_gallery["sheets"]
    assert text(explorer.shown_head["facts"]).startswith("model small data photos, 20 images")
    explorer.load("twin")
    explorer.wait(WAIT)
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert explorer.shown_bank["filters"] == 6
    assert explorer.shown_gallery["sheets"] != sheets, "banks of the same name are shown anew"


def test_what_cannot_be_opened_is_told_and_the_former_stays(explorer, photos):
    explorer.layer, explorer.filter = "third", 5
    explorer.load("wide", photos.parent / "nowhere")
    with pytest.raises(FileNotFoundError, match="no folder"):
        explorer.wait(WAIT)
    assert "no folder" in explorer.shown_work["status"]
    assert "Traceback" in explorer.shown_work["story"]
    is_as_before(explorer)
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert explorer.shown_work["story"] == ""


def test_while_it_is_loaded_nothing_else_can_be_pressed_but_cancel(explorer, photos, held_up):
    explorer.layer, explorer.filter = "third", 5
    explorer.session.settle(WAIT)
    reached, go_on = held_up
    explorer.load("small", photos)
    assert reached.wait(WAIT)
    assert explorer.shown_work["status"] == "Loading small: weights"
    assert explorer.shown_work["can"] == {
        "cancel": True, "choose": False, "compare": False, "export": False
    }  # fmt: skip
    send(explorer, {"press": "cancel"})
    explorer.wait(WAIT)
    is_as_before(explorer)
    assert explorer.shown_work["status"] == "Cancelled: Network on given tensors stays."
    assert explorer.shown_work["can"]["choose"]
    heard = []
    explorer.observe(heard.append)
    go_on.set()
    explorer.session.settle(WAIT)
    assert heard == []
    is_as_before(explorer)


# -- pictures of what the filters see


def near(picture, expected) -> bool:
    return np.abs(picture - expected).max() < 0.003


def tab(explorer, name):
    return next(tab for tab in explorer.shown_sight["tabs"] if tab["name"] == name)


def test_a_deep_bank_s_gallery_fills_with_effective_weights_and_is_told_apart():
    explorer = explore(network(), data(), layer="second")
    assert explorer.shown_gallery["pictured"]
    send(explorer, {"look": {"gallery": "weights"}})  # it begins with patches
    explorer.session.settle(WAIT)
    expected = weight_pictures(effective_weights(network(), data(), "second").weights)
    found = tiles(explorer.results())
    assert sorted(found) == [0, 1, 2, 3]
    assert all(near(found[filter], picture) for filter, picture in enumerate(expected))
    kinds = carviz.measure_selectivity(network(), "second", data=data())
    letters = {"color": "C", "shape": "S", "dead": "×"}
    assert explorer.shown_bank["marks"] == "".join(letters[kind] for kind in kinds.kind)
    for filter in range(4):
        explorer.filter = filter
        shown = explorer.shown_chosen
        assert f"colour index {kinds.color_index[filter]:.2f}" == "".join(shown["index"])
        said = text(shown["reading"])
        assert f"falls by {kinds.activation_index[filter]:.0%} on images made grey" in said
        assert ("The weights say" in said) == bool(kinds.disagrees[filter])
    explorer.close()


def test_a_synthesised_picture_becomes_better(explorer):
    explorer.session.settle(WAIT)
    shown = []

    def see(change) -> None:
        shown.append(change["new"]["tabs"][-1]["large"]["picture"])
        time.sleep(0.13)  # not every step is shown

    explorer.observe(see, "shown_sight")
    with explorer.session.lock:  # before the first of it comes
        explorer.filter = 4
        send(explorer, {"look": {"large": "synthesised"}})
        assert tab(explorer, "synthesised")["large"]["words"].startswith("Comes")
    explorer.session.settle(WAIT)
    names = [picture[0] for picture in shown if picture]
    explorer.unobserve_all()
    assert len(set(names)) >= 3, "ever better ones"
    assert names == sorted(names, key=lambda name: json.loads(name)[-1])
    made = Browser(explorer).ask([names[-1]])[names[-1]]
    assert near(decode(made["data"]), excite(network(), "first", 4, data=data()))
    explorer.filter = 0
    explorer.session.settle(WAIT)
    explorer.filter = 4
    assert tab(explorer, "synthesised")["large"]["picture"][0] == names[-1], "at once"


def test_what_nobody_looks_at_fails_silently_and_is_told_on_its_tab():
    own = Own()
    explorer = explore(network(), own)
    explorer.session.settle(WAIT)
    status = explorer.status
    own.broken.update(range(1, len(own)))
    explorer.filter = 5
    explorer.session.settle(WAIT)
    assert explorer.status == status
    assert [tab["name"] for tab in explorer.shown_sight["tabs"] if tab["small"]] == [
        "weights", "synthesised"
    ]  # fmt: skip
    send(explorer, {"look": {"large": "patches"}})
    assert tab(explorer, "patches")["large"]["words"].startswith("No picture: ")
    assert explorer.status == status


def test_what_is_looked_at_and_fails_is_told():
    own = Own()
    explorer = explore(network(), own)
    explorer.session.settle(WAIT)
    own.broken.add(7)
    explorer.layer = "second"
    explorer.session.settle(WAIT)
    assert "Pictures of second: ValueError" in explorer.shown_work["status"]
    assert explorer.shown_work["story"]
    assert "image 7" in tab(explorer, "weights")["large"]["words"]
    own.broken.clear()
    explorer.layer = "first"
    explorer.layer = "second"
    explorer.session.settle(WAIT)
    assert "ValueError" not in explorer.shown_work["status"]
    assert tab(explorer, "weights")["large"]["picture"]


def test_siblings_come_when_they_are_asked_for(explorer, monkeypatch):
    monkeypatch.setattr(sight, "ALIKE", -1.0)  # in this network no filter is like another
    assert explorer.shown_siblings["items"] == []
    send(explorer, {"look": {"siblings": True}})
    explorer.session.settle(WAIT)
    items = explorer.shown_siblings["items"]
    assert len(items) == 3
    assert all(item["picture"] for item in items)
    send(explorer, {"filter": items[1]["filter"]})
    assert explorer.filter == items[1]["filter"]
    send(explorer, {"look": {"siblings": False}})
    assert explorer.shown_siblings["items"] == []


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_gallery_can_show_any_of_the_pictures(layer):
    explorer = explore(network(), data(), layer=layer)
    send(explorer, {"look": {"gallery": "weights"}})
    explorer.session.settle(WAIT)
    weights = explorer.shown_gallery
    for name in ("patches", "synthesised"):
        send(explorer, {"look": {"gallery": name}})
        explorer.session.settle(WAIT)
        ((_, filters),) = explorer.shown_gallery["sheets"]
        assert filters == list(range(explorer.shown_bank["filters"]))
    expected = excite(network(), layer, data=data())
    found = tiles(explorer.results())
    assert all(near(found[filter], picture) for filter, picture in enumerate(expected))
    send(explorer, {"look": {"gallery": "weights"}})
    assert explorer.shown_gallery == weights, "at once"


def test_a_bank_that_was_left_is_drawn_no_more_and_comes_back_at_once(explorer):
    explorer.session.settle(WAIT)
    with GATE.closed(after=12) as (reached, opened_gate):  # in the midst of the weights
        explorer.layer = "third"
        assert reached.wait(WAIT)
        explorer.layer = "first"
        drawn = explorer.shown_gallery
        opened_gate.set()
        explorer.session.settle(WAIT)
    assert explorer.shown_gallery == drawn
    explorer.layer = "third"
    explorer.session.settle(WAIT)
    there = explorer.shown_gallery
    assert there["sheets"][0][1] == list(range(8))
    explorer.layer = "first"
    explorer.layer = "third"
    assert explorer.shown_gallery == there, "at once"


def test_a_picture_of_the_bank_that_is_chosen_while_others_are_made_comes(explorer, monkeypatch):
    explorer.layer = "second"
    explorer.session.look(gallery="patches")
    explorer.session.settle(WAIT)
    ((wanted, _), *_) = explorer.shown_gallery["sheets"]
    explorer.layer = "first"

    def make(shown, key):
        explorer.layer = "second"  # somebody goes back in the midst
        return make_picture(shown, key)

    monkeypatch.setattr(painting, "make_picture", make)
    found = Browser(explorer).ask([wanted])
    assert found[wanted]["mime"] == "image/png"
