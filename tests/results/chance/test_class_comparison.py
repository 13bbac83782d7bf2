"""Whether what excites filters is what needs them, beside images dealt anew."""

import dataclasses

import numpy as np
import pytest

from carviz.results import CarTable, SelectivityTable, compare_classes

FILTERS = 8


@pytest.fixture
def table():
    """Filter i costs class i its only image, and nothing else."""
    targets = np.arange(FILTERS)
    predictions = np.tile(targets, (FILTERS, 1))
    np.fill_diagonal(predictions, (targets + 1) % FILTERS)
    return CarTable(
        "conv", filters=targets, classes=tuple(map(str, targets)), images=targets, total=FILTERS,
        targets=targets, baseline=targets, predictions=predictions,
        log_prob_drop=np.eye(FILTERS),
    )  # fmt: skip


def kinds_of(layer="conv"):
    kind = ["color"] * 4 + ["shape"] * 4
    index = [0.9] * 4 + [0.1] * 4
    return SelectivityTable(layer, threshold=0.5, color_index=index, kind=kind, energy=[1.0] * 8)


def test_filters_that_meet_their_own_class_are_far_from_chance(table):
    frame = compare_classes(table, range(FILTERS), k=1, selectivity=kinds_of())
    assert frame.found.tolist() == [1, 1]
    assert frame.chance["all filters"] == pytest.approx(1 / 8, abs=0.01)
    assert frame.chance["same kind"] == pytest.approx(1 / 4, abs=0.01)
    assert (frame.as_high < 0.01).all()
    assert (frame.low <= frame.chance).all()
    assert (frame.high >= frame.chance).all()


def test_meeting_the_other_kind_is_below_chance(table):
    swapped = np.roll(np.arange(FILTERS), 4)
    frame = compare_classes(table, swapped, k=1, selectivity=kinds_of())
    assert frame.found.tolist() == [0, 0]
    assert frame.as_high.tolist() == [1, 1]
    assert frame.chance["same kind"] == 0


def test_more_classes_are_met_more_often(table):
    labels = np.roll(np.arange(FILTERS), 1)
    shares = [compare_classes(table, labels, k=k).found.item() for k in (1, FILTERS)]
    assert shares == [0, 1]


def test_filters_that_nothing_excites_are_left_out(table):
    labels = np.arange(FILTERS)
    labels[2:] = -1
    frame = compare_classes(table, labels, k=1)
    assert frame.filters.item() == 2
    assert frame.chance.item() == pytest.approx(0.5, abs=0.02)


def test_one_seed_one_answer(table):
    labels = np.random.default_rng(0).integers(0, FILTERS, FILTERS)
    first, again = (compare_classes(table, labels, seed=3) for _ in range(2))
    assert first.equals(again)


def test_what_does_not_fit_is_refused(table):
    with pytest.raises(ValueError, match=r"8 filters; found \(3,\)"):
        compare_classes(table, [0, 1, 2])
    with pytest.raises(ValueError, match="'conv' and 'other'"):
        compare_classes(table, range(FILTERS), selectivity=kinds_of("other"))
    with pytest.raises(ValueError, match="found none"):
        compare_classes(table, [-1] * FILTERS)


def test_a_table_of_some_filters_is_enough(table):
    few = dataclasses.replace(
        table, filters=table.filters[2:6], predictions=table.predictions[2:6],
        log_prob_drop=table.log_prob_drop[2:6],
    )  # fmt: skip
    frame = compare_classes(few, [2, 3, 4, 5], k=1, selectivity=kinds_of())
    assert frame.found.tolist() == [1, 1]
    assert frame.chance["same kind"] == pytest.approx(1 / 2, abs=0.02)
