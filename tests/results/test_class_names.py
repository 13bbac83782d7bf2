"""Two classes of one name stay two: in every table, comparison, figure and page."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carviz.results import CarTable, PruningPath, compare_classes
from carviz.results.class_names import find_class, shown_names

CRANES = ("crane", "dog", "crane", "maillot")


def two_cranes():
    """Filter 0 loses the image of crane 0, filter 1 both of crane 2."""
    targets = [0, 1, 2, 2, 3]
    return CarTable(
        "conv", filters=[0, 1], classes=CRANES, images=range(5), total=5, targets=targets,
        baseline=targets, predictions=[[2, 1, 2, 2, 3], [0, 1, 0, 1, 3]],
        log_prob_drop=[[1.0, 0, 0, 0], [0, 0, 2.0, 0]],
    )  # fmt: skip


def test_names_show_their_number_only_where_they_repeat():
    assert shown_names(("cat", "dog")) == ("cat", "dog")
    assert shown_names(CRANES) == ("crane (0)", "dog", "crane (2)", "maillot")
    assert shown_names(("", "a", " \n")) == ("(0)", "a", "(2)")
    assert shown_names(("a b", "a  b")) == ("a b (0)", "a  b (1)")
    assert shown_names(()) == ()


@given(st.lists(st.sampled_from(["a", "a (0)", "a (1)", "", "(0)", "b", "a (0) (1)"]), max_size=7))
def test_shown_names_are_all_different_and_lead_back(names):
    shown = shown_names(names)
    assert len(set(shown)) == len(names)
    for number, name in enumerate(shown):
        if name not in names:
            assert find_class(names, name) == number
        if names.count(names[number]) == 1:
            assert find_class(names, names[number]) == number
        assert find_class(names, number) == number


def test_a_name_that_two_classes_have_is_refused_with_both_numbers():
    table = two_cranes()
    for asked in (lambda: table.class_number("crane"), lambda: table.flips(0, "crane")):
        with pytest.raises(ValueError, match=r"'crane' is the name of classes 0 and 2\. Give"):
            asked()
    assert table.class_number("crane (2)") == 2
    assert table.class_number("dog") == 1
    assert table.class_number(np.int64(2)) == 2
    for asked in ("crane (1)", 4, -1, True, None):
        with pytest.raises(ValueError, match="4 names or numbers"):
            table.class_number(asked)


def test_flips_are_of_the_class_that_is_meant():
    table = two_cranes()
    assert table.flips(0, 0).image.tolist() == [0]
    assert table.flips(0, 2).empty
    assert table.flips(1, 2).image.tolist() == [2, 3]
    flips = table.flips(1)
    assert flips["class"].tolist() == ["crane (2)", "crane (2)"]
    assert flips["before"].tolist() == ["crane (2)", "crane (2)"]
    assert flips["after"].tolist() == ["crane (0)", "dog"]


def test_tables_of_classes_tell_them_by_number():
    table = two_cranes()
    top = table.top_classes(1, 2)
    assert top["class"].tolist() == ["crane (2)", "crane (0)"]
    assert top["number"].tolist() == [2, 0]
    assert top["images"].tolist() == [2, 1]
    assert table.bottom_classes(0, 1)["number"].tolist() == [1]
    frame = table.to_frame("class")
    lost = frame.groupby("class")["lost"].sum()
    assert lost.to_dict() == {"crane (0)": 1, "crane (2)": 2, "dog": 0, "maillot": 0}
    assert frame["number"].tolist() == [0, 1, 2, 3] * 2
    assert "number" not in table.to_frame()


def test_what_excites_and_what_needs_are_compared_by_number():
    table = two_cranes()
    # Each filter is excited most by the crane that needs it.
    assert compare_classes(table, [0, 2], k=1).found.tolist() == [1.0]
    assert compare_classes(table, [2, 0], k=1).found.tolist() == [0.0]


def test_classes_that_pruning_costs_are_told_by_number():
    targets = [0, 2, 2, 1]
    path = PruningPath(
        "car", banks=("conv",), bank_sizes=[2], layers=("conv",), order=[1], classes=CRANES,
        targets=targets, baseline=targets, predictions=[[0, 0, 2, 1]], decided_by_tie=[False],
        evaluated=[0], naive=[8],
    )  # fmt: skip
    frame = path.lost_classes(1)
    assert frame["class"].tolist() == ["crane (2)", "crane (0)", "dog"]
    assert frame["number"].tolist() == [2, 0, 1]
    assert frame["lost"].tolist() == [1, 0, 0]
