"""All filters of a bank have one scale of class bars, and what lies beyond it is few and marked."""

import numpy as np
from support.tables import bank_table

from carviz.screen.classes import bank_range


def test_a_filter_that_matters_to_nobody_looks_so():
    right = np.ones((3, 400), bool)
    right[1, ::4] = False  # of one class of four: all lost
    low, high = bank_range(bank_table(right, classes=4))
    assert high == 1.0
    assert 0.015 < -low < 0.025, "room for the interval of a class without a change"


def test_the_highest_bar_and_its_interval_are_within():
    right = np.ones((2, 200), bool)
    right[0, :40:4] = False  # ten of fifty
    table = bank_table(right, classes=4)
    low, high = bank_range(table)
    top = table.summary(0, 1).top[0]
    assert top.car == 0.2
    assert high == top.high
    assert low <= table.summary(1, 1).top[0].low
