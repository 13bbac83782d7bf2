"""Counts of colour-selective filters are told twice."""

import numpy as np
import pytest
from results_examples import selectivity_table

from carviz.results import SelectivityTable


def test_counts_with_and_without_faint_filters():
    counts = selectivity_table().counts()
    assert counts.loc["all", ["color", "shape", "dead"]].tolist() == [2, 1, 1]
    assert counts.loc["without faint", ["color", "shape", "dead"]].tolist() == [1, 1, 0]
    assert counts.color_share.tolist() == [2 / 3, 1 / 2]


def test_frame():
    frame = selectivity_table().to_frame()
    assert frame.faint.tolist() == [False, False, True, True]
    assert frame.kind.tolist() == ["shape", "color", "dead", "color"]


@pytest.mark.parametrize(
    ("kind", "index"), [(["green"], [0.5]), (["dead"], [0.5]), (["color"], [np.nan])]
)
def test_what_contradicts_itself_is_refused(kind, index):
    with pytest.raises(ValueError, match="SelectivityTable"):
        SelectivityTable("conv", threshold=0.5, color_index=index, kind=kind, energy=[1.0])
