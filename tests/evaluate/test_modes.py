"""torch's modes, entered and left wholly, are torch's modes."""

import pytest
import torch

from carviz.evaluate import enable_grad, fork_rng, inference_mode, no_grad, set_grad_enabled


def now():
    return torch.is_inference_mode_enabled(), torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("own", "of_torch"),
    [
        (inference_mode, torch.inference_mode),
        (lambda: inference_mode(False), lambda: torch.inference_mode(False)),
        (no_grad, torch.no_grad),
        (enable_grad, torch.enable_grad),
        (lambda: set_grad_enabled(False), lambda: torch.set_grad_enabled(False)),
        (lambda: set_grad_enabled(True), lambda: torch.set_grad_enabled(True)),
    ],
)
@pytest.mark.parametrize("outside", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_each_does_what_torchs_does_and_is_left(own, of_torch, outside):
    with outside():
        before = now()
        with of_torch():
            expected = now()
        with own():
            assert now() == expected
        with pytest.raises(ZeroDivisionError), own():
            raise ZeroDivisionError
        assert now() == before

        @own()
        def found(depth):
            return now() if depth == 0 else found(depth - 1)

        assert found(3) == expected
        assert now() == before


def test_what_is_drawn_inside_leaves_the_random_state():
    before = torch.get_rng_state()
    with fork_rng():
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
