"""A value is stored as it is, or refused: never cut, wrapped or guessed."""

import numpy as np
import pytest
import torch

from carviz.results.casting import cast, plain


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, 2], np.int32),
        (range(3), np.int64),
        ([1.0, -2.0], np.int32),
        (np.array([1, 2], np.uint8), np.int64),
        (np.array([2**31 - 1], np.int64), np.int32),
        (torch.tensor([1, 2]), np.int64),
        ([], np.int64),
        ([[]], np.bool_),
        ([True], np.bool_),
        ([1, 2], np.float64),
        ([np.nan, np.inf], np.float64),
        (["color"], np.str_),
    ],
)
def test_what_can_be_stored_is(value, dtype):
    found = cast(value, dtype)
    assert found.dtype.kind == np.dtype(dtype).kind
    np.testing.assert_array_equal(found, np.asarray(value))
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("value", "dtype", "rule", "found"),
    [
        ([0.9, 1.2], np.int32, "whole numbers", "0.9"),
        ([np.nan], np.int32, "whole numbers", "nan"),
        ([np.inf], np.int64, "whole numbers", "inf"),
        ([2**31], np.int32, "whole numbers of int32", "2147483648 to 2147483648"),
        ([-(2**31) - 1, 0], np.int32, "whole numbers of int32", "-2147483649 to 0"),
        (np.array([2**63], np.uint64), np.int64, "whole numbers of int64", "9223372036854775808"),
        ([1e30], np.int64, "whole numbers of int64", "1000000000000000"),
        ([True, False], np.int64, "numbers", "bool"),
        (["1"], np.int64, "numbers", "str"),
        ([None], np.float64, "numbers", "object"),
        ([1j], np.float64, "numbers", "complex"),
        ([True], np.float64, "numbers", "bool"),
        ([0, 1], np.bool_, "True and False", "int64"),
        ([[1], [1, 2]], np.int64, "an array", "inhomogeneous"),
        (np.ma.array([1, 2], mask=[0, 1]), np.int64, "an array without masked values", "some"),
    ],
)
def test_what_would_change_is_refused(value, dtype, rule, found):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        cast(value, dtype)
    assert caught.value.args[0] == rule
    assert found in caught.value.args[1]


def test_plain_values():
    assert plain(np.str_("a"), "str") == "a"
    assert type(plain(np.int64(3), "int")) is int
    assert type(plain(1, "float")) is float
    assert plain([1, "b"], "tuple[str, ...]") == ("1", "b")
    assert plain(["Ma\udce4use"], "tuple[str, ...]") == ("Ma?use",)  # a folder in Latin-1
    assert plain(np.array([4, 5]), "tuple[int, int]") == (4, 5)
    for value, annotation in (
        (2**63, "int"),
        (3, "str"), ("\ud800", "str"),
        ("x", "int"), (True, "int"), (2.0, "int"), ("1", "float"),
        (False, "float"), ("cat", "tuple[str, ...]"), (3, "tuple[str, ...]"),
        ([1], "tuple[int, int]"), ([1, 2, 3], "tuple[int, int]"), ([1, 2.5], "tuple[int, int]"),
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011
            plain(value, annotation)
