"""What is still known from the steps before: answers that the filter pruned last cannot change.

A filter whose channel is zero for an image does nothing there. Where the filter that goes for good
is so, in the network without a candidate as well, that network computes for that image the very
numbers that it computed before: the candidate's answer of the step before still holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import GraphPlan, Plan
from carviz.banks import Network, ancestors

UNKNOWN = -1
"""Stands for the class where none is known."""
BYTES = 6
"""What an answer takes: a class of 4 bytes, and a margin of 2."""
LARGEST = float(np.finfo(np.float16).max)


class KnownAnswers:
    """Answers for (filter, image) pairs that hold for the network as pruned so far.

    It takes `BYTES` for each pair of `filters` and the first images, as many as `room` holds.

    Parameters
    ----------
    filters
        How many filters there are, of all banks.
    images
        How many images there are.
    room
        Bytes that it may take.

    Attributes
    ----------
    classes, margins
        (filter, image) the class that is predicted, `UNKNOWN` where it is not known, and by how
        much the true class is ahead: roughly, as margins only say which images come first.
    """

    def __init__(self, filters: int, images: int, room: int) -> None:
        count = min(images, room // (BYTES * filters))
        self.classes = np.full((filters, count), UNKNOWN, np.int32)
        self.margins = np.zeros((filters, count), np.float16)

    def put(
        self, filter: int, images: NDArray[np.int64],
        classes: NDArray[np.int32], margins: NDArray[np.float32],
    ) -> None:  # fmt: skip
        """Take in what is predicted for images without a filter."""
        held = images < self.classes.shape[1]
        images = images[held]
        self.classes[filter, images] = classes[held]
        self.margins[filter, images] = np.clip(margins[held], -LARGEST, LARGEST)

    def has(self, filter: int, images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which images it is known what is predicted without a filter."""
        found = np.zeros(len(images), np.bool_)
        held = images < self.classes.shape[1]
        found[held] = self.classes[filter, images[held]] != UNKNOWN
        return found

    def get(
        self, filter: int, images: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return classes and margins without a filter for images of which they are known."""
        return self.classes[filter, images], self.margins[filter, images].astype(np.float32)

    def forget(self, filters: slice, images: NDArray[np.bool_]) -> None:
        """Forget what is known of filters on some of all images (image,)."""
        chosen = images[: self.classes.shape[1]]
        self.classes[filters, chosen] = UNKNOWN
        self.margins[filters, chosen] = 0  # so that it packs well

    def recall(self, classes: NDArray[np.int32], margins: NDArray[np.float16]) -> None:
        """Go on with what another one knew, as far as there is room here."""
        count = min(classes.shape[1], self.classes.shape[1])
        self.classes[:, :count] = classes[:, :count]
        self.margins[:, :count] = margins[:, :count]


def find_wakers(network: Network, plans: Mapping[str, Plan]) -> NDArray[np.bool_]:
    """Return (bank, other) whether the loss of a filter may change what a bank's others do.

    It may change a channel of another bank that is computed from it. Filters of one bank do not
    read one another where it is known which are silent; see `GraphPlan.active`. Where a plan is
    not cut from the graph, or images are tied to one another, anything may change.

    Parameters
    ----------
    network
        The network, of which nothing is silenced yet.
    plans
        By bank, how it is ablated.
    """
    by_graph = [isinstance(plan, GraphPlan) and plan.rows_independent for plan in plans.values()]
    if not all(by_graph):
        return np.ones((len(plans), len(plans)), np.bool_)
    ends = [network.unit_ends(layer) for layer in plans]
    above = [{*ancestors(nodes), *nodes} for nodes in ends]
    found = [[not nodes.isdisjoint(own) for nodes in above] for own in ends]
    return np.array(found) & ~np.eye(len(plans), dtype=np.bool_)
