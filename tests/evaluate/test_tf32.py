"""TF32 on a CPU: what goes into a product is rounded, sums are not, and only where it is asked."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from carviz.evaluate import arithmetic, imitated_tf32, inference_mode, is_coarser
from carviz.evaluate.tf32 import round_to_tf32

G = torch.Generator().manual_seed(3)
A, B = torch.randn(4, 5, 6, generator=G), torch.randn(4, 6, 3, generator=G)
IMAGES, KERNEL = torch.randn(2, 3, 8, 8, generator=G), torch.randn(4, 3, 3, 3, generator=G)
BIAS = torch.randn(4, generator=G)


def test_numbers_are_rounded_to_ten_bits_and_halves_to_even():
    numbers = torch.randn(1000, generator=G) * 10.0 ** torch.arange(-30, 20, 0.05)
    exact = numbers.double().numpy()
    step = 2.0 ** (np.floor(np.log2(np.abs(exact))) - 10)
    np.testing.assert_array_equal(round_to_tf32(numbers).numpy(), np.round(exact / step) * step)


def test_what_is_no_number_stays():
    odd = torch.tensor([torch.inf, -torch.inf, 0.0, -0.0])
    assert torch.equal(round_to_tf32(odd), odd)
    mantissa = torch.tensor([0x7FFFFFFF, -1], dtype=torch.int32).view(torch.float32)
    assert round_to_tf32(mantissa).isnan().all()


PRODUCTS = {
    "convolution": lambda f: functional.conv2d(f(IMAGES), f(KERNEL), BIAS, padding=1),
    "module": lambda f: functional.conv2d(f(IMAGES[:, :, ::2]), f(KERNEL), None, stride=2),
    "linear": lambda f: functional.linear(f(A), f(B[0].t()), BIAS[:3]),
    "matmul": lambda f: f(A) @ f(B),
    "mm": lambda f: torch.mm(f(A[0]), f(B[0])),
    "mv": lambda f: torch.mv(f(A[0]), f(B[0, :, 0])),
    "addmm": lambda f: torch.addmm(A[0, :, :3], f(A[0]), f(B[0]), alpha=-1),
    "addmm_": lambda f: A[0, :, :3].clone().addmm_(f(A[0]), f(B[0]), alpha=-1),
    "addmm out": lambda f: torch.addmm(
        A[0, :, :3], f(A[0]), f(B[0]), out=torch.empty(5, 3)
    ),
    "baddbmm": lambda f: torch.baddbmm(A[:, :, :3], f(A), f(B), beta=0.5),
    "einsum": lambda f: torch.einsum("bij,bjk->bik", f(A), f(B)),
}  # fmt: skip


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("inference", [True, False])
def test_products_take_rounded_numbers_and_nothing_else_does(product, inference):
    compute = PRODUCTS[product]
    with torch.inference_mode(inference):
        expected, exact = compute(round_to_tf32), compute(lambda x: x)
        assert not torch.equal(expected, exact), "else this test tries nothing"
        with imitated_tf32(), arithmetic("tf32", "cpu"):
            assert torch.equal(compute(lambda x: x), expected)
            with arithmetic("float32", "cpu"):
                assert torch.equal(compute(lambda x: x), exact)
            assert torch.equal(compute(lambda x: x), expected)
        with arithmetic("tf32", "cpu"):
            assert torch.equal(compute(lambda x: x), exact), "a CPU's TF32 is float32"


def test_other_threads_and_other_types_are_left_alone():
    found = []
    with imitated_tf32(), arithmetic("tf32", "cpu"):
        thread = threading.Thread(target=lambda: found.append(A @ B))
        thread.start()
        thread.join()
        assert torch.equal(A.double() @ B.double(), PRODUCTS["matmul"](torch.Tensor.double))
    assert torch.equal(found[0], A @ B)


def test_networks_are_off_by_about_a_thousandth():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5)).eval()
    with inference_mode():
        exact = network(IMAGES)
        with imitated_tf32(), arithmetic("tf32", "cpu"):
            off = (network(IMAGES) - exact).abs().max() / exact.abs().max()
    assert 1e-5 < off < 3e-3


def test_what_is_coarser_than_float32():
    assert [is_coarser(p, "cpu") for p in ("float32", "tf32", "bf16")] == [False, False, True]
    assert [is_coarser(p, "cuda") for p in ("float32", "tf32", "bf16")] == [False, True, True]
    with imitated_tf32():
        assert is_coarser("tf32", "cpu")
        assert not is_coarser("float32", "cpu")
    assert not is_coarser("tf32", "cpu")
