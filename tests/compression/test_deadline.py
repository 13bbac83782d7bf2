"""Code that does not come back is left in time, in any thread, and can be called off."""

import sys
import threading
import time

import pytest
import torch
from support.compression_judge import ablated_logits, awake, logits, relative
from support.compression_networks import Plain, example
from torch_pruning.dependency import graph as pruning_graph

from carviz.compression import compress
from carviz.compression.deadline import DeadlineError, deadline

HERE = "test_deadline"


def step() -> None:
    """Stand for a function of the package that does not come back."""


def for_ever() -> None:
    """Loop, and swallow what such code swallows."""
    while True:
        try:
            step()
        except Exception:
            continue


def nothing() -> None:
    """Want it still."""


def test_what_does_not_come_back_is_left_at_its_time():
    start = time.monotonic()
    with pytest.raises(DeadlineError), deadline(start + 0.2, nothing, HERE):
        for_ever()
    assert 0.2 <= time.monotonic() - start < 5
    assert sys.getprofile() is None


def test_it_is_left_in_another_thread_as_well():
    ended = []

    def work() -> None:
        try:
            with deadline(time.monotonic() + 0.1, nothing, HERE):
                for_ever()
        except DeadlineError:
            ended.append(sys.getprofile())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert ended == [None]


def test_what_is_raised_meanwhile_ends_it_and_comes_through():
    class Enough(BaseException):
        pass

    calls = []

    def still_wanted() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise Enough

    with pytest.raises(Enough), deadline(time.monotonic() + 60, still_wanted, HERE):
        for_ever()
    assert len(calls) == 3


def test_errors_of_its_own_and_an_outer_profiler_are_kept():
    def profiler(*_) -> None:
        pass

    sys.setprofile(profiler)
    try:
        with pytest.raises(IndexError), deadline(time.monotonic() + 60, nothing, HERE):
            [].pop()
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


@pytest.fixture
def endless(monkeypatch):
    """Let Torch-Pruning's grouping go round for ever."""

    def group(graph, module, *_rest):
        while True:
            graph.get_out_channels(module)

    monkeypatch.setattr(pruning_graph.DependencyGraph, "get_pruning_group", group)


@pytest.mark.usefixtures("endless")
def test_a_grouping_that_does_not_come_back_is_told_with_the_way_out():
    model, data = example(Plain)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"within 0\.3 seconds .* 'first'.*timeout=…"):
        compress(model, {"first": [1]}, data, timeout=0.3)
    assert time.monotonic() - start < 30
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.first.out_channels == 6


@pytest.mark.usefixtures("endless")
def test_it_can_be_cancelled_meanwhile():
    class CancelledError(Exception):
        pass

    shares = []

    def tell(share: float) -> None:
        shares.append(share)
        if shares.count(share) > 3:
            raise CancelledError

    model, data = example(Plain)
    with pytest.raises(CancelledError):
        compress(model, {"first": [1]}, data, progress=tell)
    assert shares == sorted(shares)


@pytest.mark.usefixtures("endless")
def test_ctrl_c_comes_through():
    import _thread

    model, data = example(Plain)
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        compress(model, {"first": [1]}, data, timeout=60)
    timer.join()


def test_progress_is_told_up_to_the_end():
    shares = []
    model, data = example(Plain)
    small = compress(model, {"first": [1]}, data, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    expected = ablated_logits(model, {"norm": [1]}, data[0])
    assert relative(logits(small, data[0]), expected) < 1e-6


@pytest.mark.parametrize("timeout", [0, -1, True, "soon", None, float("nan")])
def test_a_timeout_is_seconds(timeout):
    model, data = awake(Plain())
    with pytest.raises((TypeError, ValueError), match="timeout is a number of seconds"):
        compress(model, {"first": [1]}, data, timeout=timeout)
