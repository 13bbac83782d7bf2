"""A job ends when told, keeps what failed, and leaves nothing to wait for."""

import threading

import pytest

from carviz.explorer.job import Cancelled, Job, Throttle
from carviz.explorer.words import time_left


def run(work):
    ended = []
    job = Job(work, ended.append)
    job.start()
    assert job.wait(10)
    assert ended == [job]
    return job


def test_it_runs_in_a_daemon_thread_of_its_own():
    seen = []
    job = run(lambda _: seen.append(threading.current_thread()))
    assert seen[0] is not threading.main_thread()
    assert seen[0].daemon
    assert job.error is None
    assert not job.stopped


def test_it_stops_at_the_next_step_after_cancel():
    steps, go = [], threading.Event()

    def work(job):
        for i in range(100):
            steps.append(i)
            if i == 3:
                job.cancel()
            job.check()

    job = run(work)
    assert steps == [0, 1, 2, 3]
    assert job.stopped
    assert job.error is None
    go.set()


def test_reading_data_cannot_swallow_a_cancel():
    def work(job):
        job.cancel()
        try:
            job.check()
        except Exception:
            pytest.fail("swallowed")

    assert run(work).stopped
    assert not issubclass(Cancelled, Exception)


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_fails_is_kept(error):
    def work(_):
        raise error

    job = run(work)
    assert job.error is error
    assert not job.stopped
    assert "raise error" in job.story


def test_a_failing_end_is_kept_too():
    def ended(_):
        raise RuntimeError("end")

    job = Job(lambda _: None, ended)
    job.start()
    assert job.wait(10)
    assert str(job.error) == "end"


def test_the_frames_of_what_failed_are_let_go():
    def work(_):
        large = [1, 2, 3]
        raise ValueError(len(large))

    traceback = run(work).error.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    assert "large" not in traceback.tb_frame.f_locals


def test_throttle():
    often, never = Throttle(0.0), Throttle(1e9)
    assert often.due()
    assert often.due()
    assert never.due()
    assert not never.due()


@pytest.mark.parametrize(
    ("seconds", "share", "words"),
    [
        (0.1, 0.5, ""), (10, 0.01, ""), (10, 1.0, ""), (10, 0.5, "about 10 s left"),
        (10, 0.95, "about 1 s left"), (60, 0.1, "about 9 min left"),
    ],
)  # fmt: skip
def test_time_left(seconds, share, words):
    assert time_left(seconds, share) == words
