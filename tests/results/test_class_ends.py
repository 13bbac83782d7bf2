"""Which classes a filter matters to: ends of the list, and how much its numbers can say."""

import numpy as np
import pytest

from carviz.results import CarTable, class_ends


def table_of(*counts: tuple[int, int, int], falls=None) -> CarTable:
    """A table of one filter, of classes with so many (lost, gained, images); one more is empty."""
    K = len(counts) + 1
    targets, baseline, after = [], [], []
    for number, (lost, gained, images) in enumerate(counts):
        targets += [number] * images
        baseline += [K - 1] * gained + [number] * (images - gained)
        after += [number] * (images - lost) + [K - 1] * lost
    drop = [[*(falls or range(len(counts))), np.nan]]
    return CarTable(
        "conv", filters=[0], classes=tuple(f"class {n}" for n in range(K)),
        images=range(len(targets)), total=len(targets), targets=targets, baseline=baseline,
        predictions=[after], log_prob_drop=drop,
    )  # fmt: skip


def numbers(rows):
    return [row.number for row in rows]


def test_an_end_holds_only_classes_that_are_hurt_or_helped():
    found = class_ends(table_of((20, 0, 50), (0, 0, 50), (0, 9, 50), (2, 2, 50), (9, 0, 50)), 0, 3)
    assert (numbers(found.hurt), numbers(found.helped), found.least) == ([0, 4], [2], ())
    assert (found.unchanged, found.balanced, found.fewest, found.most) == (1, 1, 50, 50)
    assert (found.sure, found.careful) == (3, False)


def test_where_every_class_is_hurt_those_that_are_hurt_least_are_told():
    found = class_ends(table_of((20, 0, 50), (9, 0, 50), (15, 0, 50), (30, 0, 50)), 0, 2)
    assert (numbers(found.hurt), numbers(found.least), found.helped) == ([3, 0], [1, 2], ())


def test_one_image_of_one_says_less_than_six_of_ten():
    table = table_of((1, 0, 1), (6, 0, 10), (0, 1, 1), (0, 6, 10), (0, 0, 10))
    found = class_ends(table, 0, 5)
    assert found.careful
    assert found.sure == 0
    assert (numbers(found.hurt), numbers(found.helped)) == ([1, 0], [3, 2])
    assert numbers(table.summary(0, 1).top) == [0], "CAR alone puts it first"


@pytest.mark.parametrize(("images", "careful"), [(9, True), (10, False)])
def test_few_images_a_class_are_careful_though_a_class_is_sure(images, careful):
    found = class_ends(table_of((images, 0, images), (0, 0, images)), 0, 1)
    assert found.sure == 1
    assert found.careful is careful


def test_ties_are_those_of_what_the_list_goes_by():
    # The same CAR, by other counts: of other intervals, so no tie where they decide.
    found = class_ends(table_of((3, 0, 50), (4, 1, 50), (0, 0, 50)), 0, 2)
    assert found.careful
    assert [row.tied for row in found.hurt] == [False, False]
    assert numbers(found.hurt) == [0, 1]
    same = class_ends(table_of((3, 0, 50), (3, 0, 50), (0, 0, 50), falls=[0.1, 0.2, 0]), 0, 2)
    assert [row.tied for row in same.hurt] == [True, True]
    assert numbers(same.hurt) == [1, 0], "the larger fall of log p"
