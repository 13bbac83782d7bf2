"""Places on a drawing's axes are few, round and within it."""

import numpy as np
import pytest

from carviz.explorer.scatter import round_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3.2, 9.9, [-2, 0, 2, 4, 6, 8]),
        (1, 32, [5, 10, 15, 20, 25, 30]),
        (-0.04, 0.003, [-0.04, -0.03, -0.02, -0.01, 0]),
        (0, 0, [0]),
    ],
)
def test_ticks_are_few_round_and_within(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_there_are_eight_at_most_whatever_the_range():
    random = np.random.default_rng(0)
    for low, span in zip(random.normal(size=200), 10 ** random.uniform(-3, 3, 200), strict=True):
        ticks = round_ticks(low, low + span)
        assert 2 <= len(ticks) <= 8
        assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])
