"""Which filters of a bank select colour, and which select shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.ablation.readers import own_batch_norm
from carviz.banks import Network, cut, find_layer, open_network
from carviz.evaluate import (
    Images,
    fingerprint_images,
    fingerprint_model,
    shadow,
    stratified_order,
    versions,
)
from carviz.pictures import RgbFilters, read_rgb_filters
from carviz.results import SelectivityTable

Floats = NDArray[np.float64]

DEAD = 0.01
"""A filter under this share of its bank's median energy is dead."""
MOST_IMAGES = 512
"""Images that are looked at for filters that never rise above zero, at most."""
BATCH = 16
SEED = 0


def measure_selectivity(
    model: Any,
    layer: str | nn.Module,
    *,
    data: Any = None,
    normalize: tuple[Any, Any] | None = None,
    threshold: float = 0.5,
) -> SelectivityTable:
    """Tell a bank's colour-selective filters from its shape-selective ones by their weights.

    The colour index of a filter is the share of its weight's variance across R, G and B in all its
    energy (see `color_index`). Above `threshold` a filter is "color", otherwise "shape". It is
    "dead", with index NaN, when its energy is under 1% of its bank's median, or when it never
    rises above zero on `data`: at the output of its unit, that is of the convolution with its own
    BatchNorm, before any ReLU.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        A bank that reads RGB: a convolution's name, or the module itself.
    data
        As in `carviz.measure_car`; None judges by the weights alone. At most 512 images are
        looked at, spread over the classes; the passport says how many there were to look at.
    normalize
        The preprocessing's (mean, std), one number a channel each. None for what `data` or the
        model says of it; the passport tells what was found, and where.
    threshold
        In [0, 1].

    Returns
    -------
    SelectivityTable

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the bank does not read RGB, there is no such layer, or a value is out of its range.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(3, 3, 1)
    >>> weights = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 2.0]])
    >>> _ = bank.weight.data.copy_(weights[:, :, None, None])
    >>> table = measure_selectivity(nn.Sequential(bank), "0")
    >>> table.color_index.round(3).tolist(), table.kind.tolist()
    ([0.0, 1.0, 0.667], ['shape', 'color', 'color'])
    """
    threshold = _check_threshold(threshold)
    network = open_network(model)
    images = None if data is None else Images(data)
    # A module given as the layer is one of the given model, not of the opened copy.
    name = find_layer(network, model, layer)
    found = read_rgb_filters(network, name, data=images, normalize=normalize)
    energy = np.square(found.weights).sum(axis=(1, 2, 3))
    dead = (energy == 0) | (energy < DEAD * np.median(energy))
    seen = 0
    if images is not None:
        numbers = stratified_order(images.hints, len(images), SEED)[:MOST_IMAGES]
        seen = len(numbers)
        dead |= _never_rises(network, name, images, numbers)
    index = np.where(dead, np.nan, color_index(found.weights))
    kind = np.where(dead, "dead", np.where(index > threshold, "color", "shape"))
    return SelectivityTable(
        layer=name,
        threshold=threshold,
        color_index=index,
        kind=kind,
        energy=energy,
        passport=_passport(network, found, images, seen),
    )


def color_index(weights: NDArray[Any]) -> Floats:
    """Return the colour index of filters that read RGB.

    The share of the weight's variance across channels in all its energy,

        Σ_{c,y,x} (w_cyx − mean_c w_cyx)² / Σ_{c,y,x} w_cyx²

    0 for a filter that treats R, G and B alike, 1 for a purely opponent one (its three weights sum
    to zero everywhere), 2/3 for a single primary, and on average for random weights.

    Parameters
    ----------
    weights
        (F, 3, height, width), per unit of raw RGB.

    Returns
    -------
    numpy.ndarray
        (F,), in [0, 1]; NaN for a filter without any weight.
    """
    weights = np.asarray(weights, dtype=np.float64)
    # The index does not depend on the scale; at scale 1 no square runs over, or under all at once.
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    chromatic = scaled - scaled.mean(axis=1, keepdims=True)
    energy = np.square(scaled).sum(axis=(1, 2, 3))
    share = np.square(chromatic).sum(axis=(1, 2, 3)) / np.where(energy > 0, energy, np.nan)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _check_threshold(threshold: Any) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)):
        raise TypeError(f"threshold is a number in [0, 1]; found {threshold!r}.")
    if not 0 <= threshold <= 1:  # NaN too
        raise ValueError(
            "threshold is the colour index above which a filter is colour-selective, in [0, 1]; "
            f"found {threshold!r}. 0.5 is the default."
        )
    return float(threshold)


@torch.inference_mode()
def _never_rises(
    network: Network, layer: str, images: Images, numbers: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return (F,) whether a filter's unit is nowhere above zero on any of the images."""
    weight = network.convolution(layer).weight
    silent = torch.ones(len(weight), dtype=torch.bool, device=weight.device)
    chunks = [numbers[i : i + BATCH].tolist() for i in range(0, len(numbers), BATCH)]
    unit: Callable[[Tensor], Tensor] | None = None
    for batch, _ in images.batches(chunks):
        if batch.shape[1] != 3:
            raise ValueError(
                f"{layer!r} reads R, G and B, so images have three channels; the data's have "
                f"{batch.shape[1]}. Convert them, e.g. images.expand(-1, 3, -1, -1) for grey ones."
            )
        placed = batch.to(weight)
        unit = unit or _unit(network, layer, placed[:1])
        silent &= (unit(placed) <= 0).flatten(2).all(2).all(0)
        if not silent.any():  # every filter has risen: no further image can change that
            break
    return np.asarray(silent.cpu().numpy())


def _unit(network: Network, layer: str, sample: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what maps images to the output of the bank's units."""
    if network.graph is not None:
        head = cut(network, layer).head
        return lambda images: head(images)[0]
    copy = shadow(network.model)  # of its own: another thread may run the network
    seen: list[Tensor] = []
    site = copy.get_submodule(own_batch_norm(copy, layer, sample))
    site.register_forward_hook(lambda _module, _args, output: seen.append(output))

    def run(images: Tensor) -> Tensor:
        seen.clear()
        copy(images)
        return seen[0]

    return run


def _passport(
    network: Network, found: RgbFilters, images: Images | None, seen: int
) -> dict[str, Any]:
    known = found.normalization
    return {
        "model": fingerprint_model(network.model),
        "data": None if images is None else fingerprint_images(images),
        "images": seen,
        "total": 0 if images is None else len(images),
        "dead": f"energy under {DEAD:.0%} of the bank's median"
        + ("" if images is None else f", or never above zero on {seen:,} images"),
        "normalization": "none found"
        if known is None
        else {"mean": known.mean, "std": known.std, "source": known.source},
        "seed": SEED,
        "versions": versions(),
    }
