"""CAR as a criterion of Torch-Pruning, so that its pruners can try it in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch_pruning as tp
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.ablation import Run
from carviz.car import measure_car
from carviz.evaluate import Data, Images, Progress, fingerprint_model
from carviz.results import CarTable


class CarImportance(tp.importance.Importance):  # type: ignore[misc]
    """CAR as Torch-Pruning's importance: the accuracy lost without each filter.

    ``tp.pruner.BasePruner(model, images, importance=carviz.CarImportance(model, data))``

    A group's channel has the mean CAR of the filters that make it up, one of each convolution in
    the group, as Torch-Pruning's own criteria take the mean over layers. Most filters of a bank
    may change no prediction: equal CARs are told apart by the mean fall of the log-probability of
    each image's label, scaled to less than half an image, so that it never overrules CAR (a run in
    bfloat16 leaves that out: there they stay equal). A bank is measured once, and again when the
    model has changed. Groups without a convolution (linear layers) are left out, so that a pruner
    leaves them alone.

    Parameters
    ----------
    model
        The network that the pruner prunes: the same object. Measuring does not touch it.
    data
        Images with labels, as `carviz.measure_car` takes them. Use a few hundred or more: one
        image is the smallest step that CAR can take.
    run
        How to run; None for the defaults.
    progress
        True for a progress bar for each bank; a function to be told the share done, 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `carviz.measure_car`; or if a group is of another model.

    Examples
    --------
    >>> import torch
    >>> import torch_pruning as tp
    >>> from torch import nn
    >>> conv = nn.Conv2d(1, 3, 1, bias=False)  # filter 2 misleads
    >>> head = nn.Linear(3, 2, bias=False)
    >>> _ = conv.weight.data.copy_(torch.tensor([1.0, -1.0, 1.0]).view(3, 1, 1, 1))
    >>> _ = head.weight.data.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 3.0]]))
    >>> model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    >>> images = torch.tensor([1.0, 2.0, -1.0, -2.0]).view(4, 1, 1, 1)
    >>> importance = CarImportance(model, (images, torch.tensor([0, 0, 1, 1])), progress=False)
    >>> tp.pruner.BasePruner(
    ...     model, images, importance=importance, pruning_ratio=0.3, ignored_layers=[head]
    ... ).step()
    >>> model[0].weight.flatten().tolist()
    [1.0, -1.0]
    """

    def __init__(
        self, model: nn.Module, data: Data, *, run: Run | None = None, progress: Progress = True
    ) -> None:
        self.model = model
        self.data = Images(data)
        self.run = run
        self.progress = progress
        self._measured: dict[str, NDArray[np.float64]] = {}
        self._of = ""

    def __call__(self, group: Any, **_: Any) -> Tensor | None:
        """Return the importance (channel,) of a `torch_pruning.Group`, or None to leave it out."""
        # Torch-Pruning's group numbers its channels by those of its first layer.
        place = {root: i for i, root in enumerate(group[0].root_idxs)}
        total = torch.zeros(len(place), dtype=torch.float64)
        banks = 0
        for item in group:
            if not _prunes_filters(group, item):
                continue
            scores = self._scores(item.dep.target.module)
            if any(root not in place for root in item.root_idxs):
                continue
            rows = torch.tensor([place[root] for root in item.root_idxs])
            total.index_add_(0, rows, torch.as_tensor(scores[item.idxs]))
            banks += 1
        return (total / banks).float() if banks else None

    def _scores(self, convolution: nn.Conv2d) -> NDArray[np.float64]:
        """Return each filter's score (filter,), measured where it is not known."""
        names = [name for name, module in self.model.named_modules() if module is convolution]
        if not names:
            raise ValueError(
                "CarImportance measures the model that is pruned; a group's convolution "
                f"({convolution}) is not in the model that it was given. Give both the same."
            )
        now = fingerprint_model(self.model)
        if now != self._of:
            self._measured, self._of = {}, now
        if names[0] not in self._measured:
            self._measured[names[0]] = self._measure(names[0])
        return self._measured[names[0]]

    def _measure(self, layer: str) -> NDArray[np.float64]:
        table = measure_car(self.model, self.data, layer, progress=self.progress, run=self.run)
        return scores_of(table)


def scores_of(table: CarTable) -> NDArray[np.float64]:
    """Return CAR (filter,), ties told apart by the mean fall of log p by less than half an image.

    The order is that of (CAR, fall): two filters whose CAR differs at all differ by an image.
    """
    images = len(table.targets)
    count = np.bincount(table.targets, minlength=len(table.classes))
    fall = np.nansum(table.log_prob_drop * count, axis=1) / images
    return np.asarray(table.car + fall / (1 + np.abs(fall)) / (2.01 * images), dtype=np.float64)


def _prunes_filters(group: Any, item: Any) -> bool:
    """Whether an item takes filters off a convolution."""
    removes = group._DG.is_out_channel_pruning_fn(item.dep.handler)
    return isinstance(item.dep.target.module, nn.Conv2d) and bool(removes)
