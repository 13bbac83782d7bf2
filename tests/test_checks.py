"""Numbers, numbers of filters, names and folders are checked by one rule each."""

import math

import numpy as np
import pytest
import torch

from carviz import checks


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), torch.arange(9)[3]]
)
def test_whole_numbers_of_every_library_are_whole(value):
    assert checks.is_whole(value)
    assert checks.check_whole(value, "k") == 3
    assert type(checks.check_whole(value, "k")) is int
    assert checks.check_filters([value], 4, "conv") == [3]


@pytest.mark.parametrize(
    "value",
    [
        True, np.True_, torch.tensor(True), 3.0, np.float32(3), torch.tensor(3.0), "3", None, [3],
        np.array([3]), torch.tensor([3]), math.nan,
    ],
)  # fmt: skip
def test_others_are_not(value):
    assert not checks.is_whole(value)
    with pytest.raises(TypeError, match="k is a whole number; found"):
        checks.check_whole(value, "k")
    with pytest.raises(TypeError, match="filter is a filter's number in its bank; found"):
        checks.check_filter(value, 4, "conv")
    with pytest.raises(TypeError, match=r"filters are filters' numbers; found .* among them"):
        checks.check_filters([0, value], 4, "conv")


@pytest.mark.parametrize(
    ("value", "options", "error", "words"),
    [
        (0, {}, ValueError, "k is 1 or more; found 0."),
        (0, {"what": "so many"}, ValueError, "k is so many, 1 or more; found 0."),
        (7, {"least": 0, "most": 6, "note": "all"}, ValueError, "k is 0 to 6 (all); found 7."),
        (0.5, {"or_none": True}, TypeError, "k is a whole number or None; found 0.5."),
        (None, {"what": "so many"}, TypeError, "k is so many, a whole number; found None."),
        (np.zeros(999), {}, TypeError, "k is a whole number; found a ndarray."),
    ],
)
def test_an_error_says_rule_and_found(value, options, error, words):
    with pytest.raises(error) as caught:
        checks.check_whole(value, "k", **options)
    assert str(caught.value) == words


def test_fractions_and_what_is_above_zero():
    assert checks.check_fraction(np.float64(0.5), "floor", "an accuracy") == 0.5
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"floor is an accuracy, in \[0, 1\]; found .*Leave"):
            checks.check_fraction(wrong, "floor", "an accuracy", "Leave it out.")
    for wrong in (True, "1", None):
        with pytest.raises(TypeError, match=r"floor is a number in \[0, 1\] or None; found"):
            checks.check_fraction(wrong, "floor", "an accuracy", or_none=True)
        with pytest.raises(TypeError, match="rate is a number; found"):
            checks.check_above_zero(wrong, "rate")
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="rate is a number above 0; found"):
            checks.check_above_zero(wrong, "rate")
    assert checks.check_above_zero(math.inf, "timeout", endless=True) == math.inf


@pytest.mark.parametrize("filters", [[2, 0], (2, 0), np.array([2, 0]), torch.tensor([2, 0])])
def test_filters_keep_the_order_given(filters):
    assert checks.check_filters(filters, 3, "conv", once="measured", some=True) == [2, 0]
    assert checks.check_filters(iter(filters), 3, "conv") == [2, 0]


@pytest.mark.parametrize(
    ("filters", "options", "error", "words"),
    [
        (2, {}, TypeError, "found 2, not a list of whole numbers. Write [2]."),
        ("01", {"name": "among"}, TypeError, "among are filters' numbers; found '01', not a list"),
        ({0: 1}, {}, TypeError, "found {0: 1}, not a list of whole numbers."),
        ([3], {}, ValueError, "number in its bank; 'conv' has filters 0 to 2; found 3."),
        ([-1], {}, ValueError, "found -1."),
        ([], {"some": True}, ValueError, "found an empty list."),
        ([1, 1], {"once": "pruned"}, ValueError, "Each filter is pruned once; found 1 twice."),
    ],
)
def test_filters_that_are_refused(filters, options, error, words):
    with pytest.raises(error) as caught:
        checks.check_filters(filters, 3, "conv", **options)
    assert words in str(caught.value)


def test_repetitions_and_none_are_for_the_caller_to_refuse():
    assert checks.check_filters([1, 1], 3, "conv") == [1, 1]
    assert checks.check_filters([], 3, "conv") == []


def test_near_names():
    assert checks.near_names("featrues.0", ["features.0", "head"]) == ["features.0"]
    assert checks.did_you_mean("tailor", ["car", "taylor"]) == " Did you mean 'taylor'?"
    assert checks.did_you_mean("xyz", ["car", "taylor"]) == ""
    assert checks.did_you_mean(7, ["car"]) == ""


def test_folders(tmp_path):
    checks.check_home(tmp_path / "file")
    checks.check_folder(tmp_path, "Tables are read from a folder")
    checks.check_no_file(tmp_path / "new", "The tables")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"The table is saved .* does not\. Make it first"):
        checks.check_home(tmp_path / "none" / "file", "The table")
    with pytest.raises(FileNotFoundError, match=r"read from a folder; there is no .*none'\."):
        checks.check_folder(tmp_path / "none", "Tables are read from a folder")
    with pytest.raises(NotADirectoryError, match=r"'.*file' is a file\. Choose another path"):
        checks.check_no_file(tmp_path / "file", "The tables")
