"""One thread: a job ends when told and keeps what failed; steps get at most half of its time."""

import threading
import time

import pytest

from carviz.session.home import Cancelled
from carviz.session.status import TimeLeft
from carviz.session.worker import Job, Throttle, Worker


def no_steps(_beside_job):
    return None


def run(work):
    ended = []
    job, worker = Job(work, ended.append), Worker(no_steps)
    worker.put(job)
    assert job.wait(10)
    assert ended == [job]
    assert worker.join(10)
    return job


class Steps:
    """Steps of so many seconds each, some of them beside a job only when that is allowed."""

    def __init__(self, seconds=0.0, count=10**9):
        self.seconds, self.left, self.done = seconds, count, []

    def __call__(self, beside_job):
        if not self.left:
            return None

        def step():
            self.left -= 1
            self.done.append(beside_job)
            time.sleep(self.seconds)

        return step


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
    job.run()
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


def test_jobs_take_turns_and_one_that_was_cancelled_before_does_nothing():
    worker, order = Worker(no_steps), []
    go = threading.Event()
    jobs = [Job(lambda _: (go.wait(10), order.append(0)), lambda _: None)]
    jobs += [Job(lambda _, n=n: order.append(n), lambda _: None) for n in (1, 2, 3)]
    for job in jobs:
        worker.put(job)
    jobs[2].cancel()
    go.set()
    assert all(job.wait(10) for job in jobs)
    assert order == [0, 1, 3]
    assert [job.stopped for job in jobs] == [False, False, True, False]


def test_steps_are_done_while_there_is_no_job_and_then_the_thread_ends():
    steps = Steps(count=5)
    worker = Worker(steps)
    worker.wake()
    assert worker.join(10)
    assert steps.done == [False] * 5
    worker.wake()
    assert worker.join(10)
    assert len(steps.done) == 5


def test_steps_get_half_of_a_job_s_time_at_most():
    steps, worked = Steps(0.004), []
    worker = Worker(steps)

    def work(job):
        for _ in range(20):
            start = time.monotonic()
            time.sleep(0.01)
            worked.append(time.monotonic() - start)
            job.step()

    job = Job(work, lambda _: worker.close())
    worker.put(job)
    assert job.wait(20)
    assert worker.join(10)
    beside = sum(steps.done)
    assert beside > 5, "else pictures wait for the whole job"
    assert 0.004 * beside <= 1.1 * sum(worked) + 0.01, "as much as the job itself, and one step"


def test_steps_are_not_done_where_a_job_only_checks():
    steps = Steps()
    worker = Worker(steps)

    def work(job):
        for _ in range(5):
            time.sleep(0.002)
            job.check()
        worker.close()

    job = Job(work, lambda _: None)
    worker.put(job)
    assert job.wait(10)
    assert not any(steps.done)


def test_a_job_that_comes_goes_before_the_next_step():
    steps = Steps(0.001)
    worker, found = Worker(steps), []
    worker.wake()
    while len(steps.done) < 3:
        time.sleep(0.001)
    before = len(steps.done)
    job = Job(lambda _: found.append(len(steps.done)), lambda _: worker.close())
    worker.put(job)
    assert job.wait(10)
    assert found[0] - before <= 3
    assert worker.join(10)


def test_what_is_asked_aside_is_done_by_the_thread_and_brings_back_what_it_found():
    worker = Worker(no_steps)
    assert worker.do(lambda: threading.current_thread().name) == "carviz-session"
    with pytest.raises(ValueError, match="bad"):
        worker.do(lambda: int("bad"))
    assert worker.do(lambda: worker.do(lambda: 3)) == 3, "asked by the thread itself"
    worker.close()
    assert worker.do(lambda: threading.current_thread()) is threading.current_thread()


def test_what_is_asked_aside_does_not_wait_for_the_end_of_a_job():
    worker, over = Worker(no_steps), threading.Event()

    def work(job):
        while not over.is_set():
            time.sleep(0.001)
            job.step()

    job = Job(work, lambda _: None)
    worker.put(job)
    assert worker.do(lambda: 5) == 5
    assert not job.wait(0)
    over.set()
    assert job.wait(10)


def test_who_asks_at_home_serves_it_meanwhile():
    worker = Worker(no_steps)
    job = Job(lambda job: worker.home.run(threading.current_thread, job.check), lambda _: None)
    worker.put(job)
    assert worker.do(lambda: 7) == 7, "else each waits for the other"
    assert job.wait(10)
    assert job.error is None


def test_a_step_that_raises_ends_the_thread_and_not_the_worker():
    def broken(_beside_job):
        return lambda: 1 / 0

    worker, told = Worker(broken), []
    hook, threading.excepthook = threading.excepthook, lambda args: told.append(args.exc_type)
    try:
        worker.wake()
        assert worker.join(10)
    finally:
        threading.excepthook = hook
    job = Job(lambda _: None, lambda _: worker.close())
    worker.put(job)
    assert job.wait(10)
    assert told == [ZeroDivisionError]


def test_throttle():
    often, never = Throttle(0.0), Throttle(1e9)
    assert often.due()
    assert often.due()
    assert never.due()
    assert not never.due()


def test_a_throttle_lets_so_many_through_in_any_pause(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("carviz.session.worker.time.monotonic", lambda: now[0])
    throttle, when = Throttle(1.0, 10), []
    for step in range(200):
        now[0] = step / 30
        if throttle.due():
            when.append(now[0])
    assert all(sum(t <= other < t + 0.999 for other in when) <= 10 for t in when)
    assert when[9] < 0.4, "at once, where there was nothing before"
    assert len(when) > 60


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([(5, 0.5)], ""),  # since when?
        ([(3, 0.0), (5, 0.1), (5.5, 0.3)], ""),
        ([(3, 0.1), (13, 0.55)], "about 10 s left"),  # preparing took three
        ([(0, 0.1), (10, 0.99)], "about 1 s left"),
        ([(0, 0.1), (60, 0.2)], "about 8 min left"),
        ([(0, 0.1), (10, 0.55), (10.1, 0.7)], "about 9 s left"),  # it does not jump
        ([(0, 0.1), (10, 1.0)], ""),
    ],
)
def test_time_left(told, words):
    left = TimeLeft()
    assert [left(*one) for one in told][-1] == words
