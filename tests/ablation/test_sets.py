"""Which losses of images are different, against sets of Python's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carviz.ablation.sets import distinct


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 140), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_each_loss_of_an_image_runs_once(images, filters, count, seed):
    draw = np.random.default_rng(seed)
    active = draw.random((images, filters)) < draw.choice([0.1, 0.6, 1.0])
    sets = [
        tuple(np.flatnonzero(draw.random(filters) < draw.choice([0.05, 0.5])).tolist()) or (0,)
        for _ in range(count)
    ]
    jobs = distinct(active, sets)
    expected = {
        (m, left)
        for one in sets
        for m in range(images)
        if (left := frozenset(f for f in one if active[m, f]))
    }
    rows, lost = [], []
    widths = []
    for group_rows, group_lost in jobs.groups():
        rows += group_rows.tolist()
        lost += [frozenset(f for f in one if f >= 0) for one in group_lost.tolist()]
        widths.append(group_lost.shape[1])
        sizes = (group_lost >= 0).sum(1)
        assert sizes.max() == widths[-1] < 2 * sizes.min() + (sizes.min() == 1)
    found = list(zip(rows, lost, strict=True))
    assert len(set(found)) == len(found)  # each once
    assert set(found) == expected
    assert widths == sorted(set(widths))
    for row, one in enumerate(sets):
        for m in range(images):
            left = frozenset(f for f in one if active[m, f])
            job = jobs.of[row, m]
            assert (job < 0) == (not left)
            assert job < 0 or found[job] == (m, left)
    several = [sum(m == image and len(left) > 1 for m, left in found) for image in range(images)]
    assert jobs.ran(images).tolist() == several


@pytest.mark.parametrize("sets", [[(0, 2), (1,)], [(1, 2, 3)]])
def test_where_nothing_is_known_of_channels_all_images_run_in_their_order(sets):
    jobs = distinct(np.ones((4, 4), np.bool_), sets)
    assert jobs.rows.tolist() == [0, 1, 2, 3] * len(sets)
    assert (jobs.of >= 0).all()


def test_where_all_is_silent_nothing_runs():
    jobs = distinct(np.zeros((3, 4), np.bool_), [(0, 1), (3,)])
    assert len(jobs.rows) == 0
    assert list(jobs.groups()) == []
    assert (jobs.of == -1).all()
