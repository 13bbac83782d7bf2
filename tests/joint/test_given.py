"""Sets as they are given: told in words what is wrong with them."""

import numpy as np
import pytest
import torch

from carviz.joint.given import bank_names, check_mappings, check_sets


def test_sets_come_in_one_form():
    assert check_sets([[2, 1], (0,)], "conv", 3) == [(1, 2), (0,)]
    assert check_sets(np.array([[2, 0], [1, 2]]), "conv", 3) == [(0, 2), (1, 2)]
    assert check_sets(torch.tensor([[2, 0]]), "conv", 3) == [(0, 2)]
    assert check_sets(iter([range(3)]), "conv", 3) == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("sets", "error", "words"),
    [
        ([1, 2], TypeError, r"lists of lists; found \[1, 2\]. Did you mean \[\[1, 2\]\]\?"),
        (3, TypeError, "a list of sets of filters; found 3"),
        ("1,2", TypeError, "a list of sets of filters; found '1,2'"),
        (
            {"conv": [1]},
            TypeError,
            r"found \{'conv': \[1\]\}. Did you mean a list of it, \[\{'conv': \[1\]\}\]",
        ),
        ([], ValueError, "one set at least; found an empty list"),
        ([[0], []], ValueError, r"A set has a filter at least; sets\[1\] is empty"),
        ([[0, 0]], ValueError, "in a set once; found 0 twice"),
        ([[0, 3]], ValueError, "'conv' has filters 0 to 2; found 3"),
        ([[0, -1]], ValueError, "filters 0 to 2; found -1"),
        ([[0.5]], TypeError, "found 0.5 among them"),
        ([[True, 1]], TypeError, "whole numbers"),
        ([[0, 1], [2], [1, 0]], ValueError, r"sets\[2\] is sets\[0\] again"),
        ([{"conv": [1]}], TypeError, "layer=None"),
        ([[1], 2], TypeError, r"sets\[1\] are filters' numbers; found 2"),
    ],
)
def test_what_is_no_set_is_told(sets, error, words):
    with pytest.raises(error, match=words):
        check_sets(sets, "conv", 3)


def test_mappings_come_in_the_order_of_banks():
    banks = {"a": 3, "b": 2}
    assert check_mappings([{"b": [1, 0], "a": [2]}], banks) == [(("a", 2), ("b", 0), ("b", 1))]
    assert bank_names([{"b": [1]}, {"a": [0], "b": [0]}]) == ["b", "a"]


@pytest.mark.parametrize(
    ("sets", "error", "words"),
    [
        ([[0, 1]], TypeError, r"mappings from a bank's name.*\{'a': \[0, 1\]\}; found \[0, 1\]"),
        ([{}], ValueError, r"sets\[0\] is empty"),
        ([{"a": []}], ValueError, "is empty"),
        ([{"a": [0], "b": [2]}], ValueError, "'b' has filters 0 to 1; found 2"),
        ([{"a": [0]}, {"a": [0]}], ValueError, "again"),
    ],
)
def test_what_is_no_mapping_is_told(sets, error, words):
    with pytest.raises(error, match=words):
        check_mappings(sets, {"a": 3, "b": 2})


def test_a_bank_has_a_name():
    with pytest.raises(TypeError, match="bank's name; found 3"):
        bank_names([{3: [0]}])
