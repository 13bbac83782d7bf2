"""Tell a bank's filters apart by what was read in their weights, and by their answers to grey."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from torch import nn

from carviz.banks import Network, find_layer, open_network
from carviz.checks import check_fraction, check_whole
from carviz.evaluate import (
    Images,
    Normalization,
    Progress,
    drive,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    telling,
    versions,
)
from carviz.pictures import A_FILTER, IMAGES, Exciting, reads_rgb
from carviz.results import SelectivityTable
from carviz.selectivity.indices import Reading, iter_activation_index

THRESHOLD = 0.5
DEAD = 0.01
"""A filter under this share of its bank's median energy is dead."""
SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A bank whose filters are to be told apart, checked: see `measure_selectivity`.

    Parameters
    ----------
    network, layer
        The bank.
    own
        Whether it reads the image's RGB, so that its own weights say the colour.
    images
        None where the weights alone are judged.
    normalization
        None where nothing says it.
    threshold, activation_threshold
        Of the two indices.
    most
        How many exciting images are looked at for each filter, at most.
    """

    network: Network
    layer: str
    own: bool
    images: Images | None
    normalization: Normalization | None
    threshold: float
    activation_threshold: float
    most: int

    def normalize(self) -> tuple[Any, Any] | None:
        """Return the preprocessing's (mean, std), or None where nothing says them."""
        found = self.normalization
        return None if found is None else (found.mean, found.std)


def open_case(
    model: Any,
    layer: str | nn.Module,
    *,
    data: Any = None,
    normalize: tuple[Any, Any] | None = None,
    threshold: float = THRESHOLD,
    activation_threshold: float = THRESHOLD,
    images: int = IMAGES,
) -> Case:
    """Check the arguments of `measure_selectivity`, and open the network."""
    threshold = _check_threshold(threshold, "threshold")
    activation_threshold = _check_threshold(activation_threshold, "activation_threshold")
    network = open_network(model)
    # A module given as the layer is one of the given model, not of the opened copy.
    name = find_layer(network, model, layer)
    own = reads_rgb(network, name)
    if data is None and not own:
        raise ValueError(
            "Colour in a bank that does not read the image's RGB is read from effective RGB "
            f"weights, which are found on images; for {name!r} give data, e.g. "
            "carviz.measure_selectivity(model, layer, data=data)."
        )
    most = check_whole(images, "images", what=A_FILTER)
    view = None if data is None else Images(data)
    normalization = find_normalization(view, network.model, normalize)
    return Case(network, name, own, view, normalization, threshold, activation_threshold, most)


def judge(
    case: Case, readings: Sequence[Reading], exciting: Exciting | None, progress: Progress = False
) -> SelectivityTable:
    """Return the table of a bank whose weights are read already; see `iter_judge`."""
    with telling(progress, f"Grey images in {case.layer}") as tell:
        return drive(iter_judge(case, readings, exciting), tell)


def iter_judge(
    case: Case, readings: Sequence[Reading], exciting: Exciting | None
) -> Generator[float, None, SelectivityTable]:
    """Tell apart the filters of a bank whose weights are read; yield the share done.

    Parameters
    ----------
    readings
        Of every filter, in the order of the bank.
    exciting
        What excites the filters on the case's images, `case.most` a filter; None without images.
    """
    energy, index = np.array(readings, dtype=np.float64).T
    dead = (energy == 0) | (energy < DEAD * np.median(energy))
    activation = np.full(len(energy), np.nan)
    if case.images is not None and exciting is not None:
        dead |= exciting.found == 0
        activation = yield from iter_activation_index(
            case.network, case.layer, case.images, exciting, case.normalization
        )
    return SelectivityTable(
        layer=case.layer,
        threshold=case.threshold,
        color_index=np.where(dead, np.nan, index),
        kind=np.where(dead, "dead", np.where(index > case.threshold, "color", "shape")),
        energy=energy,
        activation_index=np.where(dead, np.nan, activation),
        activation_threshold=case.activation_threshold,
        reading="weights" if case.own else f"effective weights, {case.most} images",
        passport=_passport(case, exciting),
    )


def _check_threshold(threshold: Any, name: str) -> float:
    what = "the index above which a filter is colour-selective"
    return check_fraction(threshold, name, what, "0.5 is the default.")


def _passport(case: Case, exciting: Exciting | None) -> dict[str, Any]:
    images, known = case.images, case.normalization
    seen = 0 if images is None or exciting is None else exciting.images
    return {
        "model": fingerprint_model(case.network.model),
        "data": None if images is None else fingerprint_images(images),
        "images": seen,
        "total": 0 if images is None else len(images),
        "exciting": 0 if images is None else case.most,
        "dead": f"energy under {DEAD:.0%} of the bank's median"
        + ("" if images is None else f", or never above zero on {seen:,} images"),
        "grey": "not measured" if images is None else "scikit-image's rgb2gray on raw RGB",
        "normalization": "none found"
        if known is None
        else {"mean": known.mean, "std": known.std, "source": known.source},
        "seed": SEED,
        "versions": versions(),
    }
