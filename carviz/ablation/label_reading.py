"""Read of each label whether it is predicted: networks whose labels do not exclude one another."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from carviz.ablation.facts import Facts, Tick
from carviz.ablation.readings import AnswerReading, Numbers, Pairs
from carviz.ablation.tails import Tail
from carviz.ablation.truth import AGREEMENT
from carviz.ablation.verifying import TIES, Claim


@dataclasses.dataclass(frozen=True)
class LabelFacts(Facts):
    """What one chunk of m images says of L labels: axes filter (F), label and image.

    `targets` and `baseline` are (L, m), 0 or 1; `predictions` (F, L, m), and `drop` (F, L, m) the
    fall of the log-likelihood of each label, in nats.
    """


class LabelPredictions(NamedTuple):
    """What pairs were found to be: (pair, label) each, and (pair,) whether logits are finite."""

    predicted: NDArray[np.uint8]
    log_p: NDArray[np.float32]
    finite: NDArray[np.bool_]


class LabelReading(AnswerReading):
    """Read of each label whether its logit is above 0, and the log-likelihood of what is true."""

    kind: ClassVar[type[Any]] = LabelFacts

    def ask(self, tail: Tail, pairs: Pairs, targets: Any, tick: Tick | None) -> LabelPredictions:
        """Run pairs, and return what is read of them; see `AnswerReading.ask`."""
        shape, device = (len(pairs.rows), targets.shape[1]), targets.device
        predicted = torch.empty(shape, dtype=torch.uint8, device=device)
        log_p = torch.empty(shape, dtype=torch.float32, device=device)
        finite = torch.empty(shape[0], dtype=torch.bool, device=device)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            predicted[part] = logits > 0
            log_p[part] = log_likelihood(logits, targets[images])
            finite[part] = torch.isfinite(logits).all(1)

        tail.run(pairs.rows, pairs.sets, read, tick)
        found = LabelPredictions(*(x.cpu().numpy() for x in (predicted, log_p, finite)))
        pairs.check_finite(found.finite, tail.value)
        return found

    def facts(
        self, targets: Tensor, before: Any, after: Any, places: Numbers, rows: Numbers,
        filters: int,
    ) -> LabelFacts:  # fmt: skip
        """Return what comes of a chunk; see `AnswerReading.facts`."""
        predictions = np.repeat(before.predicted.T[None], filters, axis=0)
        predictions[places, :, rows] = after.predicted
        drop = np.zeros(predictions.shape, np.float32)
        drop[places, :, rows] = before.log_p[rows] - after.log_p
        return LabelFacts(self.kept(targets), before.predicted.T, predictions, drop)  # type: ignore[arg-type]

    def kept(self, targets: Tensor) -> NDArray[np.uint8]:
        """Return what facts keep of the targets of a chunk."""
        return np.ascontiguousarray(targets.cpu().numpy().T.astype(np.uint8))

    def check(self, targets: Tensor, classes: int, numbers: list[int]) -> None:
        """Refuse rows that are not the network's logits, one each."""
        if targets.shape[1] != classes:
            raise ValueError(
                "A row of labels has a label for each of the network's logits; image "
                f"{numbers[0]} has {targets.shape[1]} labels, the network {classes} logits. Check "
                "that data and network have the same labels."
            )

    def shapes(self, images: int, filters: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        one, all_of_it = (classes, images), (filters, classes, images)
        return {"targets": one, "baseline": one, "predictions": all_of_it, "drop": all_of_it}

    def nonsense(self, facts: Any, classes: int) -> str:
        """Return what of arrays of the right form cannot be read; "" if nothing."""
        for name in ("baseline", "predictions"):
            found = getattr(facts, name)
            if found.min(initial=0) < 0 or found.max(initial=0) > 1:
                return f"its {name} are neither 0 nor 1"
        return ""

    def flips(self, facts: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (m,) and (F, m) numbers that differ where a filter changes something."""
        changed = (facts.predictions != facts.baseline).any(1)
        return np.zeros(changed.shape[1], np.int32), changed.astype(np.int32)

    def claim(self, facts: Any, place: int, at: int, **known: Any) -> Claim:
        """Return what was found of a pair, for the reference to look at."""
        known.pop("object", None)
        return LabelClaim(
            **known, target=-1, predicted=-1, targets=facts.targets[:, at],
            found=facts.predictions[place, :, at], drops=facts.drop[place, :, at],
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LabelClaim(Claim):
    """What was found of the labels of one image without some filters.

    Parameters
    ----------
    targets, found, drops
        (label,) what is true, what was predicted, and the fall of the log-likelihood.
    """

    targets: NDArray[np.uint8]
    found: NDArray[np.uint8]
    drops: NDArray[np.float32]

    def fault(self, whole: Tensor, without: Tensor, rounding: float, coarseness: float) -> str:
        """Return what the network itself says otherwise; see `Claim.fault`."""
        logits = without[0].double().cpu().numpy()
        allowed = TIES * float(np.abs(logits).max()) + 2 * rounding + coarseness
        wrong = ((logits > 0) != (self.found > 0)) & (np.abs(logits) > allowed)
        if wrong.any():
            label = int(np.argmax(wrong))
            said = "predicts" if logits[label] > 0 else "does not predict"
            return f"{said} label {label}, whose logit is {logits[label]:.3g}; found was the other"
        true = torch.as_tensor(self.targets)[None]
        before, after = (log_likelihood(x.double().cpu(), true)[0] for x in (whole, without))
        drops, moved = (before - after).numpy(), float((without - whole).abs().max())
        # A log-likelihood is off by the largest error of a logit at most, a fall by twice that.
        off = np.abs(drops - self.drops) > 2 * AGREEMENT * moved + 4 * rounding + 1e-6
        if off.any():
            label = int(np.argmax(off))
            return (
                f"has the log-likelihood of label {label} fall by {drops[label]:.6g}; found was "
                f"{self.drops[label]:.6g}"
            )
        return ""


def log_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (row, label) the log-probability of what is true of each label."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return logsigmoid(torch.where(targets > 0, wide, -wide))
