"""Pictures synthesised to excite the filters of a bank."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from carviz.banks import Model, find_layer, open_network
from carviz.evaluate import Data, Progress, inference_mode, telling
from carviz.pictures.synthesis.arguments import check_count, check_filters, check_objective
from carviz.pictures.synthesis.ascent import TRIES, Ascent
from carviz.pictures.synthesis.framing import find_frame
from carviz.pictures.synthesis.objectives import ObjectiveName
from carviz.pictures.synthesis.work import Synthesis, find_preprocessing

Pictures = NDArray[np.float32]

STEPS = 96
LOOKS = 8
"""How many times the pictures are looked at on their way."""
AT_ONCE = 2**17
"""Pixels of all the pictures that are made at once: what keeps memory within bounds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Excited:
    """Pictures of some filters of a bank, on their way or finished.

    Parameters
    ----------
    layer
        The bank's name.
    filters
        (n,) the filters' numbers.
    pictures
        (n, height, width, 3) in [0, 1]: for each filter the best so far. Mid-grey is what it does
        not ask for.
    values, starts
        (n,) what the objective is at these pictures, and what it was at the first ones. It is
        taken with the margins, which are not shown.
    still
        (n,) whether nothing that was tried moves the filter: its picture is all grey.
    finished
        Whether these pictures are final.
    share
        How much of all filters' work is done, 0 to 1.
    """

    layer: str
    filters: tuple[int, ...]
    pictures: Pictures
    values: NDArray[np.float64]
    starts: NDArray[np.float64]
    still: NDArray[np.bool_]
    finished: bool
    share: float


def excite(
    model: Model,
    layer: str | nn.Module,
    filter: int | Sequence[int] | None = None,
    *,
    objective: ObjectiveName = "center",
    size: int | tuple[int, int] | None = None,
    steps: int = STEPS,
    seed: int = 0,
    data: Data | None = None,
    normalize: tuple[Any, Any] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
) -> Pictures:
    """Synthesise the picture that excites a filter most, of all pictures of one contrast.

    Of a bank that reads the image itself it is the pattern of the filter's weights. A deeper
    filter has many pictures that excite it; this is one, found by climbing from noise: see Olah et
    al., "Feature visualization", Distill 2017, whose Fourier spectrum and decorrelated colours are
    used. Contrast is limited, which is ours, so that mid-grey is what the filter does not ask for.
    What is made large is the output of the unit, the convolution with its own BatchNorm, before
    any ReLU; where the network uses a bank more than once, at its first use.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        The bank: a convolution's name, or the module itself.
    filter
        The filter's number in its bank, or several; None for the whole bank.
    objective
        What is made large: what the filter answers in the "center" of the picture; its "mean" over
        all places, which gives a texture; or the "max" over all places.
    size
        Side, or (height, width), of the picture in pixels. None for what the filter reads, its
        receptive field, as far as that is inside an image of the network ("center"), or for twice
        the field ("mean", "max").
    steps
        How many steps are taken.
    seed
        Of the noise from which pictures start, and of the moves that they are to put up with. On
        a CPU the same call gives the same picture.
    data
        Serves only to find the images' size and preprocessing; None to take 224 pixels for the
        largest image, and the model's own preprocessing.
    normalize
        The preprocessing's (mean, std), one number a channel each; None for what `data` or the
        model itself carry.
    device
        Where to compute; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1 (what it raises ends
        the work); False for silence.

    Returns
    -------
    numpy.ndarray
        (height, width, 3), or (filter, height, width, 3) for several or all; float32 in [0, 1]. A
        filter that nothing moves is all grey, with a warning.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there is no such layer, filter or objective, the network cannot read pictures of this
        size, it reads neither RGB nor grey pictures, or its answers are no finite numbers.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(3, 1, 1)
    >>> _ = bank.weight.data.copy_(torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1))
    >>> excite(nn.Sequential(bank), "0", 0).round().tolist()
    [[[1.0, 0.0, 0.0]]]
    """
    found: list[Excited] = []
    for excited in iter_excite(
        model, layer, filter, objective=objective, size=size, steps=steps, seed=seed, data=data,
        normalize=normalize, device=device, progress=progress,
    ):  # fmt: skip
        if excited.finished:
            found.append(excited)
    _tell_still(found)
    pictures = np.concatenate([excited.pictures for excited in found])
    return pictures[0] if isinstance(filter, (int, np.integer)) else pictures


def iter_excite(
    model: Model,
    layer: str | nn.Module,
    filter: int | Sequence[int] | None = None,
    *,
    objective: ObjectiveName = "center",
    size: int | tuple[int, int] | None = None,
    steps: int = STEPS,
    seed: int = 0,
    data: Data | None = None,
    normalize: tuple[Any, Any] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
) -> Iterator[Excited]:
    """Yield ever better pictures of some filters at a time; closing the iterator cancels.

    Filters come in the order in which they were asked for, some at a time (`AT_ONCE`): first their
    noise, then `LOOKS` times what became of it. Arguments and errors are those of `excite`; they
    are checked at once, before the first picture is asked for. Nothing is warned of: `still` says
    which filters nothing moves.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(3, 1, 1)
    >>> _ = bank.weight.data.copy_(torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1))
    >>> for excited in iter_excite(nn.Sequential(bank), "0", 0, progress=False):
    ...     pass  # or show excited.pictures: each time they are better
    >>> excited.pictures.round().tolist(), excited.finished
    ([[[[1.0, 0.0, 0.0]]]], True)
    """
    with inference_mode(False):
        network = open_network(model, device)
    name = find_layer(network, model, layer)
    filters = check_filters(filter, network.convolution(name).out_channels, name)
    steps = check_count(steps, "steps", 1)
    synthesis = Synthesis(
        network,
        name,
        check_objective(objective),
        find_frame(network, name, objective, size, data),
        find_preprocessing(network, data, normalize),
        check_count(seed, "seed", 0),
    )
    return _pictures(synthesis, filters, steps, progress)


def _pictures(
    synthesis: Synthesis, filters: tuple[int, ...], steps: int, progress: Progress
) -> Iterator[Excited]:
    height, width = synthesis.frame.size
    at_once = max(1, AT_ONCE // (height * width))
    with telling(progress, f"Pictures of {synthesis.layer}") as tell:
        for first in range(0, len(filters), at_once):
            group = filters[first : first + at_once]
            ascent = synthesis.ascent(group)
            taken = 0
            for look in _looks(steps):
                ascent.climb(look - taken)
                taken = look
                share = (first + len(group) * taken / steps) / len(filters)
                tell(share)
                yield _excited(synthesis, group, ascent, taken == steps, share)


def _looks(steps: int) -> list[int]:
    """Return after how many steps the pictures are looked at, before the first one too."""
    return sorted({round(steps * look / LOOKS) for look in range(LOOKS + 1)})


def _excited(
    synthesis: Synthesis, group: tuple[int, ...], ascent: Ascent, finished: bool, share: float
) -> Excited:
    shown = synthesis.frame.cut(ascent.pictures)
    shown = shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return Excited(
        synthesis.layer,
        group,
        np.ascontiguousarray(shown.float().cpu().numpy()),
        ascent.values.cpu().double().numpy(),
        ascent.starts.cpu().double().numpy(),
        ascent.still.cpu().numpy(),
        finished,
        share,
    )


def _tell_still(found: list[Excited]) -> None:
    still = [f for e in found for f, alone in zip(e.filters, e.still, strict=True) if alone]
    if not still:
        return
    some = ", ".join(map(str, still[:5])) + (", …" if len(still) > 5 else "")
    warnings.warn(
        f"carviz: nothing moves these filters of {found[0].layer!r}: {some}. None of {TRIES} noise "
        "pictures had a gradient, as where weights are zero or every ReLU on the way is closed. "
        "Their pictures are grey.",
        stacklevel=3,
    )
