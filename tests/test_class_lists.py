"""Lists of the classes that a filter matters to: what they hold, where they stop, what is said."""

import numpy as np
import pytest

from carviz.class_lists import class_lists
from carviz.results import CarTable


def table_of(lost, gained, images, total=None):
    """A table of one filter; each class has so many images, of which so many change."""
    K = len(lost)
    targets = np.repeat(np.arange(K), images)
    place = np.concatenate([np.arange(images) for _ in range(K)])
    wrong = (targets + 1) % K
    was, now = place < np.repeat(gained, images), images - 1 - place < np.repeat(lost, images)
    M = len(targets)
    return CarTable(
        "conv", filters=[0], classes=tuple(f"class {n}" for n in range(K)), images=range(M),
        total=total or M, targets=targets, baseline=np.where(was, wrong, targets),
        predictions=[np.where(now, wrong, targets)], log_prob_drop=[np.arange(K) / 100],
    )  # fmt: skip


def test_a_list_stops_at_the_first_class_that_does_not_change():
    found = class_lists(table_of([30, 5] + [0] * 12, [0] * 13 + [4], 50), 0, 5)
    assert [(title, len(rows)) for title, rows in found.blocks] == [
        ("Hurt most without the filter", 2), ("Better without the filter", 1)
    ]  # fmt: skip
    assert found.rest == "11 classes: no image lost or gained."
    assert (found.doubt, found.tie) == ("", "")


def test_few_images_a_class_are_said_before_anything_else():
    found = class_lists(table_of([1] + [0] * 13, [0] * 14, 5), 0, 5)
    assert found.doubt == "With 5 images a class no single class is sure."
    assert found.blocks[0][0] == "Hurt without the filter, surest first"
    running = class_lists(table_of([1] + [0] * 13, [0] * 14, 1, total=700), 0, 5)
    assert running.doubt.startswith("With 1 image a class so far no ")


def test_a_class_of_few_images_that_is_sure_is_counted():
    found = class_lists(table_of([9] + [0] * 2, [0] * 3, 9), 0, 1)
    assert found.doubt == "With 9 images a class only 1 class is sure."


@pytest.mark.parametrize("classes", [4, 30])
def test_where_nothing_changes_no_doubt_is_left_to_say(classes):
    found = class_lists(table_of([0] * classes, [0] * classes, 5), 0, 5)
    assert (found.doubt, found.rest) == ("", "")
    assert "log p" in found.tie


def test_as_many_lost_as_gained_is_no_silence():
    found = class_lists(table_of([30, 2] + [0] * 10, [0, 2] + [0] * 10, 50), 0, 5)
    said = "10 classes: no image lost or gained; 1 class: as many images lost as gained."
    assert found.rest == said
