"""A table of scores: what derives from it, and what it refuses."""

import numpy as np
import pytest
from support.results_examples import score_table

from carviz.results import ScoreTable


def test_what_is_read_from_it():
    table = score_table()
    assert table.score == pytest.approx(1.75 / 3)
    assert table.fall.tolist() == pytest.approx([0.25 / 3, -0.25 / 3])
    assert table.moved.tolist() == [1, 1]
    assert table.order.tolist() == [2, 0]
    assert table.rank(0) == 2
    assert not table.complete
    assert "3 of 6 images, score 0.583" in repr(table)
    low, high = table.interval
    assert (low < table.fall).all()
    assert (table.fall < high).all()
    frame = table.to_frame()
    assert frame["filter"].tolist() == [2, 0]
    assert frame["q_value"].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="not 7"):
        table.row(7)


def test_no_filter_has_an_interval_of_no_width():
    table = ScoreTable("conv", [0], [0, 1], 2, [0.5, 0.5], [[0.5, 0.5]])
    low, high = table.interval
    assert low[0] < 0 < high[0]
    assert table.p_value.tolist() == [1.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": [0.5, 1.5]}, "`baseline` are scores 0 to 1; found 1.5"),
        ({"scores": [[0.5, np.nan]]}, "numbers; found NaN"),
        ({"scores": [[0.5]]}, "`scores` has shape"),
        ({"images": [1, 0]}, "ascend"),
        ({"filters": []}, "an image and a filter at least"),
        ({"filters": [-1]}, "numbers of filters"),
        ({"total": 1}, "counts the images"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, words):
    values = {
        "layer": "conv", "filters": [0], "images": [0, 1], "total": 2, "baseline": [0.5, 0.5],
        "scores": [[0.5, 0.5]],
    }  # fmt: skip
    with pytest.raises(ValueError, match=words):
        ScoreTable(**{**values, **changes})
