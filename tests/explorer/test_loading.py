"""Another model and other data: loaded by a worker, traced at home, refused in words."""

import asyncio
import threading
import time

import pytest
import torch
from support.gated import CLASSES, GATE, IMAGES, data, network
from support.loadable import NAMES, Small
from torch import fx, nn

import carviz
from carviz.ablation import Run
from carviz.explorer import explore
from carviz.session import loading
from carviz.session.status import READY

WAIT = 30
SMALL = Run(batch_size=4)


@pytest.fixture
def explorer(named):
    made = explore(network(), data(), run=SMALL)
    yield made
    GATE.act = None
    made.retire()


def is_as_before(explorer):
    shown = explorer.results()
    assert (shown.model, shown.data, len(shown.images)) == ("Network", "given tensors", IMAGES)
    assert (explorer.layer, explorer.filter, explorer.busy) == ("third", 5, False)
    assert [value for _, value in explorer.panels.layer.options] == ["first", "second", "third"]
    assert "<b>Network</b>" in explorer.panels.header.value


def test_another_model_and_other_data_are_shown_as_if_freshly_opened(explorer, photos):
    explorer.layer, explorer.filter = "third", 5
    explorer.compute()
    explorer.wait(WAIT)
    explorer.load("small", photos, limit=4)
    assert explorer.busy
    assert explorer.opening
    explorer.wait(WAIT)
    shown, view = explorer.results(), explorer._view
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 20)
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert (explorer.table, explorer.path, explorer.exported) == (None, None, None)
    assert (explorer.busy, explorer.progress, explorer.status) == (False, 0.0, READY)
    assert [value for _, value in view.layer.options] == ["stem", "deep"]
    assert view.layer.value == "stem"
    assert len(view.gallery.tiles) == 4
    assert view.gallery.bank == "stem"
    assert "<b>small</b>" in view.header.value
    assert "<b>photos</b>, 20 images" in view.header.value
    explorer.filter = 3
    explorer.layer = "deep"
    explorer.compute()
    explorer.wait(WAIT)
    model = Small()
    model.load_state_dict(explorer.session.subject.network.model.state_dict())
    images = carviz.load_data(photos, model=model, limit=4, progress=False)
    whole = carviz.measure_car(model, images, "deep", progress=False, run=SMALL)
    assert explorer.table == whole


def test_banks_of_the_same_name_are_shown_anew(explorer, photos):
    explorer.load("small", photos)
    explorer.wait(WAIT)
    explorer.filter = 3
    explorer.load("twin")
    explorer.wait(WAIT)
    assert (explorer.layer, explorer.filter) == ("stem", 0)
    assert len(explorer.panels.gallery.tiles) == 6
    assert explorer.results().pictures.shape[0] == 6


def test_only_home_traces_and_only_the_worker_loads(explorer, named, photos, monkeypatch):
    tracing = []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        tracing.append(threading.current_thread())
        return trace(self, *args, **kwargs)

    monkeypatch.setattr(fx.Tracer, "trace", watched)
    explorer.load("small", photos)
    explorer.wait(WAIT)
    assert set(tracing) == {threading.main_thread()}
    assert len(named) == 1
    assert named[0] is not threading.main_thread()
    explorer.load(data=photos, limit=2)
    explorer.wait(WAIT)
    assert len(tracing) == 1, "the same network is not traced again"
    assert len(explorer.results().images) == 10


def test_without_a_loop_it_is_opened_by_whoever_waits(explorer, photos):
    explorer.load("small", photos)
    end = time.monotonic() + WAIT
    while "wait() does it" not in explorer.status:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert explorer.results().model == "Network"
    assert explorer.busy
    explorer.wait(WAIT)
    assert explorer.results().model == "small"


def test_with_a_loop_it_is_opened_without_anybody_waiting(named, photos, monkeypatch):
    tracing = []
    trace = fx.Tracer.trace
    monkeypatch.setattr(
        fx.Tracer, "trace",
        lambda *args, **more: (tracing.append(threading.current_thread()), trace(*args, **more))[1],
    )  # fmt: skip

    async def cell() -> str:
        explorer = explore(network(), data())
        explorer.load("small", photos)
        while explorer.busy:
            await asyncio.sleep(0.01)
        return explorer.results().model

    assert asyncio.run(asyncio.wait_for(cell(), WAIT)) == "small"
    assert set(tracing) == {threading.main_thread()}


def test_a_cell_that_waits_opens_it_itself(named, photos):
    async def cell() -> str:
        explorer = explore(network(), data())
        explorer.load("small", photos)
        explorer.wait(WAIT)  # the loop stands still meanwhile
        return explorer.results().model

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
    explorer, photos, model, images, error, words
):
    explorer.layer, explorer.filter = "third", 5
    images = {"photos": photos, "own": Folder(photos)}.get(images, images)
    explorer.load(model, images)
    with pytest.raises(error, match=words):
        explorer.wait(WAIT)
    assert words in explorer.status
    assert "Traceback" in explorer.panels.status.value
    is_as_before(explorer)
    explorer.compute()
    explorer.wait(WAIT)
    assert explorer.table.complete
    assert "Traceback" not in explorer.panels.status.value


def test_labels_beyond_the_logits_are_refused(explorer):
    images, labels = data()
    labels[7] = CLASSES
    explorer.load(data=(images, labels))
    with pytest.raises(ValueError, match=f"Network tells {CLASSES} apart"):
        explorer.wait(WAIT)


def test_nothing_asked_for_and_limits_without_a_name(explorer):
    with pytest.raises(ValueError, match="Give one"):
        explorer.load()
    assert not explorer.busy
    explorer.load(data=data(), limit=3)
    with pytest.raises(ValueError, match="limit is how many images a class"):
        explorer.wait(WAIT)


def test_cancel_while_weights_are_loaded_ends_at_once(explorer, photos, monkeypatch):
    explorer.layer, explorer.filter = "third", 5
    reached, go_on = threading.Event(), threading.Event()
    load_model = loading.load_model

    def slow(name):
        reached.set()
        assert go_on.wait(WAIT)
        return load_model(name)

    monkeypatch.setattr(loading, "load_model", slow)
    explorer.load("small", photos)
    assert reached.wait(WAIT)
    assert explorer.status == "Loading small: weights"
    assert explorer.panels.chooser.loading
    assert explorer.panels.compute_bank.disabled
    assert not explorer.panels.cancel.disabled
    job = explorer._job
    explorer.panels.cancel.click()
    explorer.wait(WAIT)
    is_as_before(explorer)
    assert explorer.status == "Cancelled: Network on given tensors stays."
    assert not explorer.panels.compute_bank.disabled
    heard = []
    explorer.observe(heard.append)
    go_on.set()
    assert job.wait(WAIT)
    assert heard == []
    is_as_before(explorer)


def test_cancel_while_images_are_read_stops_the_reading(explorer, photos, monkeypatch):
    reached, told = threading.Event(), []

    def load_data(folder, *, model, limit, progress):
        for step in range(10_000):
            progress(step / 10_000)
            told.append(explorer.status)
            reached.set()
            time.sleep(0.002)
        pytest.fail("nobody stopped it")

    monkeypatch.setattr(loading, "load_data", load_data)
    explorer.load("small", photos)
    job = explorer._job
    assert reached.wait(WAIT)
    explorer.cancel()
    assert job.wait(WAIT)
    assert job.stopped
    assert told[0].startswith("Reading the images of photos: 0%")
    assert not explorer.busy
    assert explorer.results().model == "Network"


def test_cancel_before_it_is_opened_at_home(explorer, photos):
    explorer.load("small", photos)
    end = time.monotonic() + WAIT
    while "wait() does it" not in explorer.status:
        assert time.monotonic() < end
        time.sleep(0.01)
    job = explorer._job
    explorer.cancel()
    assert job.wait(WAIT)
    explorer._home.serve()
    assert explorer.results().model == "Network"


def test_what_was_measured_is_shown_again_when_it_comes_back(explorer, photos):
    explorer.compute()
    explorer.wait(WAIT)
    table = explorer.table
    explorer.load("small", photos)
    explorer.wait(WAIT)
    assert explorer.table is None
    explorer.load(network(), data())
    explorer.wait(WAIT)
    assert explorer.layer == "first"
    assert explorer.table is table
    assert "6 filters measured on 80 images" in explorer.status


def test_the_same_once_more_keeps_what_was_measured(explorer, photos):
    explorer.load("small", photos)
    explorer.wait(WAIT)
    explorer.compute()
    explorer.wait(WAIT)
    table, images = explorer.table, explorer.session.subject.images
    explorer.load(data=photos)
    explorer.wait(WAIT)
    assert explorer.table is table
    assert explorer.session.subject.images is not images, "files may have come or gone"


def test_loading_ends_a_measurement_and_keeps_its_table(explorer, photos):
    with GATE.closed(after=70) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        measuring = explorer._job
        explorer.load("small", photos)
        opened.set()
        explorer.wait(WAIT)
    assert measuring.wait(WAIT)
    assert explorer.results().model == "small"
    assert explorer.table is None
    explorer.load(network(), data())
    explorer.wait(WAIT)
    assert 32 <= len(explorer.table.images) < IMAGES


def test_another_layer_ends_the_loading(explorer, photos):
    explorer.load("small", photos)
    job = explorer._job
    explorer.layer = "second"
    assert not explorer.busy
    explorer._home.wait(job, WAIT)
    assert explorer.results().model == "Network"
    assert explorer.layer == "second"


def test_the_last_one_asked_for_is_opened(explorer, photos):
    explorer.load("small", photos)
    first = explorer._job
    explorer.load("twin", photos)
    explorer.wait(WAIT)
    assert first.wait(WAIT)
    assert explorer.results().model == "twin"


def test_images_are_read_again_only_for_a_model_that_wants_them_otherwise(explorer, photos):
    explorer.load("small", photos, limit=3)
    explorer.wait(WAIT)
    images = explorer.session.subject.images.source
    explorer.load("twin")
    explorer.wait(WAIT)
    assert explorer.session.subject.images.source is images
    explorer.load("darker")
    explorer.wait(WAIT)
    again = explorer.session.subject.images.source
    assert again is not images
    assert len(again) == 15, "as many a class as before"
    assert not torch.equal(again[0][0], images[0][0])


def test_a_user_s_own_data_stays_when_the_model_changes(explorer):
    images = explorer.session.subject.images.source
    explorer.load(network(1))
    explorer.wait(WAIT)
    assert explorer.session.subject.images.source is images
    assert explorer.results().data == "given tensors"


def test_retired_while_it_loads(explorer, photos):
    explorer.load("small", photos)
    job = explorer.retire()
    assert job.wait(WAIT)
    assert job.stopped
    assert explorer.results().model == "Network"


def test_explore_takes_a_name_and_a_folder(named, photos):
    explorer = explore("small", str(photos))
    shown = explorer.results()
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 30)
    assert named == [threading.main_thread()]


def test_a_network_of_one_logit_fits_two_classes():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(2, 1), nn.Sigmoid())  # fmt: skip
    images, silent = torch.rand(8, 3, 8, 8), lambda what: lambda share: None
    loaded = loading.load(network, (images, torch.arange(8) % 2), None, silent)
    loading.check_fit(loaded)
    with pytest.raises(ValueError, match="tells 2 apart, and given tensors has label 2"):
        loading.check_fit(loading.load(network, (images, torch.arange(8) % 3), None, silent))
