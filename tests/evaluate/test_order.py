"""Any first part of the order stands for the whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from carviz.evaluate import stratified_order


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 100))
def test_every_first_part_has_the_classes_shares(labels, seed):
    labels = np.sort(np.array(labels))
    order = stratified_order(labels, len(labels), seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    for n in (len(labels) // 4, len(labels) // 2):
        part = np.bincount(labels[order[:n]], minlength=6)
        fair = np.bincount(labels, minlength=6) * n / len(labels)
        # Each class is spread evenly, but all together make the length: off by one, or two where
        # all six start late.
        assert np.abs(part - fair).max() <= 3


def test_the_order_is_seeded():
    labels = np.repeat(np.arange(5), 20)
    first, again, other = (stratified_order(labels, 100, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert stratified_order(None, 100, 1).tolist() == stratified_order(None, 100, 1).tolist()
    assert stratified_order(None, 100, 1).tolist() != list(range(100))
