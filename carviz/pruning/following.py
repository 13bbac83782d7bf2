"""Orders of pruning followed on one set of images, each of them from the whole network."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import Checkpoint
from carviz.car import PASSING
from carviz.evaluate import check_kept_labels
from carviz.pruning.kept import Baseline, folder_name
from carviz.pruning.maps import HEAD
from carviz.pruning.pruning import Pruning
from carviz.pruning.ranked import find_place, run_without
from carviz.pruning.state import PruningState

Order = NDArray[np.int64]
"""(n,) filters in the order in which they go, as places among all filters, bank after bank."""
ASKED = ("criterion", "seed", "order")
"""What of a passport says what was asked for, and does not change where an order leads."""
Part = TypeVar("Part")


@dataclasses.dataclass(frozen=True, eq=False)
class RightImages:
    """How many images are right after each step of an order, (n+1,)."""

    right: NDArray[np.int64]


class Follower:
    """Follows orders; what the heads give for the whole network is computed once, for all of them.

    Nothing is computed before it is needed. Where the run has a checkpoint, each curve is kept by
    its order: whatever asks for that order again, by another criterion, say, finds it there.

    Parameters
    ----------
    pruning
        What is pruned, on which images, and how.
    what
        What is told of these images in the checkpoint's folder: "" or "held out".
    """

    def __init__(self, pruning: Pruning, what: str = "") -> None:
        self._of = pruning
        layers = [bank.layer for bank in pruning.banks]
        words = ["cumulative", "+".join(layers), what]
        self._name = folder_name(" ".join(filter(None, words)))
        kept = {k: v for k, v in pruning.passport.items() if k not in (*PASSING, *ASKED)}
        self._identity = {"classes": list(pruning.banks[0].classes), **kept}
        self._sizes = [len(bank.filters) for bank in pruning.banks]
        self._state: PruningState | None = None
        self._whole: Baseline | None = None

    def whole(self, tick: Callable[[], None]) -> Baseline:
        """Return what the whole network predicts.

        Raises
        ------
        ValueError
            If a label is outside the logits, logits are not finite, or labels are others than those
            that are kept.
        """
        if self._whole is None:
            self._whole = self._load(Baseline, "whole")
            if self._whole is None:
                self._ready(tick)
            elif self._of.banks[0].images.hints is None:
                # Not all labels enter the data's fingerprint.
                for chunk, _, labels in self._of.banks[0].images.in_batches(HEAD):
                    tick()
                    targets = self._whole.targets[chunk.start : chunk.stop]
                    check_kept_labels(targets, labels, self._of.run.checkpoint)
        assert self._whole is not None
        return self._whole

    def curve(self, order: Order, tell: Callable[[float], None], *, check: bool) -> RightImages:
        """Return how many images are right as filters go in an order.

        Parameters
        ----------
        tell
            Told the share of this order that is done, after every batch.
        check
            Whether the reference looks at the network that is half-way.
        """
        part = f"curve-{hashlib.sha256(order.tobytes()).hexdigest()[:16]}"
        kept = self._load(RightImages, part, order.tolist())
        if kept is not None:
            tell(1.0)
            return kept
        step = 0
        tick = lambda: tell(step / max(1, len(order)))  # noqa: E731
        whole, state = self.whole(tick), self._ready(tick).anew()
        right, half, found = [state.right], (len(order) + 1) // 2, whole.predictions
        gone: dict[str, list[int]] = {}
        for step, place in enumerate(order.tolist(), 1):
            bank, filter = find_place(self._sizes, place)
            images, answers = run_without(state, bank, filter, tick)
            state.take(*answers, images)
            state.prune(bank, filter)
            right.append(state.right)
            if step <= half:
                gone.setdefault(self._of.banks[bank].layer, []).append(filter)
            if step == half:
                found = state.predictions.copy()
        if check and gone:
            self._of.verify(gone, whole, found)
        curve = RightImages(np.asarray(right, np.int64))
        if self._of.network.watch is not None:
            self._of.network.watch.check()
        self._save(curve, part, order.tolist())
        tell(1.0)
        return curve

    def _ready(self, tick: Callable[[], None]) -> PruningState:
        """Return the whole network with what its heads give."""
        if self._state is None:
            state, known = self._of.new_state(), self._whole
            if known is not None:
                state.resume(known.targets, known.predictions, known.margins, tick)
            else:
                state.begin(len(self._of.banks[0].classes), tick)
                self._whole = Baseline(state.targets, state.predictions, state.margins)
                self._save(self._whole, "whole")
            if state.maps.whole:
                state.look(tick)  # what its heads give, for all orders
            self._state = state
        return self._state

    # -- what is on disk

    def _checkpoint(self, kind: type[Part], part: str) -> Checkpoint[Part] | None:
        folder = self._of.run.checkpoint
        if folder is None:
            return None
        return Checkpoint(Path(folder), self._name, self._identity, kind, part)

    def _load(self, kind: type[Part], part: str, of: object = None) -> Part | None:
        checkpoint = self._checkpoint(kind, part)
        return None if checkpoint is None else checkpoint.load(0, of)

    def _save(self, value: RightImages | Baseline, part: str, of: object = None) -> None:
        checkpoint: Checkpoint[Any] | None = self._checkpoint(type(value), part)
        if checkpoint is not None:
            checkpoint.save(0, value, of)
