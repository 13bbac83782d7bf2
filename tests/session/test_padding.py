"""What of a patch lies outside of its image is marked, and nothing else of it."""

import numpy as np

from carviz.session.seeing.padding import DARK, LIGHT, checkered, outside


def test_what_reaches_over_each_border_is_outside():
    found = outside((4, 5), (-1, 3, 3, 8), (10, 6))
    assert found.astype(int).tolist() == [[1] * 5, *[[0, 0, 0, 1, 1]] * 3]
    assert not outside((3, 3), (0, 0, 3, 3), (3, 3)).any()


def test_a_patch_may_be_shown_smaller_than_it_is():
    found = outside((2, 2), (0, -4, 8, 4), (8, 8))
    assert found.astype(int).tolist() == [[1, 0], [1, 0]]


def test_only_the_outside_is_checkered():
    picture = np.full((28, 28, 3), 200, np.uint8)
    where = np.zeros((28, 28), bool)
    where[:, :14] = True
    found = checkered(picture, where)
    assert (found[:, 14:] == 200).all()
    assert set(np.unique(found[:, :14])) == {DARK, LIGHT}
    assert (found[..., 0] == found[..., 2]).all(), "grey"
