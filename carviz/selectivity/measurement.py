"""Measure, for every filter of a bank, whether it selects colour or shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from carviz.banks import Model
from carviz.evaluate import Data, Progress, stratified_order, telling
from carviz.pictures import (
    IMAGES,
    Exciting,
    check_exciting,
    find_exciting,
    open_source,
    pull_back,
    read_rgb_filters,
    refuse_other_than_rgb_images,
)
from carviz.results import SelectivityTable
from carviz.selectivity.indices import Reading, read_weights
from carviz.selectivity.judging import SEED, THRESHOLD, Case, judge, open_case

MOST_IMAGES = 512
"""Images that are looked at for those that excite the filters, at most."""


def measure_selectivity(
    model: Model,
    layer: str | nn.Module,
    *,
    data: Data | None = None,
    normalize: tuple[Any, Any] | None = None,
    threshold: float = THRESHOLD,
    activation_threshold: float = THRESHOLD,
    images: int = IMAGES,
    exciting: Exciting | None = None,
    progress: Progress = True,
) -> SelectivityTable:
    """Tell a bank's colour-selective filters from its shape-selective ones.

    The colour index of a filter is the share of its weight's variance across R, G and B in all its
    energy (see `carviz.selectivity.color_index`). Of a bank that reads RGB it is that of the
    weights; of a deeper bank that of its effective RGB weights
    (`carviz.pictures.effective_weights`), which need `data`. Above `threshold` a filter is "color",
    otherwise "shape". It is "dead", with index NaN, when its energy is under 1% of its bank's
    median, or when it never rises above zero on `data`: at the output of its unit, that is of the
    convolution with its own BatchNorm, before any ReLU.

    With `data` there is a second reading beside it, in every bank: the activation index, the share
    of the response that goes when the images that excite the filter most are made grey
    (`SelectivityTable.activation_index`). It changes no filter's kind; the table says where the
    two disagree.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        The bank: a convolution's name, or the module itself.
    data
        RGB images, as in `carviz.measure_car`; None judges a bank that reads RGB by its weights
        alone. At most 512 images are looked at, spread over the classes; the passport says how
        many there were to look at.
    normalize
        The preprocessing's (mean, std), one number a channel each. None for what `data` or the
        model says of it; the passport tells what was found, and where.
    threshold
        Of the colour index, in [0, 1].
    activation_threshold
        Of the activation index, in [0, 1]: above it the answers of a filter are about colour.
    images
        How many exciting images are looked at for each filter, at most.
    exciting
        What `carviz.pictures.find_exciting` found on the same data, to look at all of it, or to
        spare that pass.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1 (what it raises ends
        the measurement); False for silence.

    Returns
    -------
    SelectivityTable

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the bank does not read RGB and there is no data, there is no such layer, images are not
        RGB, or a value is out of its range.

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
    case = open_case(
        model, layer, data=data, normalize=normalize, threshold=threshold,
        activation_threshold=activation_threshold, images=images,
    )  # fmt: skip
    # By weights alone it is done before a bar could be seen.
    told = False if data is None and progress is True else progress
    with telling(told, f"Colour or shape in {case.layer}") as tell:
        exciting = _find_exciting(case, exciting, lambda share: tell(0.4 * share))
        readings = _read(case, exciting, lambda share: tell(0.4 + 0.4 * share))
        return judge(case, readings, exciting, lambda share: tell(0.8 + 0.2 * share))


def _find_exciting(
    case: Case, given: Exciting | None, tell: Callable[[float], None]
) -> Exciting | None:
    """Return which images excite the filters most; None where there are no images."""
    images = case.images
    if images is None:
        return None
    refuse_other_than_rgb_images(images)
    if given is not None:
        filters = case.network.convolution(case.layer).out_channels
        return check_exciting(given, case.layer, filters, len(images)).first(case.most)
    numbers = stratified_order(images.hints, len(images), SEED)[:MOST_IMAGES].tolist()
    return find_exciting(
        case.network, images, case.layer, count=case.most, numbers=numbers, progress=tell
    )


def _read(case: Case, exciting: Exciting | None, tell: Callable[[float], None]) -> list[Reading]:
    """Return what the RGB weights of every filter say."""
    network, layer, normalize = case.network, case.layer, case.normalize()
    if case.own:
        return [
            read_weights(w) for w in read_rgb_filters(network, layer, normalize=normalize).weights
        ]
    assert case.images is not None  # `open_case` refuses to read a deeper bank without them
    source = open_source(network, case.images, layer, case.most, normalize, exciting)
    readings = []
    for _, weights in pull_back(source):  # one at a time: together they may fill the memory
        readings.append(read_weights(weights))
        tell(len(readings) / len(source.exciting))
    return readings
