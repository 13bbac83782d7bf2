"""Compare finished numbers with the reference: a few images, run by the network itself.

A plan that was right when it was chosen may have been run by another process, on another device, or
in parts that were kept on disk. So of what came out a few pairs of a filter and an image are run
again, half of them such that the filter changes the prediction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.truth import AGREEMENT
from carviz.evaluate import arithmetic, inference_mode
from carviz.reference import Reference

TIES = 1e-4
"""Two logits that are nearer than this share of their scale may change places by rounding."""


@dataclasses.dataclass(frozen=True, eq=False)
class Claim:
    """What was found of one image without some filters.

    Parameters
    ----------
    number
        The image's number in the data.
    image
        ``(1, channel, height, width)`` where the network is.
    removals
        Numbers of the filters that are gone, by bank.
    target
        The true class.
    predicted
        The class that was found to be predicted.
    drop
        The fall of log p(true class) that was found, in nats; NaN where it is not claimed.
    constants
        (call, filter) what the channels were set to, where that is not zero.
    partner
        The image whose channels stood in their place, like `image`; None for none.
    """

    number: int
    image: Tensor
    removals: Mapping[str, Sequence[int]]
    target: int
    predicted: int
    drop: float = float("nan")
    constants: Tensor | None = None
    partner: Tensor | None = None

    def fault(self, whole: Tensor, without: Tensor, rounding: float, coarseness: float) -> str:
        """Return what the network itself says otherwise; "" where it does not.

        Parameters
        ----------
        whole, without
            (1, class) logits of the image, with all filters and without some.
        rounding, coarseness
            See `verify`.
        """
        return _fault(self, whole, without, rounding, coarseness)


def verify(
    reference: Reference,
    claims: Sequence[Claim],
    *,
    rounding: float,
    coarseness: float = 0.0,
    tick: Callable[[], None] | None = None,
) -> None:
    """Raise ValueError where the network itself says otherwise than what was found.

    Parameters
    ----------
    reference
        The network as it is.
    rounding
        How far its logits of one image are apart, alone and in a batch.
    coarseness
        By how much the margins of what was claimed may be off besides, where it was found in low
        precision: a difference of logits.
    tick
        Called between two passes; what it raises ends the comparison.
    """
    if not claims:
        return
    images = {claim.number: claim.image for claim in claims}
    device = claims[0].image.device.type
    with inference_mode(), arithmetic("float32", device):
        every = reference.logits(torch.cat(list(images.values())))
        whole = {number: every[i : i + 1] for i, number in enumerate(images)}
        for group in _alike(claims):
            if tick is not None:
                tick()
            together = torch.cat([claim.image for claim in group])
            others = [claim.partner for claim in group if claim.partner is not None]
            without = reference.without(
                together, group[0].removals,
                constants=group[0].constants, partners=torch.cat(others) if others else None,
            )  # fmt: skip
            for place, claim in enumerate(group):
                pair = whole[claim.number], without[place : place + 1]
                found = claim.fault(*pair, rounding, coarseness)
                if found and pair[1].dtype == torch.float32:
                    found = _fault_in_float64(reference, claim, *pair, coarseness)
                if found:
                    raise ValueError(words_of(claim, found))


def _alike(claims: Sequence[Claim]) -> list[list[Claim]]:
    """Return the claims in groups that remove the same filters: each group is one pass."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        key = repr({layer: list(filters) for layer, filters in claim.removals.items()})
        groups.setdefault(key, []).append(claim)
    return list(groups.values())


def _fault_in_float64(
    reference: Reference, claim: Claim, whole: Tensor, without: Tensor, coarseness: float
) -> str:
    """Return the fault that is left when rounding, which a network may amplify, is known."""
    precise, image = reference.double(), claim.image.double()
    partner = None if claim.partner is None else claim.partner.double()
    wide = (
        precise.logits(image),
        precise.without(image, claim.removals, constants=claim.constants, partners=partner),
    )
    seen = max(float((a - b).abs().max()) for a, b in zip(wide, (whole, without), strict=True))
    return claim.fault(*wide, 10 * seen, coarseness)


def _fault(claim: Claim, whole: Tensor, without: Tensor, rounding: float, coarseness: float) -> str:
    logits = without[0].double()
    best = int(logits.argmax())
    scale = float(logits.abs().max())
    ahead = float(logits[best] - logits[claim.predicted])
    if ahead > TIES * scale + 2 * rounding + coarseness:
        return (
            f"predicts class {best}, by {ahead:.3g} over class {claim.predicted}, which was found"
        )
    if np.isnan(claim.drop):
        return ""
    before, after = (x[0].double().log_softmax(0)[claim.target] for x in (whole, without))
    drop = float(before - after)
    moved = float((without - whole).abs().max())
    # A log-probability is off by twice the largest error of a logit at most, a fall by four times;
    # and log p itself was rounded to float32, with and without.
    own = 4 * torch.finfo(torch.float32).eps * max(1.0, abs(float(before)), abs(float(after)))
    if not abs(drop - claim.drop) <= 2 * AGREEMENT * moved + 4 * rounding + own:
        return f"has log p fall by {drop:.6g}; found was {claim.drop:.6g}"
    return ""


def words_of(claim: Claim, found: str) -> str:
    """Return in words what the network itself says otherwise."""
    filters = " and ".join(
        f"filter{'s' if len(numbers) > 1 else ''} {', '.join(str(i) for i in numbers)} of {layer!r}"
        for layer, numbers in claim.removals.items()
    )
    return (
        f"What is measured must be what the network does; without {filters} the network itself "
        f"{found}, on image {claim.number}. A worker, a part kept by another run, or data that "
        "gives another image on a second reading may be at fault: measure again in this process "
        "and without the checkpoint; if the error stays, it is carviz's own."
    )


def telling_pairs(
    baseline: NDArray[np.int32], predictions: NDArray[np.int32], filters: int
) -> list[tuple[int, int]]:
    """Return (place of the filter, place of the image) pairs: two images for each of some filters.

    Parameters
    ----------
    baseline, predictions
        (m,) and (F, m): see `Facts`.
    filters
        How many filters at most, those first that flip most images. Each gives an image that it
        flips, where there is one, and one that it does not.
    """
    flipped = predictions != baseline
    order = np.argsort(-flipped.sum(1), kind="stable")[:filters]
    pairs = []
    for place in order.tolist():
        for group in (flipped[place], ~flipped[place]):
            if group.any():
                pairs.append((int(place), int(np.argmax(group))))
    return pairs
