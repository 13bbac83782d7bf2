"""The slow reference: the whole network run once per filter. It judges the engine.

Nothing here imports carviz, and the place where a channel becomes zero is given by name, so that
both the engine's arithmetic and its finding of units (a convolution alone, or with its own
BatchNorm) are judged by code that shares nothing with them.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-4
"""How far from the reference is still float32's rounding, as a share of the logits' scale.

One number for both halves of `agree`. Two logits that are each off by less than half of it cannot
change places when they differ by more than all of it; and if every logit is off by less than half
of it, a log-probability is off by less than all of it, whatever the number of classes. The scale
is the largest absolute logit of the image.

tests/test_reference.py holds the rounding of every network of the table, measured against float64,
below a third of it, and what an ablation does to its worst image above fifty times it.
"""


def baseline(model: nn.Module, images: Tensor, *, batch_size: int = 16) -> Tensor:
    """Logits of the network with nothing ablated.

    Returns
    -------
    Tensor
        Shape (image, class), on the CPU.
    """
    return _logits(_evaluating(model), images, batch_size)


def reference_logits(
    model: nn.Module,
    images: Tensor,
    site: str,
    filters: Sequence[int],
    *,
    batch_size: int = 16,
) -> Tensor:
    """Logits of the network with one channel zeroed, for one filter after another.

    Parameters
    ----------
    model
        The network. It is copied, never touched.
    images
        Shape (image, channel, height, width).
    site
        Name of the module at whose output the channel is zeroed: the convolution itself, or its
        own BatchNorm.
    filters
        Numbers of the channels.

    Returns
    -------
    Tensor
        Shape (filter, image, class), on the CPU.
    """
    network = _evaluating(model)
    module = network.get_submodule(site)
    rows = []
    for number in filters:
        hook = module.register_forward_hook(_Zero(number))
        try:
            rows.append(_logits(network, images, batch_size))
        finally:
            hook.remove()
    return torch.stack(rows)


class _Zero:
    """Forward hook that answers with a copy of the output in which one channel is zero."""

    def __init__(self, channel: int) -> None:
        self.channel = channel

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        # Negative numbers would silently mean channels counted from the end.
        if not 0 <= self.channel < output.shape[1]:
            raise IndexError(f"channel {self.channel} of {output.shape[1]}")
        # A new tensor: the module may return what somebody else still reads (an identity does), and
        # an in-place ReLU after it then writes into the copy.
        zeroed = output.clone()
        zeroed[:, self.channel] = 0
        return zeroed


def _evaluating(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).eval()


def _logits(network: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    where = next(network.parameters())
    # float32 means float32: on a GPU, cuDNN rounds to TF32 unless told otherwise.
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
    ):
        parts = [network(batch.to(where.device, where.dtype)) for batch in images.split(batch_size)]
        return torch.cat(parts).cpu()


def own_log_probs(logits: Tensor, targets: Any) -> Tensor:
    """Log-probability of every image's own label; the last two axes are (image, class)."""
    targets = torch.as_tensor(targets).long()
    # In float64, so that softmax adds no rounding of its own to that of the logits.
    log_probs = logits.double().log_softmax(-1)
    return log_probs[..., torch.arange(len(targets)), targets]


def agree(
    reference: Tensor,
    predictions: Any,
    log_probs: Any,
    targets: Any,
    *,
    filters: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> None:
    """Assert that what was computed is what the reference computed.

    Parameters
    ----------
    reference
        Logits, (filter, image, class).
    predictions
        Predicted classes, (filter, image). Judged on every image whose two best reference logits
        differ by more than `tolerance` of their scale, the largest absolute logit of that image.
    log_probs
        Log-probability of each image's own label, (filter, image). Judged on every image, to
        `tolerance` of the same scale.
    targets
        Labels, (image,).
    filters
        Numbers of the filters, for the message alone.
    tolerance
        For what was computed in another precision than float32.
    """
    reference = torch.as_tensor(reference).double()
    predictions = torch.as_tensor(predictions)
    log_probs = torch.as_tensor(log_probs).double()
    assert reference.ndim == 3, f"reference logits are {tuple(reference.shape)}"
    assert torch.isfinite(reference).all(), "the reference itself is not finite"
    shape = tuple(reference.shape[:2])
    assert tuple(predictions.shape) == shape, f"predictions {tuple(predictions.shape)}, not {shape}"
    assert tuple(log_probs.shape) == shape, f"log_probs {tuple(log_probs.shape)}, not {shape}"
    labels = tuple(torch.as_tensor(targets).shape)
    assert labels == shape[1:], f"targets {labels}, not {shape[1:]}"
    names = list(range(shape[0])) if filters is None else list(filters)
    assert len(names) == shape[0], f"{len(names)} filter numbers for {shape[0]} rows"

    best = reference.topk(2, dim=-1)
    gap = best.values[..., 0] - best.values[..., 1]
    scale = reference.abs().amax(-1)
    expected = best.indices[..., 0]
    wrong = (predictions != expected) & (gap > tolerance * scale)
    assert not wrong.any(), _first(
        wrong,
        names,
        "predictions",
        lambda f, m: (
            f"predicted {int(predictions[f, m])}, reference {int(expected[f, m])}, "
            f"which leads by {gap[f, m]:.3g} at scale {scale[f, m]:.3g}"
        ),
    )

    own = own_log_probs(reference, targets)
    # Written so that NaN counts as off. An image whose logits are all 0 has no scale of its own;
    # its log-probability, -log(classes), still carries float32's rounding.
    bound = tolerance * torch.maximum(scale, own.abs())
    off = ~((log_probs - own).abs() <= bound)
    assert not off.any(), _first(
        off,
        names,
        "log-probabilities",
        lambda f, m: (
            f"{log_probs[f, m]:.8g}, reference {own[f, m]:.8g}, "
            f"difference {log_probs[f, m] - own[f, m]:.3g}, allowed {bound[f, m]:.3g}"
        ),
    )


def _first(bad: Tensor, names: Sequence[int], what: str, describe: Any) -> str:
    row, image = (int(i) for i in bad.nonzero()[0])
    return (
        f"{int(bad.sum())} of {bad.numel()} {what} disagree with the reference, "
        f"in filters {[names[int(f)] for f in bad.any(1).nonzero().flatten()]}; the first: "
        f"filter {names[row]}, image {image}: {describe(row, image)}"
    )
