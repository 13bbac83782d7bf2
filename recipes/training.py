"""What training a bundled network takes, whichever it is: the loop, and the way into a file.

Batch normalisation speeds training up, but a reader of a network without it has one thing less to
understand: `with_batch_norm` puts it in, `without_batch_norm` folds it into the convolutions before
the network is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_eval

from carviz.evaluate import no_grad
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
        AdamW's; the rate rises to its peak and falls to nearly 0 along a cosine (one cycle).
    label_smoothing
        Share of each label that is spread over all classes.
    seed
        Of the order of the images, of dropout and of what is done to the images.
    """

    epochs: int
    batch_size: int = 128
    peak_rate: float = 3e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Order:
    """What is asked of a recipe.

    Attributes
    ----------
    folder
        Where weights and card go.
    epochs
        Instead of the recipe's own number, for a quick try or a longer training; None for its own.
    images
        Where a recipe finds the photographs that it trains on, if it does.
    device
        Where it trains.
    """

    folder: Path
    epochs: int | None = None
    images: Path | None = None
    device: str = "cpu"

    def adapt(self, schedule: Schedule) -> Schedule:
        """Return the recipe's schedule, with the number of epochs that was asked for."""
        return schedule if self.epochs is None else replace(schedule, epochs=self.epochs)


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


View = Callable[[Tensor, int], Tensor]
"""Makes images (image, 3, height, width) to train on of pictures (image, 3, height, width) in eight
bits, told how many epochs are over."""


def train(
    network: nn.Module,
    pictures: Tensor,
    targets: Tensor,
    schedule: Schedule,
    *,
    view: View,
    penalty: Callable[[], Tensor] | None = None,
    report: Callable[[str], None] = print,
) -> nn.Module:
    """Train `network`, in place, where `pictures` are.

    Parameters
    ----------
    pictures
        RGB, eight bits a channel, (image, 3, height, width): a quarter of the memory of floats.
    targets
        Labels, int64, (image,).
    view
        What the network sees of a batch of pictures: see `mirrored` and `enlarged`.
    penalty
        What to add to the loss in each step.
    report
        Called with a line of text after each epoch.

    Returns
    -------
    nn.Module
        The same network, on the CPU, in evaluation mode.
    """
    torch.manual_seed(schedule.seed)
    network.to(pictures.device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=schedule.peak_rate, weight_decay=schedule.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        schedule.peak_rate,
        total_steps=schedule.epochs * (len(targets) // schedule.batch_size),
    )
    started = time.perf_counter()
    for epoch in range(schedule.epochs):
        losses, right, seen = 0.0, 0, 0
        for chosen in _batches(len(targets), schedule.batch_size):
            images = view(pictures[chosen], epoch).contiguous(memory_format=torch.channels_last)
            labels = targets[chosen]
            logits = network(images)
            loss = functional.cross_entropy(
                logits, labels, label_smoothing=schedule.label_smoothing
            )
            total = loss if penalty is None else loss + penalty()
            optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rates.step()
            losses += loss.item() * len(labels)
            right += int((logits.argmax(dim=1) == labels).sum())
            seen += len(labels)
        report(
            f"epoch {epoch + 1:3d} of {schedule.epochs}: loss {losses / seen:.3f}, "
            f"{right / seen:.1%} right while training, {time.perf_counter() - started:.0f} s"
        )
    return network.eval().to("cpu").to(memory_format=torch.contiguous_format)


def _batches(count: int, batch_size: int) -> Iterator[Tensor]:
    """Yield the images of whole batches in a random order."""
    order = torch.randperm(count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


def mirrored(normalize: Normalize) -> View:
    """Return a view of pictures as they are, about half of them mirrored, anew in every epoch."""

    def view(pictures: Tensor, epoch: int) -> Tensor:
        images = normalized(pictures, normalize)
        flipped = torch.rand(len(images)) < 0.5
        images[flipped] = images[flipped].flip(3)
        return images

    return view


def enlarged(normalize: Normalize, size: Callable[[int], int], *, least_area: float) -> View:
    """Return a view of random parts of pictures, enlarged to squares, half of them mirrored.

    Parameters
    ----------
    normalize
        Mean and standard deviation, three floats each, for RGB values in [0, 1].
    size
        Height and width of the images, in pixels, given how many epochs are over.
    least_area
        A part is between this share of the picture and all of it; its sides differ by a quarter at
        most.
    """

    def view(pictures: Tensor, epoch: int) -> Tensor:
        count, device = len(pictures), pictures.device
        area = least_area + (1 - least_area) * torch.rand(count)
        stretch = torch.exp((2 * torch.rand(count) - 1) * math.log(1.25) / 2)
        sides = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], dim=1).clamp(max=1)
        shift = (1 - sides) * (2 * torch.rand(count, 2) - 1)
        sides[:, 0] *= torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        places = torch.cat([torch.diag_embed(sides), shift.unsqueeze(2)], dim=2)
        shape = [count, 3, size(epoch), size(epoch)]
        grid = functional.affine_grid(places.to(device), shape, align_corners=False)
        images = normalized(pictures, normalize)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    return view


def normalized(pictures: Tensor, normalize: Normalize) -> Tensor:
    """Return normalised floats of pictures in eight bits, both (image, 3, height, width)."""
    mean, std = (torch.tensor(v, device=pictures.device).view(1, 3, 1, 1) for v in normalize)
    return (pictures.float() / 255 - mean) / std


def halve(network: nn.Module) -> None:
    """Round every weight to half precision, in place: what is judged is what the file will hold."""
    with no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights in half precision; a run that is cut off leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    write_whole(path, save(halves, metadata={"format": "pt"}))


def say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)
