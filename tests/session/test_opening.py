"""Another model and other data: loaded by the worker, traced at home, refused in words."""

import asyncio
import threading
import time

import pytest
import torch
from support.gated import CLASSES, GATE, IMAGES, data, network
from support.loadable import NAMES, Small
from support.waiting import WAIT, eventually
from torch import fx, nn

import carviz
from carviz import Run, open_session
from carviz.session import loading
from carviz.session.status import READY

SMALL = Run(batch_size=4)


@pytest.fixture
def session(named):
    made = open_session(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.close()


@pytest.fixture
def tracing(monkeypatch):
    """Note down the threads that trace."""
    threads = []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        threads.append(threading.current_thread())
        return trace(self, *args, **kwargs)

    monkeypatch.setattr(fx.Tracer, "trace", watched)
    return threads


def is_as_before(session):
    shown = session.snapshot()
    assert (shown.model, shown.data, len(shown.images)) == ("Network", "given tensors", IMAGES)
    assert (session.layer, session.filter, session.busy) == ("third", 5, False)
    assert [bank.layer for bank in session.banks] == ["first", "second", "third"]


def test_another_model_and_other_data_are_as_if_freshly_opened(session, photos):
    session.layer, session.filter = "third", 5
    session.compute()
    session.wait(WAIT)
    session.load("small", photos, limit=4)
    assert session.busy
    assert session.opening
    session.wait(WAIT)
    shown = session.snapshot()
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 20)
    assert (session.layer, session.filter) == ("stem", 0)
    assert (session.table, session.path, session.exported) == (None, None, None)
    assert (session.busy, session.progress, session.status) == (False, 0.0, READY)
    assert not session.opening
    assert [(bank.layer, bank.filters) for bank in session.banks] == [("stem", 4), ("deep", 3)]
    session.layer = "deep"
    session.compute()
    session.wait(WAIT)
    model = Small()
    model.load_state_dict(session.subject.network.model.state_dict())
    images = carviz.load_data(photos, model=model, limit=4, progress=False)
    assert session.table == carviz.measure_car(model, images, "deep", progress=False, run=SMALL)


def test_banks_of_the_same_name_are_shown_anew(session, photos):
    session.load("small", photos)
    session.wait(WAIT)
    session.filter = 3
    session.load("twin")
    session.wait(WAIT)
    assert (session.layer, session.filter) == ("stem", 0)
    assert session.snapshot().bank.filters == 6
    assert session.snapshot().pictures.shape[0] == 6


def test_what_was_chosen_is_chosen_again_when_it_comes_back(session, photos):
    session.load("small", photos)
    session.wait(WAIT)
    session.layer = "deep"
    session.prune(2)
    session.wait(WAIT)
    session.filter, session.count = 1, 1
    session.load("twin")
    session.wait(WAIT)
    assert (session.layer, session.filter, session.count) == ("stem", 0, 0)
    session.load("small")
    session.wait(WAIT)
    assert (session.layer, session.filter, session.count) == ("deep", 1, 1)


def test_only_home_traces_and_only_the_worker_loads(session, named, photos, tracing):
    session.load("small", photos)
    session.wait(WAIT)
    assert set(tracing) == {threading.main_thread()}
    assert [thread.name for thread in named] == ["carviz-session"]
    session.load(data=photos, limit=2)
    session.wait(WAIT)
    assert len(tracing) == 1, "the same network is not traced again"
    assert len(session.snapshot().images) == 10


def test_without_a_loop_it_is_opened_by_whoever_waits(session, photos):
    session.load("small", photos)
    eventually(lambda: "wait() does it" in session.status)
    assert session.snapshot().model == "Network"
    assert session.busy
    session.wait(WAIT)
    assert session.snapshot().model == "small"


def test_with_a_loop_it_is_opened_without_anybody_waiting(named, photos, tracing):
    async def cell() -> str:
        session = open_session(network(), data())
        session.load("small", photos)
        while session.busy:
            await asyncio.sleep(0.01)
        return session.snapshot().model

    assert asyncio.run(asyncio.wait_for(cell(), WAIT)) == "small"
    assert set(tracing) == {threading.main_thread()}


def test_a_cell_that_waits_opens_it_itself(named, photos):
    async def cell() -> str:
        session = open_session(network(), data())
        session.load("small", photos)
        session.wait(WAIT)  # the loop stands still meanwhile
        return session.snapshot().model

    assert asyncio.run(cell()) == "small"


class Folder(torch.utils.data.Dataset):
    """A user's own data: images of a folder, five classes."""

    def __init__(self, folder) -> None:
        self.inner = carviz.load_data(folder, progress=False)
        self.classes, self.targets = NAMES, self.inner.targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index):
        image, label = self.inner[index]
        return image[:, ::28, ::28].contiguous(), label


@pytest.mark.parametrize(
    ("model", "images", "error", "words"),
    [
        ("smal", "photos", ValueError, "there is no 'smal'"),
        ("small", "no/such/folder", FileNotFoundError, "no folder"),
        ("dense", "photos", ValueError, "dense has none"),
        ("wide", "own", ValueError, "wide tells 6 apart, and Folder has 5 classes"),
        ("large", "photos", ValueError, "large cannot look at the images of photos"),
        (nn.Conv2d(1, 5, 1), None, ValueError, "Conv2d cannot look at the images of given tensors"),
        (3, None, TypeError, "found int"),
        (None, 3, TypeError, "data is a map-style"),
        (None, "shapes", ValueError, "shapes has 16 classes"),
    ],
)
def test_what_cannot_be_opened_is_told_and_the_former_stays(
    session, photos, model, images, error, words
):
    session.layer, session.filter = "third", 5
    images = {"photos": photos, "own": Folder(photos)}.get(images, images)
    session.load(model, images)
    with pytest.raises(error, match=words):
        session.wait(WAIT)
    assert words in session.status
    assert "Traceback" in session.snapshot().story
    is_as_before(session)
    session.compute()
    session.wait(WAIT)
    assert session.table.complete
    assert session.snapshot().story == ""


def test_labels_beyond_the_logits_are_refused(session):
    images, labels = data()
    labels[7] = CLASSES
    session.load(data=(images, labels))
    with pytest.raises(ValueError, match=f"Network tells {CLASSES} apart"):
        session.wait(WAIT)


def test_nothing_asked_for_and_limits_without_a_name(session):
    with pytest.raises(ValueError, match="Give one"):
        session.load()
    assert not session.busy
    session.load(data=data(), limit=3)
    with pytest.raises(ValueError, match="limit is how many images a class"):
        session.wait(WAIT)


def test_cancel_while_weights_are_loaded_ends_at_once(session, photos, held_up):
    session.layer, session.filter = "third", 5
    reached, go_on = held_up
    session.load("small", photos)
    assert reached.wait(WAIT)
    assert session.status == "Loading small: weights"
    session.cancel()
    session.wait(WAIT)
    is_as_before(session)
    assert session.status == "Cancelled: Network on given tensors stays."
    news: list = []
    session.listen(news.append)
    go_on.set()
    session.settle(WAIT)
    assert news == []
    is_as_before(session)


def test_cancel_while_images_are_read_stops_the_reading(session, photos, monkeypatch):
    reached, told, ends = threading.Event(), [], []

    def load_data(folder, *, model, limit, progress):
        try:
            for step in range(10_000):
                progress(step / 10_000)
                told.append(session.status)
                reached.set()
                time.sleep(0.002)
        finally:
            ends.append(step)

    monkeypatch.setattr(loading, "load_data", load_data)
    session.load("small", photos)
    assert reached.wait(WAIT)
    session.cancel()
    assert not session.busy
    session.settle(WAIT)
    assert ends[0] < 9_999, "it was stopped"
    assert told[0].startswith("Reading the images of photos: 0%")
    assert session.status.startswith("Cancelled")
    assert session.snapshot().model == "Network"


def test_cancel_before_it_is_opened_at_home(session, photos):
    session.load("small", photos)
    eventually(lambda: "wait() does it" in session.status)
    session.cancel()
    session.settle(WAIT)
    session.compute("filter")
    session.wait(WAIT)  # home is here: what still waited there would be done now
    assert session.snapshot().model == "Network"
    assert session.table.complete


def test_what_was_measured_is_shown_again_when_it_comes_back(session, photos):
    session.compute()
    session.wait(WAIT)
    table = session.table
    session.load("small", photos)
    session.wait(WAIT)
    assert session.table is None
    session.load(network(), data())
    session.wait(WAIT)
    assert session.layer == "first"
    assert session.table is table
    assert "6 filters measured on 80 images" in session.status


def test_the_same_once_more_keeps_what_was_measured(session, photos):
    session.load("small", photos)
    session.wait(WAIT)
    session.compute()
    session.wait(WAIT)
    table, images = session.table, session.subject.images
    session.load(data=photos)
    session.wait(WAIT)
    assert session.table is table
    assert session.subject.images is not images, "files may have come or gone"


def test_loading_ends_a_measurement_and_keeps_its_table(session, photos):
    with GATE.closed(after=70) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        session.load("small", photos)
        opened.set()
        session.wait(WAIT)
    assert session.snapshot().model == "small"
    assert session.table is None
    session.load(network(), data())
    session.wait(WAIT)
    assert 32 <= len(session.table.images) < IMAGES


def test_another_layer_ends_the_loading(session, photos):
    session.load("small", photos)
    session.layer = "second"
    assert not session.busy
    session.settle(WAIT)
    session.compute("filter")
    session.wait(WAIT)
    assert session.snapshot().model == "Network"
    assert session.layer == "second"


def test_the_last_one_asked_for_is_opened(session, photos):
    session.load("small", photos)
    session.load("twin", photos)
    session.wait(WAIT)
    session.settle(WAIT)
    assert session.snapshot().model == "twin"


def test_images_are_read_again_only_for_a_model_that_wants_them_otherwise(session, photos):
    session.load("small", photos, limit=3)
    session.wait(WAIT)
    images = session.subject.images.source
    session.load("twin")
    session.wait(WAIT)
    assert session.subject.images.source is images
    session.load("darker")
    session.wait(WAIT)
    again = session.subject.images.source
    assert again is not images
    assert len(again) == 15, "as many a class as before"
    assert not torch.equal(again[0][0], images[0][0])


def test_a_user_s_own_data_stays_when_the_model_changes(session):
    images = session.subject.images.source
    session.load(network(1))
    session.wait(WAIT)
    assert session.subject.images.source is images
    assert session.snapshot().data == "given tensors"


def test_closed_while_it_loads(session, photos):
    session.load("small", photos)
    session.close()
    session.settle(WAIT)
    assert session.snapshot().model == "Network"
    assert (session.busy, session.status) == (False, "Closed.")
