"""Ways to prune, held against one another on the same images."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.results_examples import pruning_path

from carviz.results import compare_paths


def rival(path, seed):
    random = np.random.default_rng(seed)
    predictions = random.integers(0, len(path.classes), path.predictions.shape)
    return dataclasses.replace(path, criterion="l1", predictions=predictions)


@given(st.integers(0, 100), st.integers(0, 3))
def test_what_is_ahead_is_the_difference_of_the_accuracies(seed, count):
    first = pruning_path()
    frame = compare_paths([first, rival(first, seed)], count)
    assert frame.accuracy["car"] == first.accuracy[count]
    assert frame.ahead["l1"] == pytest.approx(frame.accuracy["car"] - frame.accuracy["l1"])
    assert frame.low["l1"] <= frame.high["l1"]
    images = len(first.targets)
    assert (frame.better - frame.worse)["l1"] == pytest.approx(frame.ahead["l1"] * images)


def test_the_first_has_no_rival():
    first = pruning_path()
    frame = compare_paths([first, rival(first, 0), rival(first, 1)], 2)
    assert frame.loc["car", ["low", "high", "q_value"]].isna().all()
    assert frame.loc["car", "ahead"] == 0
    assert frame.loc["l1", "q_value"].between(0, 1).all()


def test_other_images_and_counts_are_refused():
    first = pruning_path()
    other = dataclasses.replace(first, targets=1 - first.targets)
    with pytest.raises(ValueError, match="same images"):
        compare_paths([first, other], 1)
    with pytest.raises(ValueError, match="found 99"):
        compare_paths([first], 99)
    with pytest.raises(ValueError, match="found none"):
        compare_paths([], 1)
