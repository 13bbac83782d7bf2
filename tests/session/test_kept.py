"""What is made first of what is looked at, and what is kept."""

import numpy as np

from carviz.session.seeing.kept import Demand, Seen, is_looked_at, still_wanted


def demand(**changes):
    return Demand(
        **{"layer": "x", "filter": 1, "deep": True, "order": (0, 1, 2), **changes}  # type: ignore[arg-type]
    )


def test_what_is_looked_at_goes_first():
    seen, beside = Seen(), [("sheet", 1), ("synthesised", 1)]
    assert still_wanted(seen, demand()) == [
        ("exciting", -1), ("weights", 1), ("all weights", -1), ("kinds", -1), *beside
    ]  # fmt: skip
    assert still_wanted(seen, demand(deep=False, siblings=True, large="synthesised")) == [
        ("synthesised", 1), ("siblings", -1), ("exciting", -1), ("sheet", 1)
    ]  # fmt: skip
    assert still_wanted(seen, demand(deep=False, gallery="patches", large="patches")) == [
        ("exciting", -1), ("sheet", 1), ("all patches", -1), ("synthesised", 1)
    ]  # fmt: skip
    assert still_wanted(seen, demand(gallery="patches"), told_apart=True) == [
        ("exciting", -1), ("weights", 1), ("all patches", -1), *beside
    ]  # fmt: skip
    assert still_wanted(seen, demand(gallery="patches"))[2:5] == [
        ("all patches", -1), ("all weights", -1), ("kinds", -1)
    ], "the filters are told apart by all weights, also where none are looked at"  # fmt: skip
    seen.failed[("all weights", -1)] = "gone"
    assert still_wanted(seen, demand()) == [("exciting", -1), ("weights", 1), *beside]
    seen.failed[("exciting", -1)] = "gone"
    assert still_wanted(seen, demand(large="synthesised")) == [("synthesised", 1)]


def test_what_only_stands_beside_comes_last_and_is_not_looked_at():
    seen = Seen()
    shallow = demand(deep=False)
    assert still_wanted(seen, shallow) == [("exciting", -1), ("sheet", 1), ("synthesised", 1)]
    assert not any(is_looked_at(piece, seen, shallow) for piece in still_wanted(seen, shallow))
    opened = demand(deep=False, large="patches")
    assert is_looked_at(("exciting", -1), seen, opened)
    assert is_looked_at(("sheet", 1), seen, opened)
    assert not is_looked_at(("synthesised", 1), seen, opened)


def test_a_copy_stays_as_it_is():
    seen = Seen()
    picture = np.zeros((2, 2, 3), np.uint8)
    seen.weights[0] = picture
    copy = seen.copy()
    seen.weights[1] = picture
    seen.finished.add(3)
    assert list(copy.weights) == [0]
    assert copy.weights[0] is picture
    assert copy.finished == set()


def test_no_two_pictures_have_one_number_though_the_former_are_let_go():
    numbers = []
    for _ in range(2):
        seen = Seen()  # as when the weights were written to
        for filter in (0, 1, 0):
            seen.put("synthesised", filter, np.zeros((2, 2, 3), np.uint8))
            numbers.append(seen.version("synthesised", filter))
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers), "the highest of a sheet is another one after each"


def test_the_pinned_filter_s_picture_is_looked_at_as_well():
    demand = Demand("bank", 1, deep=False, order=(0, 1, 2), large="patches", pinned=2)
    seen = Seen(exciting=object())
    wanted = still_wanted(seen, demand)
    assert wanted[:2] == [("sheet", 1), ("sheet", 2)]
    assert is_looked_at(("sheet", 2), seen, demand)
    assert ("sheet", 0) not in wanted
