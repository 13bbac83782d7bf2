"""Two filters of one table, image by image, against plain loops."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tables import random_table

from carviz.results import became, two_filters


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_images_are_counted_as_a_loop_does(seed):
    table = random_table(seed=seed)
    filters = table.filters.tolist()
    first, second = filters[0], filters[-1]
    found = two_filters(table, first, second)
    only, other, both, difference = [], [], [], 0
    for place, number in enumerate(table.images.tolist()):
        right = table.baseline[place] == table.targets[place]
        wrong = [table.predictions[table.row(f)][place] != table.targets[place] for f in
                 (first, second)]  # fmt: skip
        difference += int(wrong[0]) - int(wrong[1])
        if right and wrong == [True, False]:
            only.append(number)
        elif right and wrong == [False, True]:
            other.append(number)
        elif right and wrong == [True, True]:
            both.append(number)
    assert found.only_first.tolist() == only
    assert found.only_second.tolist() == other
    assert found.both.tolist() == both
    assert found.difference == pytest.approx(difference / len(table.images))
    car = table.car[[table.row(first), table.row(second)]]
    assert found.difference == pytest.approx(car[0] - car[1])
    assert found.low <= found.high
    mirrored = two_filters(table, second, first)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    assert mirrored.p_value == found.p_value


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_what_images_became_is_counted_as_a_loop_does(seed):
    table = random_table(seed=seed)
    filter = int(table.filters[0])
    for of_class in (None, int(table.targets[0])):
        expected: dict[tuple[int, int], int] = {}
        after = table.predictions[table.row(filter)]
        for was, now, true in zip(table.baseline, after, table.targets, strict=True):
            if was != now and of_class in (None, int(true)):
                expected[int(was), int(now)] = expected.get((int(was), int(now)), 0) + 1
        found = became(table, filter, of_class)
        assert {(was, now): count for was, now, count in found} == expected
        counts = [count for _, _, count in found]
        assert counts == sorted(counts, reverse=True)


def test_a_difference_is_sure_for_whichever_pair_somebody_chooses():
    called = 0
    for seed in range(40):  # filters that do not differ, the first of their order beside the last
        g = np.random.default_rng(seed)
        targets = np.zeros(300, int)
        predictions = (g.random((16, 300)) < 0.05).astype(int)
        table = dataclasses.replace(
            random_table(count=16, names=("a", "b"), n=150), images=np.arange(300), total=300,
            targets=targets, baseline=targets, predictions=predictions,
            log_prob_drop=np.tile([[0.0, np.nan]], (16, 1)),
        )  # fmt: skip
        found = two_filters(table, int(table.order[0]), int(table.order[-1]))
        assert found.pairs == 120
        called += found.sure
    assert called <= 5


def test_filters_that_a_table_lacks_are_refused():
    table = random_table(seed=0)
    with pytest.raises(ValueError, match="holds"):
        two_filters(table, int(table.filters.max()) + 1, int(table.filters[0]))


def test_a_filter_does_not_differ_from_itself():
    table = random_table(seed=1)
    filter = int(table.filters[0])
    found = two_filters(table, filter, filter)
    assert (found.difference, found.p_value) == (0, 1)
    assert not len(found.only_first)
    assert np.array_equal(found.both, table.images[
        (table.baseline == table.targets) & (table.predictions[table.row(filter)] != table.targets)
    ])  # fmt: skip
