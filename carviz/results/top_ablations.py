"""What a record of ablations derives from the classes of the highest logits, beside the first."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.ablations import Ablations, Floats, Integers
from carviz.results.statistics import paired_columns


class TopAblations(Ablations):
    """Ablations (R) of which is known whether the true class is among the `top` highest logits.

    Of equal logits those of lower classes come first. Where `top` is 1 this is what `predictions`
    say. Names begin with `top_`, and mean what those without mean of the first class alone.

    Attributes
    ----------
    top
        How many classes are looked at.
    top_baseline, top_predictions
        (M,) and (R, M) whether the true class is among them, with everything and under each
        ablation; empty where `top` is 1.
    """

    top: int
    top_baseline: NDArray[np.bool_]
    top_predictions: NDArray[np.bool_]

    def _check_top(self, rows: int) -> None:
        """Refuse answers among the first classes that contradict the first one."""
        M, K = len(self.targets), len(self.classes)
        if self.top == 1:
            self._check_shapes({"top_baseline": (0,), "top_predictions": (0, 0)})
            return
        if not 1 < self.top < K:
            raise self._reject(f"`top` is 1 to {K - 1}, fewer than the classes", str(self.top))
        self._check_shapes({"top_baseline": (M,), "top_predictions": (rows, M)})
        for name in ("baseline", "predictions"):
            if ((getattr(self, name) == self.targets) & ~getattr(self, f"top_{name}")).any():
                raise self._reject("what is predicted is among the first classes", f"`top_{name}`")

    @cached_property
    def _hits(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        if self.top == 1:
            return self.baseline == self.targets, self.predictions == self.targets
        return self.top_baseline, self.top_predictions

    @cached_property
    def top_accuracy(self) -> float:
        """Share of the images whose true class is among the `top` first, a fraction."""
        return float(np.mean(self._hits[0]))

    @cached_property
    def top_lost(self) -> Integers:
        """(R,) images whose true class is among the `top` first, and is not without it."""
        before, after = self._hits
        return np.asarray((before & ~after).sum(axis=1))

    @cached_property
    def top_gained(self) -> Integers:
        """(R,) images whose true class comes among the `top` first without it."""
        before, after = self._hits
        return np.asarray((~before & after).sum(axis=1))

    @cached_property
    def top_car(self) -> Floats:
        """(R,) fall of `top_accuracy` without it: (top_lost - top_gained) / images."""
        return np.asarray((self.top_lost - self.top_gained) / len(self.targets))

    @cached_property
    def _top_paired(self) -> dict[str, NDArray[Any]]:
        images = np.full(len(self.predictions), len(self.targets))
        return paired_columns(self.top_lost, self.top_gained, images)

    @property
    def top_interval(self) -> tuple[Floats, Floats]:
        """(R,) and (R,): the 95% interval of `top_car`, Agresti-Min's, low and high."""
        return self._top_paired["low"], self._top_paired["high"]

    @property
    def top_q_value(self) -> Floats:
        """(R,) q of the exact sign test of `top_car`, over all rows (Benjamini-Hochberg)."""
        return self._top_paired["q_value"]

    def _top_columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of `to_frame` about the `top` first classes; none where that is 1."""
        if self.top == 1:
            return {}
        names = ("car", "lost", "gained", "low", "high", "p_value", "q_value")
        return {f"top{self.top}_{name}": self._top_paired[name] for name in names}
