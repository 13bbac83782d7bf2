"""Pictures are made small with their sides' ratio, and never larger."""

import numpy as np
import pytest

from carviz.session.thumbnails import reduced


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((100, 200), (56, 112)),
        ((333, 100), (112, 34)),
        ((1, 900), (1, 112)),
        ((112, 112), (112, 112)),
        ((9, 7), (9, 7)),
    ],
)
def test_the_longer_side_is_so_long_at_most(shape, small):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    made = reduced(picture, 112)
    assert made.shape == (*small, 3)
    if small == shape:
        assert (made == picture).all()


def test_what_is_finer_than_a_pixel_is_averaged():
    stripes = np.zeros((224, 224, 3), np.uint8)
    stripes[:, ::2] = 200
    inside = reduced(stripes, 56)[:, 3:-3]  # at the rim the last stripes count more
    assert (np.abs(inside.astype(int) - 100) <= 2).all()
