"""Memory that runs out, arithmetic that was asked for, and settings put back."""

import numpy as np
import pytest
import torch
from support.small import Residual, random_images
from support.woken import wake

import carviz
from carviz.ablation.plan import GraphPlan
from carviz.evaluate import tf32

IMAGES, LABELS = random_images(70)


def model():
    return wake(Residual(), random_images()[0])


def measure(**options):
    return carviz.measure_car(
        model(), (IMAGES, LABELS), "first", progress=False, run=carviz.Run(**options)
    )


@pytest.mark.parametrize("most", [1, 5, 40])
def test_out_of_memory_goes_on_in_smaller_batches(monkeypatch, most):
    expected = measure()
    original, sizes = GraphPlan.tail, []

    def tail(self, values, batch, value=0):
        if batch.rows is not None and len(batch.rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch.channels))
        return original(self, values, batch, value)

    monkeypatch.setattr(GraphPlan, "tail", tail)
    shares = []
    table = carviz.measure_car(
        model(), (IMAGES, LABELS), "first", progress=shares.append, run=carviz.Run(batch_size=64)
    )
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    assert max(sizes) <= max(most, 4)  # the plan is tried on four images
    assert shares[-1] == 1
    assert max(shares) == 1


def test_out_of_memory_for_one_row_is_raised(monkeypatch):
    original = GraphPlan.tail

    def failing(self, values, batch, value=0):
        if batch.rows is not None:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, values, batch, value)

    monkeypatch.setattr(GraphPlan, "tail", failing)
    with pytest.raises(torch.OutOfMemoryError):
        measure()


def test_switches_are_put_back():
    before = torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")
    measure(precision="bf16")
    tables = carviz.iter_car(model(), (IMAGES, LABELS), "first", progress=False)
    next(tables)  # also while the iterator waits
    assert (torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")) == before


@pytest.mark.parametrize(("precision", "products"), [("float32", "highest"), ("tf32", "high")])
def test_matrix_products_are_as_precise_as_asked_for(monkeypatch, precision, products):
    monkeypatch.setattr(tf32, "_imitated", 1)
    original, seen = GraphPlan.tail, set()

    def tail(self, values, batch, value=0):
        if batch.rows is not None:
            seen.add(torch.get_float32_matmul_precision())
        return original(self, values, batch, value)

    monkeypatch.setattr(GraphPlan, "tail", tail)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        measure(precision=precision)
        # Close calls, and samples, run again in float32, so both are seen there.
        assert seen == {products, "highest"}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
