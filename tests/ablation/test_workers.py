"""Workers do every job once, one thread each, and leave nothing behind."""

import itertools
import queue
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.small import Residual, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz.ablation.tails import workers_of
from carviz.ablation.workers import even_size, side_by_side
from carviz.car import prepare_car

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


def workers_now():
    return [t for t in threading.enumerate() if t.name == "carviz-worker"]


def threads_of_a_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_job_is_done_once_by_a_worker_of_one_thread(workers):
    done, told, where = [], [], set()

    def do(job):
        done.append(job)
        where.add((threading.current_thread().name, torch.get_num_threads()))
        return job

    here = threading.current_thread()
    side_by_side(
        range(20), do, workers=workers, context=nullcontext,
        tick=lambda n: told.append((n, threading.current_thread() is here)),
    )  # fmt: skip
    assert sorted(done) == list(range(20))
    assert sorted(n for n, _ in told) == list(range(20))
    assert all(mine for _, mine in told)
    assert where == ({("MainThread", 3)} if workers == 1 else {("carviz-worker", 1)})
    assert threads_of_a_new_thread() == 3


@pytest.mark.parametrize("in_tick", [False, True])
def test_what_is_raised_ends_the_work(in_tick):
    done = []

    def do(job):
        done.append(job)
        if job == 3 and not in_tick:
            raise torch.OutOfMemoryError("too large")
        return job

    def tick(job):
        if job == 3 and in_tick:
            raise torch.OutOfMemoryError("too large")

    with pytest.raises(torch.OutOfMemoryError, match="too large"):
        side_by_side(range(10**6), do, workers=2, context=nullcontext, tick=tick)
    assert len(done) < 10**5


class CutOff(queue.SimpleQueue):
    """Ctrl-C comes right behind one word: the last that is heard, or the first that is said."""

    words: list[str]

    def get(self):
        said = super().get()
        here = threading.current_thread().name != "carviz-worker"
        if said is None and here and "heard" in self.words:
            self.words.remove("heard")
            raise KeyboardInterrupt
        return said

    def put(self, word):
        super().put(word)
        if hasattr(word, "said") and "said" in self.words:
            self.words.remove("said")
            raise KeyboardInterrupt


@pytest.mark.parametrize("word", ["heard", "said"])
def test_an_interrupt_right_behind_a_word_ends_the_work_too(word, monkeypatch):
    monkeypatch.setattr(CutOff, "words", [word], raising=False)
    monkeypatch.setattr(queue, "SimpleQueue", CutOff)
    done, ended, again, before = [], [], [], set(workers_now())

    def work():
        jobs = range(8) if word == "heard" else itertools.count(1)
        with pytest.raises(KeyboardInterrupt):
            side_by_side(jobs, lambda job: done.append(job) or 1, workers=2, context=nullcontext)
        ended.append(len(done))
        time.sleep(0.02)  # nobody goes on
        ended.append(len(done))
        side_by_side(range(8), lambda job: again.append(job) or 1, workers=2, context=nullcontext)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    for worker in set(workers_now()) - before:
        worker.join(10)  # it goes with the thread
    assert CutOff.words == []
    assert ended[0] == ended[1]
    assert sorted(again) == list(range(8))


def test_workers_wait_for_the_next_work_and_go_with_the_thread_that_has_them():
    names, both = [], threading.Barrier(2)

    def do(_job):
        both.wait(10)  # each does one of two jobs
        names.append(threading.current_thread())
        return 1

    def work(workers):
        for _ in range(3):
            side_by_side(range(8), do, workers=workers, context=nullcontext)

    before = set(workers_now())
    thread = threading.Thread(target=work, args=(2,))
    thread.start()
    thread.join()
    assert len(set(names)) == 2
    for worker in set(names):
        worker.join(10)
    assert set(workers_now()) == before


def test_a_worker_s_modes_are_those_of_the_context():
    found = []
    side_by_side(
        range(4), lambda _job: found.append(torch.is_inference_mode_enabled()) or 1,
        workers=2, context=torch.inference_mode,
    )  # fmt: skip
    assert found == [True] * 4
    assert not torch.is_inference_mode_enabled()


@given(st.integers(1, 2000), st.integers(1, 300), st.integers(1, 8))
def test_batches_are_even(rows, size, workers):
    found = even_size(rows, size, workers)
    assert 1 <= found <= size
    batches = -(-rows // found)
    assert batches <= -(-rows // size) + workers  # hardly more than with the largest
    # No worker has more than one row of each of its batches more to do than another.
    shares = [len(part) for part in np.array_split(np.arange(batches), workers)]
    assert (max(shares) - min(shares)) <= 1


def test_numbers_are_those_of_one_thread():
    images, labels = random_images(70)
    tables = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        model = wake(Residual(), images)
        tables.append(carviz.measure_car(model, (images, labels), "first", progress=False))
    torch.set_num_threads(3)
    one, three = tables
    np.testing.assert_array_equal(one.predictions, three.predictions)
    np.testing.assert_allclose(one.log_prob_drop, three.log_prob_drop, atol=1e-5)


class Remembering(nn.Conv2d):
    """Keeps its input for its own next step: two threads would mix theirs up."""

    def forward(self, maps):
        self.kept = maps
        return super().forward(self.kept)


def test_a_tail_that_keeps_something_runs_in_one_thread():
    images, labels = random_images(12)

    def plan(last):
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), last, nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 5),
        )  # fmt: skip
        return prepare_car(wake(model, images), (images, labels), "0").plan

    assert workers_of(plan(nn.Conv2d(4, 4, 3)), CPU) == 3
    assert workers_of(plan(Remembering(4, 4, 3)), CPU) == 1
    assert workers_of(plan(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))), CPU) == 1
    assert workers_of(plan(nn.Conv2d(4, 4, 3)), torch.device("cuda")) == 1
