"""What the messages of a browser do, also where they come late."""

import io
import json

import pytest
from PIL import Image
from support.gated import GATE, data, network
from support.loadable import NAMES
from support.shown import Browser, decode, send
from support.waiting import WAIT, eventually

from carviz import Run
from carviz.explorer import explore
from carviz.screen.keys import image_key


@pytest.fixture
def explorer(named):
    made = explore(network(), data(), run=Run(batch_size=4))
    made.session.settle(WAIT)  # then nothing but what a test asks for passes the gate
    yield made
    GATE.act = None
    made.close()


def chosen(explorer):
    shown = explorer.results()
    return (
        shown.layer, shown.filter, shown.count, shown.looks, shown.device, shown.busy,
        explorer.shown_models, explorer.status,
    )  # fmt: skip


def typed(explorer, model, images, limit=""):
    send(explorer, {"load": {"model": model, "data": str(images), "limit": limit}})


def test_what_is_chosen_and_looked_at(explorer):
    send(explorer, {"layer": "third"})
    send(explorer, {"filter": 7})
    assert (explorer.layer, explorer.filter) == ("third", 7)
    looks = {
        "view": "bank", "order": "car", "gallery": "patches", "large": "synthesised",
        "siblings": True, "opened": 2,
    }  # fmt: skip
    for name, value in looks.items():
        send(explorer, {"look": {name: value}})
    assert explorer.view == "bank"
    assert {name: explorer.shown_choice[name] for name in looks} == looks


def test_buttons(explorer):
    assert not explorer.shown_work["can"]["cancel"]
    with GATE.closed(after=70) as (reached, opened):
        send(explorer, {"press": "compute bank"})
        assert reached.wait(WAIT)
        assert explorer.busy
        assert explorer.shown_work["can"]["cancel"]
        status, table = explorer.status, explorer.table
        assert "% done" in status
        send(explorer, {"press": "compute bank"})  # the second of a double click
        assert (explorer.status, explorer.table) == (status, table), "nothing starts anew"
        send(explorer, {"press": "cancel"})
        opened.set()
        explorer.wait(WAIT)
    assert explorer.status.startswith("Cancelled: 6 filters measured on 32 of 80 images")
    assert not explorer.shown_work["can"]["cancel"]
    send(explorer, {"layer": "second"})
    send(explorer, {"press": "compute filter"})
    explorer.wait(WAIT)
    assert explorer.table.filters.tolist() == [0]


def test_pruning_comparing_and_exporting(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with GATE.closed(after=60) as (reached, opened):
        send(explorer, {"press": "prune"})
        assert reached.wait(WAIT)
        status = explorer.status
        assert "of 6 filters pruned" in status
        send(explorer, {"press": "prune"})
        assert explorer.status == status, "nothing starts anew"
        opened.set()
        explorer.wait(WAIT)
    assert explorer.view == "pruning"
    assert explorer.shown_work["can"]["compare"]
    send(explorer, {"press": "compare"})
    explorer.wait(WAIT)
    assert len(explorer.shown_pruning["lines"]) == len(explorer.results().paths) == 6
    assert not explorer.shown_work["can"]["compare"], "there is nothing left to compare"
    send(explorer, {"count": 1})
    send(explorer, {"press": "export"})
    explorer.wait(WAIT)
    done = explorer.exported
    assert (done.count, done.path.resolve().parent) == (1, tmp_path)
    assert explorer.shown_report["name"] == done.path.name


def test_what_cannot_be_done_is_told_to_whoever_clicks(explorer):
    send(explorer, {"press": "compare"})
    with pytest.raises(ValueError, match="not pruned yet"):
        explorer.wait(WAIT)
    assert "not pruned yet" in explorer.shown_work["status"]
    for ask in (explorer.compare, explorer.export):
        with pytest.raises(ValueError, match="not pruned yet"):
            ask()
    explorer.prune(2)
    explorer.wait(WAIT)
    explorer.count = 0
    send(explorer, {"press": "export"})
    with pytest.raises(ValueError, match="Move the slider"):
        explorer.wait(WAIT)
    assert "Move the slider" in explorer.status
    assert "Traceback" in explorer.shown_work["story"]


def test_a_choice_that_comes_late_is_of_the_former_bank(explorer):
    explorer.layer, explorer.filter = "third", 7
    explorer.layer = "second"
    assert explorer.filter == 0
    send(explorer, {"filter": 7})
    send(explorer, {"filter": -1})
    assert explorer.filter == 0
    send(explorer, {"layer": "of another network"})
    assert explorer.layer == "second"


def test_a_place_that_comes_late_is_of_the_former_path(explorer):
    explorer.prune(3)
    explorer.wait(WAIT)
    send(explorer, {"count": 99})
    assert explorer.count == 3
    send(explorer, {"count": -1})
    assert explorer.count == 0
    explorer.layer = "second"
    send(explorer, {"count": 2})
    assert explorer.count == 0


@pytest.mark.parametrize(
    "content",
    [
        None, "load", 7, [], {}, {"load": 3}, {"filter": "x"}, {"filter": None}, {"filter": 1.5},
        {"filter": True},
        {"count": "x"}, {"look": "nothing"}, {"look": {"large": "nothing"}}, {"look": {"new": 1}},
        {"look": {"view": 3}}, {"look": {"opened": "x"}}, {"look": {"siblings": "x"}},
        {"press": "close"}, {"press": None}, {"models": False}, {"layer": 3}, {"want": "all"},
        {"device": "abacus"}, {"device": 0},
        {"look": {"opened": None, "view": ["bank"]}},
    ],
)  # fmt: skip
def test_other_messages_are_not_heard(explorer, content, caplog):
    before = chosen(explorer)
    send(explorer, content)
    assert chosen(explorer) == before
    assert caplog.records == [], "ipywidgets logs what a message raises"


def test_the_names_of_models_are_listed_when_they_are_asked_for(explorer, monkeypatch):
    import pandas as pd

    frame = pd.DataFrame({"name": ["a"], "source": ["bundled"], "accuracy": [float("nan")]})
    monkeypatch.setattr("carviz.zoo.list_models", lambda: frame)
    assert explorer.shown_models == []
    send(explorer, {"models": True})
    eventually(lambda: explorer.shown_models)
    assert explorer.shown_models == [{"name": "a", "note": "bundled"}]


def test_what_is_typed_is_loaded_and_remembered(explorer, photos):
    typed(explorer, " small ", photos, "2")
    assert explorer.shown_work["opening"]
    explorer.wait(WAIT)
    shown, row = explorer.results(), explorer.shown_chooser
    assert (shown.model, len(shown.images)) == ("small", 2 * len(NAMES))
    assert (row["model"], row["data"], row["limit"]) == ("small", str(photos), "2")
    assert not explorer.shown_work["opening"]
    assert row["sets"][:2] == [str(photos), "shapes"]
    typed(explorer, "twin", photos, "")
    explorer.wait(WAIT)
    assert len(explorer.results().images) == 6 * len(NAMES)
    assert explorer.shown_chooser["sets"].count(str(photos)) == 1


def test_the_model_alone_and_the_data_alone(explorer, photos):
    typed(explorer, "small", "given tensors", "3")
    explorer.wait(WAIT)
    shown = explorer.results()
    assert (shown.model, shown.data) == ("small", "given tensors")
    typed(explorer, "small", photos, "3")
    explorer.wait(WAIT)
    shown = explorer.results()
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 15)


def test_what_is_typed_wrong_is_told_and_nothing_is_opened(explorer, photos):
    subject = explorer.shown_head["subject"]
    typed(explorer, "small", photos, "ten")
    with pytest.raises(ValueError, match=r"a whole number, 1 or more.*found 'ten'"):
        explorer.wait(WAIT)
    typed(explorer, "smal", photos)
    with pytest.raises(ValueError, match="there is no 'smal'"):
        explorer.wait(WAIT)
    assert "there is no 'smal'" in explorer.shown_work["status"]
    assert explorer.shown_head["subject"] == subject, "the row stays open"
    assert explorer.results().model == "Network"


def test_a_second_press_while_it_loads_starts_nothing_anew(explorer, photos, held_up):
    reached, go_on = held_up
    typed(explorer, "small", photos)
    assert reached.wait(WAIT)
    typed(explorer, "twin", photos)
    send(explorer, {"layer": "second"})
    assert explorer.status == "Loading small: weights"
    go_on.set()
    explorer.wait(WAIT)
    assert explorer.results().model == "small"


def test_pictures_come_by_their_names_and_what_cannot_be_read_is_told(explorer):
    browser, broken = Browser(explorer), "no picture's name"
    (sheet, filters), *_ = explorer.shown_gallery["sheets"]
    image = image_key(explorer.results(), 3)
    nowhere = image_key(explorer.results(), 9999)
    found = browser.ask([sheet, broken, image, nowhere])
    assert found[sheet]["about"]["filters"] == filters == [0, 1, 2, 3, 4, 5]
    assert decode(found[sheet]["data"]).shape == (6, 9, 3), "two rows of three, 3 × 3 each"
    assert found[image]["mime"] == "image/webp"
    assert found[broken] == {"key": broken, "problem": ""}
    assert "Error" in found[nowhere]["problem"]


def test_a_slip_in_the_row_ends_no_job(explorer):
    with GATE.closed(after=70) as (reached, opened):
        send(explorer, {"press": "compute bank"})
        assert reached.wait(WAIT)
        send(explorer, {"load": {"model": "", "data": "shapes", "limit": "ten"}})
        assert explorer.busy
        assert "found 'ten'" in explorer.shown_chooser["problem"]
        assert explorer.shown_chooser["field"] == "limit"
        opened.set()
        explorer.wait(WAIT)
    assert explorer.table.complete
    send(explorer, {"load": {"model": "", "data": "no/such/folder", "limit": ""}})
    with pytest.raises(FileNotFoundError):
        explorer.wait(WAIT)
    assert "no/such/folder" in explorer.shown_chooser["problem"]


def test_filters_are_picked_faster_than_the_screen_follows(explorer):
    with explorer.session.lock:
        for filter in (3, 0, 5, 0, 99, -1):
            send(explorer, {"toggle": filter})
    assert explorer.session.picked == (3, 5)
    send(explorer, {"pick": [1, 2, 77]})
    assert explorer.shown_choice["picked"] == [1, 2]
    send(explorer, {"pin": 4})
    send(explorer, {"pin": 70})
    assert explorer.shown_choice["pinned"] == 4
    send(explorer, {"look": {"view": "several"}})
    send(explorer, {"press": "compute together"})
    explorer.wait(WAIT)
    assert explorer.view == "several"
    assert explorer.shown_several["car"]


def give(explorer, content, *buffers):
    """Send a message that has bytes beside it."""
    data = {"method": "custom", "content": content}
    explorer.comm.handle_msg({"content": {"data": data}, "buffers": list(buffers)})


def test_an_image_comes_as_bytes_and_stays_out_of_the_notebook(explorer):
    picture = Image.effect_noise((40, 30), 90).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    give(explorer, {"own": {"name": "noise.png"}}, memoryview(buffer.getvalue()))
    # The network's images are of other channels' numbers than any picture: nothing says how they
    # were made, which is told where the picture was given.
    explorer.session.settle(WAIT)
    assert explorer.view == "image"
    assert explorer.shown_image["title"] == "Your image: noise.png"
    assert "Nothing says how the data was preprocessed" in explorer.shown_image["problem"]
    state = json.dumps(explorer.get_state(), default=lambda part: str(bytes(part)))
    assert len(state) < 200_000
    give(explorer, {"own": {"name": "no.png"}}, b"no picture")
    assert "found something else" in explorer.shown_image["refused"]
    give(explorer, {"own": {"name": "no.png"}})
    give(explorer, {"own": "no"}, b"")
