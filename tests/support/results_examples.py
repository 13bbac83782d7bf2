"""One small record of each kind, for tests."""

import numpy as np

from carviz.pictures import Exciting
from carviz.results import (
    CarTable,
    CumulativeTable,
    JointTable,
    LabelTable,
    PairTable,
    PruningPath,
    ScoreTable,
    SelectivityTable,
    SiblingTable,
)


def car_table() -> CarTable:
    return CarTable(
        "conv", filters=[0, 1], classes=("cat", "größer, Ж"), images=[0, 1, 2], total=4,
        targets=[0, 1, 1], baseline=[0, 1, 0], predictions=[[0, 0, 0], [0, 1, 1]],
        log_prob_drop=[[0.0, 0.4], [0.2, -0.3]], passport={"model": "abc", "seed": 0},
    )  # fmt: skip


def label_table() -> LabelTable:
    return LabelTable(
        "conv", filters=[4, 1], labels=("cat", "dog", "größer, Ж"), images=[0, 2, 3], total=5,
        positives=[2, 1, 0], right=[2, 3, 3], right_positives=[1, 1, 0],
        lost=[[1, 0, 0], [0, 2, 1]], gained=[[0, 0, 0], [1, 0, 0]],
        lost_positives=[[1, 0, 0], [0, 1, 0]], gained_positives=[[0, 0, 0], [1, 0, 0]],
        right_labels=[3, 3, 2], right_without=[[2, 3, 2], [2, 2, 2]],
        log_prob_drop=[[0.5, 0.0, 0.1], [-0.5, 1.0, 0.25]], passport={"targets": "labels"},
    )  # fmt: skip


def score_table() -> ScoreTable:
    return ScoreTable(
        "conv", filters=[2, 0], images=[1, 4, 5], total=6, baseline=[0.5, 1.0, 0.25],
        scores=[[0.5, 0.75, 0.25], [0.5, 1.0, 0.5]],
        passport={"score": {"name": "a.b", "code": "unknown"}},
    )  # fmt: skip


def selectivity_table() -> SelectivityTable:
    return SelectivityTable(
        "conv", threshold=0.5, color_index=[0.1, 0.9, np.nan, 0.7],
        kind=["shape", "color", "dead", "color"], energy=[1.0, 1.0, 0.0, 0.05],
        passport={"model": "abc"},
    )  # fmt: skip


def exciting() -> Exciting:
    return Exciting(
        "conv", images=3, size=(8, 6), image=[[2, 0], [1, -1]], row=[[0, 1], [1, -1]],
        column=[[2, 0], [0, -1]], response=[[3.5, 0.5], [1.0, np.nan]],
        box=[[[0, 4, 3, 7], [2, 0, 5, 3]], [[2, 0, 5, 3], [-2, -2, 1, 1]]],
        passport={"model": "abc"},
    )  # fmt: skip


def pruning_path() -> PruningPath:
    return PruningPath(
        "car", banks=("conv1", "conv2"), bank_sizes=[3, 2], layers=("conv1", "conv2", "conv1"),
        order=[2, 0, 1], classes=("cat", "größer, Ж", "none"), targets=[0, 1, 1, 0],
        baseline=[0, 1, 0, 0], predictions=[[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]],
        decided_by_tie=[True, False, False], evaluated=[12, 9, 8], naive=[20, 16, 12],
        passport={"model": "abc"},
    )  # fmt: skip


def sibling_table() -> SiblingTable:
    nan = np.nan
    return SiblingTable(
        "conv", images=5, places=320,
        by_weights=[
            [1.0, 0.5, 0.5, nan], [0.5, 1.0, -0.3, nan], [0.5, -0.3, 1.0, nan], [nan] * 4,
        ],
        by_activation=[
            [1.0, 0.9, -0.2, 0.1], [0.9, 1.0, 0.2, 0.3], [-0.2, 0.2, 1.0, 0.0],
            [0.1, 0.3, 0.0, 1.0],
        ],
        passport={"model": "abc"},
    )  # fmt: skip


def joint_table() -> JointTable:
    return JointTable(
        "", banks=("a", "b"), bank=[0, 0, 1], filters=[1, 4, 1], members=[0, 2, 0, 1, 2],
        sizes=[2, 3], classes=("cat", "größer, Ж"), images=[0, 1, 5], targets=[0, 1, 1],
        baseline=[0, 1, 0], predictions=[[1, 1, 0], [1, 0, 1]],
        image_log_prob_drop=[[1.0, 0.5, 0.0], [2.0, 1.5, -0.5]],
        single_predictions=[[0, 1, 0], [1, 1, 0], [0, 1, 1]],
        single_image_log_prob_drop=[[0.5, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, -0.5]],
        passport={"model": "abc", "sets": {"pairs": 6, "ran": 4}},
    )  # fmt: skip


def pair_table() -> PairTable:
    """Pairs (0, 1), redundant, (0, 2), which make up for one another, and (1, 2): 40 images."""
    alone = np.zeros((3, 40), np.int32)
    alone[2, :20] = 1  # lost without filter 2
    together = np.zeros((3, 40), np.int32)
    together[0, :30] = 1
    together[2, :20] = 1
    return PairTable(
        "conv", banks=("conv",), bank=[0, 0, 0], filters=[2, 3, 7], members=[0, 1, 0, 2, 1, 2],
        sizes=[2, 2, 2], classes=("cat", "dog"), images=range(40), targets=[0] * 40,
        baseline=[0] * 40, predictions=together, image_log_prob_drop=0.5 * together,
        single_predictions=alone, single_image_log_prob_drop=0.25 * alone,
        passport={"model": "abc"},
    )  # fmt: skip


def cumulative_table() -> CumulativeTable:
    return CumulativeTable(
        "l1", banks=("conv1", "größer, Ж"), bank_sizes=[2, 1],
        layers=("größer, Ж", "conv1", "conv1"), order=[0, 1, 0], seed=3, targets=[0, 1, 1, 0],
        right_up=[4, 3, 2], right_down=[4, 2, 1], random_orders=[[0, 1], [2, 0], [1, 2]],
        right_random=[[4, 2, 1], [4, 3, 3], [4, 1, 0]], held_targets=[1, 1], held_up=[2, 2, 1],
        held_down=[2, 1, 0], held_random=[[2, 2, 2], [2, 1, 1], [2, 0, 0]],
        passport={"model": "abc", "chosen_on": "no images"},
    )  # fmt: skip
