"""One small record of each kind, for tests."""

import numpy as np

from carviz.results import CarTable, SelectivityTable


def car_table() -> CarTable:
    return CarTable(
        "conv", filters=[0, 1], classes=("cat", "größer, Ж"), images=[0, 1, 2], total=4,
        targets=[0, 1, 1], baseline=[0, 1, 0], predictions=[[0, 0, 0], [0, 1, 1]],
        log_prob_drop=[[0.0, 0.4], [np.nan, -0.3]], passport={"model": "abc", "seed": 0},
    )  # fmt: skip


def selectivity_table() -> SelectivityTable:
    return SelectivityTable(
        "conv", threshold=0.5, color_index=[0.1, 0.9, np.nan, 0.7],
        kind=["shape", "color", "dead", "color"], energy=[1.0, 1.0, 0.0, 0.05],
        passport={"model": "abc"},
    )  # fmt: skip
