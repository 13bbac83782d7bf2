"""Ctrl-C at any step leaves nothing behind: no patch, no switch, no handler, no lock."""

import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from math import sqrt

import pytest
import torch
from support.unchanged import State, unchanged
from torch import Tensor, nn
from torch.amp import autocast_mode
from torch.autograd import grad_mode
from torch.fx import _symbolic_trace

import carviz
from carviz import interrupts
from carviz.banks import open_network, tracing
from carviz.evaluate import (
    arithmetic,
    enable_grad,
    fork_rng,
    inference_mode,
    modes,
    no_grad,
    set_grad_enabled,
    shadow,
)
from carviz.interrupts import Hold, uninterrupted, whole

ARITHMETIC = sys.modules["carviz.evaluate.arithmetic"]
WATCHED = {
    module.__file__
    for module in (
        interrupts, tracing, ARITHMETIC, _symbolic_trace, contextlib, autocast_mode, signal,
        modes, grad_mode, torch.random,
    )
}  # fmt: skip
"""Where a line may be interrupted. Not the lines that say `with`: Python hears no signal between
the last step inside and the first of `__exit__`, though a line of its own stands for that."""


@pytest.fixture(autouse=True)
def _own_folder_of_temporary_files(monkeypatch, tmp_path):
    """Keep what other processes write meanwhile out of the comparison."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Small(nn.Module):
    """Its forward calls what torch.fx patches in the module that it is written in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.conv(images)) / sqrt(4)
        return self.last(maps.mean((2, 3)))


def trace_and_compute() -> None:
    """Enter and leave all that changes what the process shares."""
    tracing.trace(COPY)
    with arithmetic("tf32", "cpu"), arithmetic("float32", "cpu"):
        torch.zeros(1)
    with inference_mode(), enable_grad(), no_grad(), set_grad_enabled(True), fork_rng():
        torch.rand(1)


MODEL, IMAGES = Small().eval(), torch.zeros(2, 3, 8, 8)
COPY = shadow(MODEL)


def raise_twice() -> None:
    """Send SIGINT, and when it raised, again."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise


class Lines:
    """Counts the lines run in the files that are watched, and interrupts at one of them.

    `later` is after how many calls and returns another SIGINT comes, while the first one's
    exception finds its way out.
    """

    def __init__(self, at: int = -1, later: int = 0) -> None:
        self.at, self.later = at, later
        self.seen: list[tuple[str, int]] = []

    def __enter__(self) -> "Lines":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _call(self, frame, event, _arg):
        return self._line if frame.f_code.co_filename in WATCHED else None

    def _line(self, frame, event, _arg):
        if event == "line":
            self.seen.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.seen) - 1 == self.at:
                sys.setprofile(self._profile)
                raise_twice()
        return self._line

    def _profile(self, frame, event, _arg):
        if frame.f_code.co_filename in WATCHED and event in ("call", "return"):
            self.later -= 1
            if self.later == 0:
                sys.setprofile(None)
                with contextlib.suppress(KeyboardInterrupt):  # nothing is in force any more
                    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _nobody_computes():
    """Explorers of other tests may compute in their threads, in the same switches."""
    end = time.monotonic() + 60
    while busy := [
        thread.name for thread in threading.enumerate()
        # Workers wait for what the thread that has them gives them.
        if thread.name.startswith("carviz-") and thread.name != "carviz-worker"
    ]:  # fmt: skip
        assert time.monotonic() < end, busy
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("_nobody_computes")
def test_interrupted_at_every_line():
    for _ in range(3):  # what torch keeps from its first runs is kept
        with Lines():
            trace_and_compute()
    with Lines() as lines:
        trace_and_compute()
    first, last = {}, {}
    for place, line in enumerate(lines.seen):
        first.setdefault(line, place)
        if "carviz" in line[0]:
            last[line] = place
    places = sorted({*first.values(), *last.values()})
    assert len(places) > 200
    assert {line[0] for line in lines.seen} == WATCHED
    chance, before, own_sqrt = random.Random(0), State(MODEL, IMAGES), sqrt
    missed = 0
    for place in places:
        lines, came = Lines(place, later=chance.randint(1, 12)), False
        try:
            with lines:
                trace_and_compute()
        except KeyboardInterrupt:
            came = True
        if len(lines.seen) <= place:  # a run may be some lines shorter: less was left to look at
            missed += 1
            continue
        where = lines.seen[place]
        assert came, where
        assert before.differences(State(MODEL, IMAGES)) == [], where
        assert sqrt is own_sqrt, where
        assert not ARITHMETIC._INSIDE, where
        assert not ARITHMETIC._BEFORE, where
    assert missed < 10
    trace_and_compute()
    assert before.differences(State(MODEL, IMAGES)) == []


class Endless(nn.Module):
    """A forward that hangs before anything is recorded."""

    def forward(self, images: Tensor) -> Tensor:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(0.01)
        return images


@contextlib.contextmanager
def interrupted_after(seconds: float, times: int = 1):
    """Send SIGINT to the main thread from another thread."""

    def send() -> None:
        for _ in range(times):
            time.sleep(seconds)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends POSIX signals")
def test_a_long_trace_ends_at_the_first_interrupt():
    network = nn.Sequential(Endless(), nn.Conv2d(3, 4, 1))
    with unchanged(MODEL, IMAGES):
        begun = time.monotonic()
        with interrupted_after(0.2), pytest.raises(KeyboardInterrupt):
            open_network(network)
        assert time.monotonic() - begun < 10


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends POSIX signals")
def test_a_long_computation_ends_at_the_first_interrupt():
    with (
        unchanged(MODEL, IMAGES),
        interrupted_after(0.2),
        pytest.raises(KeyboardInterrupt),
        arithmetic("tf32", "cpu"),
    ):
        time.sleep(20)


@contextlib.contextmanager
def handled_by(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_the_users_own_hears_it_afterwards_and_is_put_back():
    heard = []

    def handler(number, _frame):
        heard.append(number)

    with handled_by(handler):
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert heard == []
        assert heard == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is handler
        with whole(contextlib.nullcontext):  # it raises nothing, so each goes through
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert len(heard) == 3
            with uninterrupted():
                signal.raise_signal(signal.SIGINT)
                assert len(heard) == 3
            assert len(heard) == 4
        assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_nothing_is_raised_in_python_nothing_is_touched(handler):
    with handled_by(handler), uninterrupted():
        assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_that_python_did_not_set_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("it could not be put back"))
    with arithmetic("float32", "cpu"), uninterrupted():
        pass


def test_a_handler_that_comes_meanwhile_stays():
    def handler(_number, _frame):
        pass

    own = signal.getsignal(signal.SIGINT)
    try:
        with uninterrupted():
            signal.signal(signal.SIGINT, handler)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, own)


def test_another_thread_holds_nothing():
    found = []

    def look() -> None:
        with uninterrupted(), arithmetic("float32", "cpu"):
            found.append(signal.getsignal(signal.SIGINT))

    own = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [own]


def test_a_hold_that_was_cut_off_holds_nothing():
    hold, own = Hold(), signal.getsignal(signal.SIGINT)
    hold.take()
    del hold
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) is own


def test_a_context_that_cannot_be_entered_holds_nothing():
    @contextlib.contextmanager
    def failing():
        raise ValueError("no")
        yield

    with unchanged(), pytest.raises(ValueError, match="no"), whole(failing):
        pass


def test_as_a_decorator_it_holds_in_each_call():
    @uninterrupted()
    def work(depth: int) -> int:
        signal.raise_signal(signal.SIGINT)
        return work(depth - 1) if depth else 7

    with unchanged(), pytest.raises(KeyboardInterrupt):
        work(3)


class CutOff(BaseException):
    """Raised where no SIGINT comes through: by an alarm's handler, for instance."""


def cut_off(*_args):
    raise CutOff


def test_patches_that_a_call_left_are_taken_back_by_the_next(monkeypatch):
    with unchanged(MODEL, IMAGES):
        own = nn.Module.__call__
        with monkeypatch.context() as patch:
            patch.setattr(_symbolic_trace._Patcher, "revert_all_patches", cut_off)
            patch.setattr(tracing._Patchable, "put_back", cut_off)
            with pytest.raises(CutOff):
                tracing.trace(COPY)
        assert nn.Module.__call__ is not own, "else this test tries nothing"
        tracing.trace(COPY)
        assert nn.Module.__call__ is own
        assert tracing._BEGUN == []


def test_switches_that_a_call_left_are_put_back_by_the_next(monkeypatch):
    with unchanged():
        own = torch.backends.cudnn.conv.fp32_precision
        with monkeypatch.context() as patch:
            patch.setattr(ARITHMETIC._Switches, "put_back", cut_off)
            with pytest.raises(CutOff), arithmetic("float32", "cpu"):
                pass
        assert torch.backends.cudnn.conv.fp32_precision != own, "else this test tries nothing"
        with arithmetic("bf16", "cpu"):
            pass
        assert torch.backends.cudnn.conv.fp32_precision == own


def test_a_measurement_that_was_interrupted_leaves_all_as_it_was():
    data = (torch.randn(40, 3, 8, 8), torch.randint(0, 5, (40,)))

    def interrupt(_share: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with unchanged(MODEL, IMAGES), pytest.raises(KeyboardInterrupt):
        carviz.measure_car(MODEL, data, "conv", progress=interrupt)
