"""What training a bundled network takes, whichever it is: the loop, and the way into a file.

Batch normalisation speeds training up, but a reader of a network without it has one thing less to
understand: `with_batch_norm` puts it in, `without_batch_norm` folds it into the convolutions before
the network is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_eval

from carviz.results import write_whole

Normalize = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of the three channels, for RGB values in [0, 1]."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    epochs, batch_size
        Passes through the images, and images a step.
    peak_rate, weight_decay
        AdamW's; the rate rises to its peak and falls to nearly 0 (one cycle).
    seed
        Of the order of the images, of dropout and of flips.
    """

    epochs: int
    batch_size: int = 128
    peak_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 0


def with_batch_norm(features: nn.Sequential, *, first: int = 0) -> None:
    """Follow each convolution by a batch normalisation, in place, from module `first` on.

    Every pair takes the convolution's place in the sequence, so that the names of the others stay.
    """
    for index, module in enumerate(features):
        if index >= first and isinstance(module, nn.Conv2d):
            features[index] = nn.Sequential(module, nn.BatchNorm2d(module.out_channels))


def without_batch_norm(features: nn.Sequential) -> None:
    """Fold every batch normalisation of `with_batch_norm` into its convolution, in place."""
    for index, module in enumerate(features):
        if isinstance(module, nn.Sequential):
            convolution, norm = module.eval()
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            features[index] = fuse_conv_bn_eval(convolution, norm)


def train(
    network: nn.Module,
    pictures: Tensor,
    targets: Tensor,
    schedule: Schedule,
    *,
    normalize: Normalize,
    penalty: Callable[[], Tensor] | None = None,
    report: Callable[[str], None] = print,
) -> nn.Module:
    """Train `network`, in place.

    Parameters
    ----------
    pictures
        RGB, eight bits a channel, (image, 3, height, width): a quarter of the memory of floats.
        About half of them are mirrored, anew in every epoch.
    targets
        Labels, int64, (image,).
    normalize
        Mean and standard deviation, three floats each, for RGB values in [0, 1].
    penalty
        What to add to the loss in each step.
    report
        Called with a line of text after each epoch.

    Returns
    -------
    nn.Module
        The same network, in evaluation mode.
    """
    torch.manual_seed(schedule.seed)
    network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.peak_rate, weight_decay=schedule.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        schedule.peak_rate,
        total_steps=schedule.epochs * (len(targets) // schedule.batch_size),
    )
    started = time.perf_counter()
    for epoch in range(1, schedule.epochs + 1):
        losses, right, seen = 0.0, 0, 0
        for images, labels in _batches(pictures, targets, normalize, schedule.batch_size):
            logits = network(images)
            loss = functional.cross_entropy(logits, labels)
            total = loss if penalty is None else loss + penalty()
            optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rates.step()
            losses += loss.item() * len(labels)
            right += int((logits.argmax(dim=1) == labels).sum())
            seen += len(labels)
        report(
            f"epoch {epoch:3d} of {schedule.epochs}: loss {losses / seen:.3f}, "
            f"{right / seen:.1%} right while training, {time.perf_counter() - started:.0f} s"
        )
    return network.eval().to(memory_format=torch.contiguous_format)


def _batches(
    pictures: Tensor, targets: Tensor, normalize: Normalize, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield whole batches in a random order: normalised images, half mirrored, and labels."""
    order = torch.randperm(len(targets))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in normalize)
    for start in range(0, len(order) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size]
        images = (pictures[chosen].float() / 255 - mean) / std
        mirrored = torch.rand(len(chosen)) < 0.5
        images[mirrored] = images[mirrored].flip(3)
        yield images.contiguous(memory_format=torch.channels_last), targets[chosen]


def halve(network: nn.Module) -> None:
    """Round every weight to half precision, in place: what is judged is what the file will hold."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights in half precision; a run that is cut off leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    write_whole(path, save(halves, metadata={"format": "pt"}))
