"""Paths of pruning: what derives from the predictions after each step."""

import dataclasses

import numpy as np
import pytest
from support.results_examples import pruning_path

from carviz.results import SelectivityTable
from carviz.results.chance.color_count import count_color


def test_accuracies_follow_from_predictions():
    path = pruning_path()
    assert path.accuracy.tolist() == [0.75, 0.75, 1.0, 0.5]
    np.testing.assert_array_equal(
        path.class_accuracy, [[1, 0.5, np.nan], [1, 0.5, np.nan], [1, 1, np.nan], [1, 0, np.nan]]
    )
    np.testing.assert_array_equal(path.lost(2), [0, -0.5, np.nan])
    assert path.tie_share == pytest.approx(1 / 3)


def test_classes_that_lost_most_come_first_and_empty_ones_are_left_out():
    frame = pruning_path().lost_classes(3)
    assert frame["class"].tolist() == ["größer, Ж", "cat"]
    assert frame.car.tolist() == [0.5, 0.0]
    assert frame.lost.tolist() == [1, 0]
    assert frame.gained.tolist() == [0, 0]
    assert frame.images.tolist() == [2, 2]
    assert frame.p_value.tolist() == [1, 1]
    assert (frame.low < frame.car).all()
    assert (frame.high > frame.car).all()
    assert not frame.tied.any()
    assert len(pruning_path().lost_classes(3, k=1)) == 1


def test_equal_losses_are_tied_and_keep_the_classes_order():
    path = dataclasses.replace(
        pruning_path(), targets=[1, 0, 0, 1], baseline=[1, 0, 0, 1], predictions=[[1, 2, 0, 2]] * 3
    )
    columns, frame = path.lost_columns(1), path.lost_classes(1)
    assert columns["car"].tolist() == frame.car.tolist() == [0.5, 0.5]
    assert columns["number"].tolist() == [0, 1]
    assert columns["tied"].tolist() == [True, True]
    assert list(columns) == list(frame.columns)


def test_a_prefix_is_the_path_cut_short():
    path = pruning_path()
    short = path.prefix(2)
    assert len(short) == 2
    assert short.accuracy.tolist() == path.accuracy[:3].tolist()
    assert short.pruned() == path.pruned(2) == {"conv1": [2], "conv2": [0]}
    assert path.pruned() == {"conv1": [1, 2], "conv2": [0]}
    assert len(path.prefix(0)) == 0
    assert np.isnan(path.prefix(0).tie_share)
    with pytest.raises(ValueError, match=r"count is 0 to 3 .*; found 4"):
        path.prefix(4)


def test_a_floor_keeps_the_steps_before_the_first_below_it():
    path = pruning_path()
    assert len(path.at_or_above(0.75)) == 2
    assert len(path.at_or_above(0.5)) == 3
    with pytest.raises(ValueError, match=r"reaches, 0\.750; found 0\.8"):
        path.at_or_above(0.8)


def test_a_frame_has_a_row_a_step():
    frame = pruning_path().to_frame()
    assert frame.step.tolist() == [1, 2, 3]
    assert frame.accuracy.tolist() == [0.75, 1.0, 0.5]
    assert frame.lost.tolist() == [0, 0, 1]  # beside the whole network's 0.75
    assert frame.gained.tolist() == [0, 1, 0]
    assert frame.car.tolist() == [0, -0.25, 0.25]
    assert frame.images.tolist() == [4, 4, 4]
    assert frame.q_value.tolist() == frame.p_value.tolist() == [1, 1, 1]
    # Agresti-Min by hand: N = 6, d = 1/6, se = sqrt(1 + 1 - 1/6) / 6.
    half = 1.959964 * np.sqrt(2 - 1 / 6) / 6
    assert frame[["low", "high"]].iloc[2].tolist() == pytest.approx([1 / 6 - half, 1 / 6 + half])
    assert len(pruning_path().prefix(0).to_frame()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": [2, 5, 1]}, r"one of its bank; found \('conv2', 5\)"),
        ({"order": [2, 0, 2]}, "pruned once"),
        ({"layers": ("conv1", "conv2")}, "3 names; found 2"),
        ({"baseline": [0, 1, 0]}, "shape"),
        ({"bank_sizes": [3, 0], "layers": ("conv1",) * 3}, "1 or more; found 0"),
        ({"banks": ("conv1", "conv1")}, "each bank is pruned once"),
        ({"evaluated": [21, 9, 8]}, "`evaluated` is from 0 to `naive`"),
        ({"evaluated": [-1, 9, 8]}, "`evaluated` is from 0 to `naive`"),
        ({"naive": [20, 16, 13]}, "`naive` is every image for every filter left"),
        ({"decided_by_tie": [0, 1, 0]}, "`decided_by_tie` is True and False; found int64"),
        ({"order": [2.5, 0, 1]}, "`order` is whole numbers; found 2.5"),
        ({"predictions": np.full((3, 4), 3)}, "classes 0 to 2"),
        ({"banks": (), "bank_sizes": []}, "a bank at least"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    import dataclasses

    with pytest.raises(ValueError, match=message):
        dataclasses.replace(pruning_path(), **change)


def test_the_commonest_class_is_what_one_answer_gets_right():
    assert pruning_path().one_answer == 0.5


def test_colour_among_the_first_pruned_stands_beside_chance():
    path = pruning_path()
    kinds = {
        "conv1": SelectivityTable(
            "conv1", threshold=0.5, color_index=[0.9, 0.1, 0.8], kind=["color", "shape", "color"],
            energy=[1, 1, 0.01],
        ),
        "conv2": SelectivityTable(
            "conv2", threshold=0.5, color_index=[np.nan, 0.7], kind=["dead", "color"],
            energy=[0, 1],
        ),
    }  # fmt: skip
    frame = path.color_counts(kinds, [1, 3])
    assert frame.color.tolist() == [1, 1]
    assert frame.share.tolist() == [1, 0.5]  # the dead filter is not counted
    assert frame.chance.tolist() == [0.75, 0.75]
    assert frame.p_value.tolist() == pytest.approx([0.75, 1.0])  # of 4 filters 3 select colour
    assert path.color_counts(kinds["conv1"], [1]).chance.tolist() == pytest.approx([2 / 3])
    assert frame[["low", "high"]].to_numpy().tolist() == [[0, 1], [0.5, 1]]
    assert path.color_counts(kinds, [3], faint=False).color.tolist() == [0]
    without = count_color(path.steps, kinds, faint=False)
    assert (without.color, without.drawn, without.of_color, without.of) == (0, 1, 2, 3)
