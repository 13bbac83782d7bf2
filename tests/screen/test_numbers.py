"""Numbers as bytes are the very numbers."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.shown import numbers

from carviz.screen.numbers import flags, floats


@given(st.lists(st.floats()))
def test_every_float_comes_back(values):
    found = numbers(floats(values))
    assert np.array_equal(found, values, equal_nan=True)
    assert [math.copysign(1, value) for value in found if value == 0] == [
        math.copysign(1, value) for value in values if value == 0
    ]


@given(st.lists(st.booleans()))
def test_yes_and_no_come_back(values):
    assert [bool(byte) for byte in flags(values)] == values


def test_wholes_and_slices_are_numbers_too():
    assert numbers(floats(np.arange(6, dtype=np.int32)[::2])).tolist() == [0, 2, 4]
    assert list(flags(np.array([[1, 0], [0, 1]], bool).T[0])) == [1, 0]
