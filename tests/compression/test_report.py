"""The report of what a smaller network saves."""

import copy

import pytest
import torch
from support.compression_networks import Plain, example

from carviz.compression import compress, measure_compression


def test_counts_are_those_worked_out_by_hand():
    model, data = example(Plain)
    small = compress(model, {"first": [0, 1], "third": [3]}, data)
    state = copy.deepcopy(model.state_dict())
    report = measure_compression(model, small, data, batch_size=5, runs=3)

    def count(first: int, third: int) -> tuple[int, int]:
        places = {"first": 144, "second": 9, "third": 9}
        adds = 27 * first * places["first"] + 9 * first * 5 * places["second"]
        adds += 5 * third * places["third"] + 9 * third * 8 + 8 * 5
        weights = 27 * first + 2 * first + (9 * first * 5 + 5) + (5 * third + third)
        return adds, weights + (9 * third * 8 + 8) + (8 * 5 + 5)

    for cost, sizes in ((report.before, (6, 7)), (report.after, (4, 6))):
        adds, weights = count(*sizes)
        assert cost.multiply_adds == adds
        assert cost.parameters == weights
        # BatchNorm keeps a mean and a variance for each filter, and counts batches.
        assert cost.bytes == 4 * (weights + 2 * sizes[0]) + 8
        assert cost.latency > 0
    assert (report.batch_size, report.runs, report.device) == (5, 3, "cpu")
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_it_prints_and_makes_a_table():
    model, data = example(Plain)
    report = measure_compression(model, compress(model, {"third": [0]}, data), data, runs=2)
    text = str(report)
    assert "multiply-adds an image" in text
    assert f"{report.after.parameters:,}" in text
    assert "latency, 12 images" in text
    assert "median of 2 runs on cpu" in text
    assert len({len(line) for line in text.splitlines()[:5]}) == 1
    frame = report.to_frame()
    assert list(frame.columns) == ["before", "after", "left"]
    assert frame.loc["parameters", "left"] == report.after.parameters / report.before.parameters


def test_latency_is_the_median_of_networks_that_take_turns(monkeypatch):
    from carviz.compression import report as room

    clock = iter(range(10**6))
    monkeypatch.setattr(room.time, "perf_counter", lambda: next(clock) * 0.5)
    model, data = example(Plain)
    order = []
    twins = [copy.deepcopy(model) for _ in range(2)]

    def named(name):
        class Telling(Plain):
            def forward(self, images):
                order.append(name)
                return super().forward(images)

        return Telling

    for name, twin in zip("ab", twins, strict=True):
        twin.__class__ = named(name)
    report = measure_compression(*twins, data, runs=4)
    assert report.before.latency == report.after.latency == 0.5
    assert "".join(order[:12]) == "ab" * 6


@pytest.mark.parametrize("argument", ["runs", "batch_size"])
def test_numbers_are_checked(argument):
    model, data = example(Plain)
    for value, error in ((0, ValueError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error, match=argument):
            measure_compression(model, model, data, **{argument: value})
