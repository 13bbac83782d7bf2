"""What audits a measurement in low precision: which pairs run again, and what that leaves open.

Low precision gives each (filter, image) pair a prediction and a margin, the best logit less the
second best. Below a threshold τ the pair runs again in float32. Sample A, of a few images at
random, says how far low precision moves small margins, and so where τ must lie. Sample B, of images
at random over all of them, looks whether τ is high enough: what of an image lies between τ and 4 τ,
where errors would be, runs again as well, and of what lies above one filter at random. Where it
finds an error τ doubles.

The bound counts images. Pairs of one image share what low precision makes of it, so a thousand of
them say little more than one; but an image on which no filter is wrong is right for each of them.
So a bound on how many images have a wrong pair bounds the change of every filter's CAR at once.

A margin is kept as its octave: 0 where float32 gave the prediction beforehand, 1 below τ as sample
A sets it, 2 up to twice that, and so on. At level j, that is after j doublings, octaves up to j + 1
run again, and in sample B those up to j + 3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOISES = 6
"""τ is this many times the root mean square of what small margins move by, or the most that one
moves by.

In the study that chose it, of three networks, no prediction was wrong above 4 times."""
SMALL = 0.25
"""The share of sample A's pairs whose margins are small: noise grows with the logits, and only that
of close calls matters."""
TIE = 2.0**-19
"""Two logits that are nearer than this share of the largest are tied in float32 itself."""
SAMPLE_IMAGES, SAMPLE_FILTERS = 64, 16
"""Images of sample A, and filters of each."""
LEAST_SHARE, MOST_SHARE, ENOUGH = 1 / 16, 3 / 8, 400
"""The share of images that sample B draws: so that there are enough, within these."""
SPOTS = 1
"""Filters of each image in sample B that run again whatever their margin."""
CONFIDENCE = 0.95
MOST_LEVEL = 60
"""Doublings at most: above any margin by then."""
SEED_A, SEED_B, SEED_SPOTS = 101, 102, 103

Mask = NDArray[np.bool_]
Octaves = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Auditing:
    """How a measurement in low precision is audited; it travels to other processes.

    Parameters
    ----------
    precision
        "tf32" or "bf16".
    threshold
        τ as sample A sets it, a difference of logits.
    images, filters
        How many there are in all.
    """

    precision: str
    threshold: float
    images: int
    filters: int

    @property
    def share(self) -> float:
        """The share of images that sample B draws."""
        return min(MOST_SHARE, max(LEAST_SHARE, ENOUGH / self.images))

    def drawn(self, numbers: list[int]) -> Mask:
        """Return (image,) whether sample B draws an image, by its number in the data."""
        chance = np.random.default_rng(SEED_B).random(self.images)
        return np.asarray(chance[numbers] < self.share)

    def spots(self, numbers: list[int]) -> Mask:
        """Return (filter, image) the pairs of sample B that run again whatever their margin."""
        places = np.random.default_rng(SEED_SPOTS).integers(self.filters, size=(self.images, SPOTS))
        found = np.zeros((self.filters, len(numbers)), np.bool_)
        found[places[numbers].T, np.arange(len(numbers))] = True
        return found & self.drawn(numbers)

    def octaves(self, margins: NDArray[np.float32]) -> Octaves:
        """Return the octave of each margin; what is no number is below τ."""
        levels = self.threshold * 2.0 ** np.arange(MOST_LEVEL)
        found = 1 + np.searchsorted(levels, margins.astype(np.float64), side="right")
        return np.where(np.isnan(margins), 1, found).astype(np.uint8)

    def exact(self, octaves: Octaves, numbers: list[int], level: int) -> Mask:
        """Return (filter, image) which pairs have float32's prediction at a level."""
        drawn = self.drawn(numbers)
        return (octaves <= level + 1 + 2 * drawn) | self.spots(numbers)


def sample_a(images: int) -> list[int]:
    """Return the numbers of the images of sample A, at random over all of them."""
    order = np.random.default_rng(SEED_A).permutation(images)
    return [int(number) for number in order[:SAMPLE_IMAGES]]


def threshold_of(
    noise: NDArray[np.float64], margins: NDArray[np.float64], logits: NDArray[np.float64]
) -> float:
    """Return τ by sample A.

    Parameters
    ----------
    noise
        (pair,) by how much the best and the second best logit come nearer, or move apart, in
        float32.
    margins
        (pair,) how far apart they are in low precision.
    logits
        (pair,) the largest absolute logit.
    """
    known = np.isfinite(noise) & np.isfinite(margins)
    rounding = TIE * float(logits[np.isfinite(logits)].max(initial=1.0))
    # Two classes that are one (logits cut off at zero, equal weights) stay tied whatever low
    # precision does: they say nothing of the others.
    known[known] = np.maximum(noise, margins)[known] > TIE * logits[known]
    if not known.any():
        return rounding
    close = known & (margins <= np.quantile(margins[known], SMALL))
    # Of filters without any effect, and behind few roundings, most margins do not move at all:
    # that hides nothing of what the others do.
    moved = noise[close & (noise > TIE * logits)]
    return max(rounding, NOISES * float(np.sqrt(np.mean(moved**2)))) if len(moved) else rounding


def most_bad(bad: int, checked: int, images: int, confidence: float = CONFIDENCE) -> int:
    """Return how many of `images` may be bad where `bad` of `checked`, drawn at random, are.

    The largest number under which so few would be found with a chance above 1 - `confidence`;
    exact, by the hypergeometric law (one-sided).

    Examples
    --------
    >>> most_bad(0, 100, 100), most_bad(0, 50, 100), most_bad(0, 0, 100)
    (0, 4, 100)
    """
    from scipy.stats import hypergeom

    low, high = bad, images - checked + bad
    while low < high:  # the chance falls as more are bad
        middle = (low + high + 1) // 2
        if hypergeom.cdf(bad, images, middle, checked) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


@dataclasses.dataclass(frozen=True, eq=False)
class Checked:
    """What sample B and the re-runs found on some images.

    Parameters
    ----------
    numbers
        (m,) the images' numbers in the data.
    octaves
        (F, m) of each pair's margin.
    level
        (m,) how often τ had doubled.
    worst
        (m,) octave of the widest margin on which sample B found an error; 0 for none.
    ties
        (m,) pairs of sample B whose prediction float32 itself cannot tell from another.
    """

    numbers: list[int]
    octaves: Octaves
    level: NDArray[np.uint8]
    worst: NDArray[np.uint8]
    ties: NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Counts:
    """What is counted of some images at a level; those of several parts add up.

    Parameters
    ----------
    images, drawn
        Images, and those that sample B drew.
    pairs, run, again
        Pairs of a filter and an image, those that ran, and those that ran again in float32.
    at_risk, checked, bad
        Images with a margin between τ and 4 τ, those of them in sample B, and those of these on
        which it found an error.
    near, above
        Pairs of sample B between τ and 4 τ, and above.
    errors, ties
        Images on which sample B ever found an error, and pairs that float32 cannot tell apart.
    """

    images: int
    drawn: int
    pairs: int
    run: int
    again: int
    at_risk: int
    checked: int
    bad: int
    near: int
    above: int
    errors: int
    ties: int

    @classmethod
    def total(cls, parts: Sequence[Counts]) -> Counts:
        """Return the counts of several parts together."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(sum(getattr(part, name) for part in parts) for name in names))


def count(auditing: Auditing, found: Checked, level: int) -> Counts:
    """Return what is counted of some images at a level, their own or a lower one."""
    numbers, octaves = found.numbers, found.octaves
    drawn, ran = auditing.drawn(numbers), octaves > 0
    exact = auditing.exact(octaves, numbers, int(found.level.max()))
    near = (octaves > level + 1) & (octaves <= level + 3)
    above = (octaves > level + 3) & auditing.spots(numbers)
    risky = near.any(0)
    checked = drawn & risky
    bad = checked & np.greater(found.worst, level + 1)

    def of(what: Any) -> int:
        return int(np.count_nonzero(what))

    return Counts(
        images=len(numbers), drawn=of(drawn), pairs=octaves.size, run=of(ran),
        again=of(ran & exact), at_risk=of(risky), checked=of(checked), bad=of(bad),
        near=of(near[:, drawn]), above=of(above), errors=of(found.worst),
        ties=int(found.ties.sum()),
    )  # fmt: skip


def summary(auditing: Auditing, counts: Counts, level: int) -> dict[str, Any]:
    """Return what the passport says of the audit, of images that were run at a level or higher."""
    # τ was set by what this sample found: each doubling is one more look, and pays for it.
    confidence = 1 - (1 - CONFIDENCE) / 2 ** (level + 1)
    left = most_bad(counts.bad, counts.checked, counts.at_risk, confidence) - counts.bad
    told = {
        "precision": auditing.precision,
        "threshold": auditing.threshold * 2**level,
        "doubled": level,
        "sample_a_images": min(SAMPLE_IMAGES, auditing.images),
        "sample_b_images": counts.drawn,
        "sample_b_at_risk": counts.checked,
        "sample_b_pairs": counts.near,
        "sample_b_pairs_above": counts.above,
        "images_at_risk": counts.at_risk,
        "pairs": counts.pairs,
        "pairs_run": counts.run,
        "pairs_run_again": counts.again,
        "share_run_again": round(counts.again / max(1, counts.run), 6),
        "images_with_errors": counts.errors,
        "ties": counts.ties,
        "largest_change": left / counts.images,
        "confidence": CONFIDENCE,
    }
    return {"found": words(told), **told}


def words(told: dict[str, Any]) -> str:
    """Return in a sentence or two what an audit of low precision found."""
    doubled = f", after {told['doubled']} doublings" if told["doubled"] else ""
    errors = told["images_with_errors"]
    return (
        f"Measured in {told['precision']} and audited in float32: {told['share_run_again']:.1%} of "
        "the pairs of a filter and an image ran again, all whose best two logits are nearer than "
        f"{told['threshold']:.3g}{doubled} and a sample of the others. Of "
        f"{told['sample_b_images']:,} images drawn at random "
        + (f"{errors:,} had a wrong prediction" if errors else "none had a wrong prediction")
        + f" in {told['sample_b_pairs']:,} pairs up to 4 times that margin, and in "
        f"{told['sample_b_pairs_above']:,} above. At 95% confidence errors up to there change no "
        f"filter's CAR by more than {100 * told['largest_change']:.2g} points."
    )
