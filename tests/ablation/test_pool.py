"""The same table whatever the workers, also when some are lost."""

import copyreg
import dataclasses
import os
import pickle
import signal
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from support.small import Stubborn, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz.ablation import Work, pool
from carviz.car import prepare_car

IMAGES, LABELS = random_images(600, classes=5)


def model():
    """A network of torch's own layers, which any process can unpickle."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5),
    )  # fmt: skip
    return wake(network, random_images()[0])


def measure(executor=None, **options):
    return carviz.measure_car(
        model(), (IMAGES, LABELS), "0", progress=False, run=carviz.Run(executor=executor, **options)
    )


@pytest.fixture(scope="module")
def expected():
    return measure()


def assert_same(table, expected):
    """Equal facts; log p to the last bits, which depend on the number of threads."""
    assert table.complete
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    np.testing.assert_array_equal(table.baseline, expected.baseline)
    np.testing.assert_allclose(table.log_prob_drop, expected.log_prob_drop, atol=1e-6)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads(expected, workers):
    with ThreadPoolExecutor(workers) as executor:
        assert measure(executor) == expected


class Remembering(nn.Conv2d):
    """Keeps its input for its own next step: two threads would mix theirs up."""

    def forward(self, maps):
        self.kept = maps.clone()
        time.sleep(1e-3)  # time for another thread to come in
        return super().forward(self.kept)


def remembering():
    return nn.Sequential(
        Remembering(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:carviz. torch.fx could not")
@pytest.mark.parametrize(("network", "layer"), [(Stubborn, "conv"), (remembering, "2")])
def test_threads_take_turns_with_a_model_that_holds_something_while_it_runs(network, layer):
    """Hooks are on the one model, in every thread; what a layer keeps is the one layer's."""
    network = wake(network(), random_images()[0])

    def measure(executor=None):
        run = carviz.Run(executor=executor, batch_size=16)
        return carviz.measure_car(network, (IMAGES, LABELS), layer, progress=False, run=run)

    with ThreadPoolExecutor(3) as executor:
        assert_same(measure(executor), measure())


def test_spawned_processes(expected, tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert_same(measure(executor, checkpoint=tmp_path), expected)
    assert len(list((tmp_path / "0").glob("chunk-*.npz"))) == 5


class Reversed(Executor):
    """Finishes what it is given in the opposite order."""

    _max_workers = 3

    def __init__(self):
        self.waiting = []

    def submit(self, function, *arguments):
        future = Future()
        self.waiting.append((future, function, arguments))
        if len(self.waiting) == 5:
            for waiting, f, a in reversed(self.waiting):
                waiting.set_result(f(*a))
        elif len(self.waiting) > 5:  # again, with the plan
            future.set_result(function(*arguments))
        return future


def test_chunks_may_come_in_any_order(expected):
    seen = []
    run = carviz.Run(executor=Reversed())
    for table in carviz.iter_car(model(), (IMAGES, LABELS), "0", progress=seen.append, run=run):
        last = table
    assert last == expected
    assert seen == sorted(seen)


class Forgetful(Executor):
    """Each chunk meets a worker that has just started; counts the plans it is sent."""

    _max_workers = 2

    def __init__(self, forgets):
        self.plans, self.forgets = 0, forgets

    def submit(self, function, name, work, chunk):
        if self.forgets:
            pool._kept.clear()
        self.plans += work is not None
        future = Future()
        future.set_result(function(name, work, chunk))
        return future


@pytest.mark.parametrize(("forgets", "plans"), [(False, 2), (True, 5)])
def test_a_worker_is_sent_the_plan_once(expected, forgets, plans):
    executor = Forgetful(forgets)
    assert measure(executor) == expected
    assert executor.plans == plans
    assert not pool._kept  # nothing of the model stays behind


class Packing(Executor):
    """Workers behind a wire that start anew for each chunk; they are sent pickles, as processes."""

    _max_workers = 3

    def submit(self, function, name, parcel, chunk):
        pool._kept.clear()
        sent = pickle.loads(pickle.dumps((function, name, parcel, chunk)))
        future = Future()
        future.set_result(sent[0](*sent[1:]))
        return future


def test_a_plan_is_packed_once_for_all_workers(expected, monkeypatch):
    packed = []

    def counted(work):
        packed.append(type(work))
        return Work.__reduce_ex__(work, 4)

    monkeypatch.setitem(copyreg.dispatch_table, Work, counted)
    with ThreadPoolExecutor(2) as executor:
        assert measure(executor) == expected
    assert packed == []  # threads take it as it is
    assert_same(measure(Packing()), expected)
    assert packed == [Work]


def test_many_threads_pack_a_plan_once(monkeypatch):
    work, packed = prepare_car(model(), (IMAGES, LABELS), "0").work(), []

    def slow(value):
        packed.append(value)
        time.sleep(0.05)
        return Work.__reduce_ex__(value, 4)

    monkeypatch.setitem(copyreg.dispatch_table, Work, slow)
    parcel = pool.Parcel((work,))
    with ThreadPoolExecutor(6) as executor:
        sent = set(executor.map(pickle.dumps, [parcel] * 6))
    assert (len(sent), packed) == (1, [work])


def test_a_plan_is_opened_by_the_worker_alone():
    """What passes it on, a scheduler for instance, must not trace its graph again."""
    work = prepare_car(model(), (IMAGES, LABELS), "0").work()
    parcel = pool.Parcel((work,))
    assert parcel.open() == (work,)  # nothing is packed for a thread of this process
    arrived = pickle.loads(pickle.dumps(parcel))
    assert arrived._works is None
    chunk = pool.Chunk(0, [0, 1], IMAGES[:2], LABELS[:2])
    facts, expected = arrived.open()[0].run(chunk), work.run(chunk)
    np.testing.assert_array_equal(facts.predictions, expected.predictions)
    assert arrived.open() is arrived.open()


class Failing(Executor):
    """A pool whose workers fail: at some chunks, or for good."""

    def __init__(self, fails_at, broken_after=99, error=None):
        self.count = 0
        self.fails_at, self.broken_after = fails_at, broken_after
        self.error = error or RuntimeError("the pool is broken")

    def submit(self, function, *arguments):
        self.count += 1
        if self.count > self.broken_after:
            raise self.error
        future = Future()
        if self.count in self.fails_at:
            future.set_exception(OSError("worker lost"))
        else:
            future.set_result(function(*arguments))
        return future


LOST = [
    Failing({2, 3}),
    Failing(set(), 2),
    Failing({1}, 1),
    Failing(set(), 1, OSError("no process more")),
    Failing(set(), 0, TypeError("submit takes other arguments")),
]


@pytest.mark.parametrize("executor", LOST)
def test_what_a_lost_worker_leaves_is_finished_here(expected, executor):
    with pytest.warns(UserWarning, match="measured in this process"):
        assert measure(executor) == expected


class Answering(Executor):
    """A pool of one, of which the second chunk's future is made by `spoil` from the facts."""

    _max_workers = 1

    def __init__(self, spoil):
        self.count, self.spoil = 0, spoil

    def submit(self, function, *arguments):
        self.count += 1
        facts = function(*arguments)
        if self.count == 2:
            return self.spoil(facts)
        future = Future()
        future.set_result(facts)
        return future


def cancelled(_facts):
    future = Future()
    assert future.cancel()
    future.set_running_or_notify_cancel()
    return future


def raising(error):
    def spoil(_facts):
        future = Future()
        future.set_exception(error)
        return future

    return spoil


def answered(change):
    def spoil(facts):
        future = Future()
        future.set_result(change(facts))
        return future

    return spoil


def changed(**arrays):
    """Return facts in which arrays are otherwise."""
    return answered(
        lambda facts: dataclasses.replace(
            facts, **{name: change(getattr(facts, name)) for name, change in arrays.items()}
        )
    )


SPOILED = {
    "cancelled": cancelled,
    "an error": raising(OSError("worker lost")),
    "an error of the worker's own that looks like the data's": raising(ValueError("protocol 9")),
    "an interrupt": raising(KeyboardInterrupt()),
    "no future": lambda facts: facts,
    "a number": answered(lambda _: 7),
    "a list": answered(lambda facts: [facts.targets, facts.baseline]),
    "an array that is a list": changed(baseline=list),
    "numbers with a point": changed(predictions=lambda a: a + 0.5),
    "whole falls": changed(drop=lambda a: a.astype(int)),
    "too few images": changed(predictions=lambda a: a[:, :-1]),
    "too many filters": changed(drop=lambda a: np.concatenate([a, a])),
    "turned": changed(predictions=lambda a: a.T),
    "other images": changed(targets=lambda a: (a + 1) % 5),
    "no class": changed(predictions=lambda a: a + 5),
    "a negative class": changed(baseline=lambda a: a - 5),
    "a fall that is no number": changed(drop=lambda a: np.full_like(a, np.nan)),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_no_answer_is_measured_here(expected, spoil):
    with pytest.warns(UserWarning, match="a worker failed .* measured in this process") as told:
        assert measure(Answering(spoil)) == expected
    assert len(told) == 1


class Deaf(Executor):
    """Workers that ask for the plan again and again."""

    _max_workers = 2

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(None)
        return future


def test_workers_that_never_take_the_plan_are_done_without(expected):
    with pytest.warns(UserWarning, match="gave a NoneType"):
        assert measure(Deaf()) == expected


def test_a_wrong_answer_of_the_right_form_is_found():
    """Those that are measured again are few: here every answer of a chunk is wrong."""
    swap = changed(predictions=lambda a: (a + 1) % 5)
    executor = Answering(swap)
    executor.count = 1  # the first chunk
    with pytest.raises(ValueError, match="A worker"):
        measure(executor)


def test_a_broken_pool_of_processes_is_finished_here(expected):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        executor.submit(os._exit, 1)
        with pytest.warns(UserWarning, match="measured in this process"):
            assert measure(executor) == expected


def test_what_is_wrong_with_the_data_is_raised():
    bad = IMAGES.clone()
    bad[400] *= 1e38
    with ThreadPoolExecutor(2) as executor, pytest.raises(ValueError, match="image 400"):
        carviz.measure_car(
            model(), (bad, LABELS), "0", progress=False, run=carviz.Run(executor=executor)
        )


@pytest.mark.slow
def test_dask_with_a_worker_killed_in_mid_run(expected):
    distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert_same(measure(client.get_executor()), expected)
        tables = carviz.iter_car(
            model(), (IMAGES, LABELS), "0", progress=False,
            run=carviz.Run(executor=client.get_executor()),
        )  # fmt: skip
        next(tables)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        *_, table = tables
        assert_same(table, expected)
