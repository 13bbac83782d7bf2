"""The table of facts and everything that derives from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carviz.results import CarTable


def table(**changes):
    """Three filters, six images, four classes; class "d" has no image."""
    fields = {
        "layer": "conv",
        "filters": [0, 2, 5],
        "classes": ("a", "b", "c", "d"),
        "images": [3, 4, 5, 7, 8, 9],
        "total": 10,
        "targets": [0, 0, 0, 1, 1, 2],
        "baseline": [0, 0, 1, 1, 0, 2],
        "predictions": [
            [0, 1, 1, 1, 0, 2],  # loses image 4
            [0, 0, 0, 0, 1, 2],  # gains 5 and 8, loses 7
            [0, 0, 2, 1, 0, 2],  # image 5 stays wrong, otherwise
        ],
        "log_prob_drop": [
            [0.5, 0.1, 0.2, np.nan], [-0.1, 0.0, 0.3, np.nan], [0.2, 0.0, -0.4, np.nan],
        ],
    }  # fmt: skip
    return CarTable(**(fields | changes))


def test_counts_and_car_by_hand():
    t = table()
    assert t.accuracy == pytest.approx(4 / 6)
    assert t.class_images.tolist() == [3, 2, 1, 0]
    assert t.lost.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert t.gained.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert t.lost_all.tolist() == [1, 1, 0]
    assert t.gained_all.tolist() == [0, 2, 0]
    assert t.car == pytest.approx([1 / 6, -1 / 6, 0])
    assert t.class_car[:, :3] == pytest.approx(np.array([[1 / 3, 0, 0], [-1 / 3, 0, 0], [0, 0, 0]]))
    assert np.isnan(t.class_car[:, 3]).all()
    assert np.isnan(t.stderr[:, 3]).all()
    assert t.class_accuracy[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert t.log_prob_drop_all[0] == pytest.approx((3 * 0.5 + 2 * 0.1 + 0.2) / 6)


def test_order_and_rank():
    t = table()
    assert t.order.tolist() == [0, 5, 2]
    assert [t.rank(f) for f in (0, 5, 2)] == [1, 2, 3]
    with pytest.raises(ValueError, match="not 1"):
        t.rank(1)


def test_a_summary_is_what_the_columns_say():
    t = table()
    frame = t.to_frame().set_index("filter")
    for filter in (0, 2, 5):
        found, row = t.summary(filter, k=2), frame.loc[filter]
        for name in ("car", "low", "high", "p_value", "q_value", "log_prob_drop"):
            assert getattr(found, name) == row[name], name
        assert (found.lost, found.gained, found.images) == (row.lost, row.gained, 6)
        assert (found.rank, found.filters, found.tied) == (t.rank(filter), 3, 0)
        for classes, same in (
            (found.top, t.top_classes(filter, 2)), (found.bottom, t.bottom_classes(filter, 2)),
        ):  # fmt: skip
            assert [one.name for one in classes] == same["class"].tolist()
            for name in ("car", "lost", "gained", "images", "q_value", "tied", "number"):
                assert [getattr(one, name) for one in classes] == same[name].tolist(), name
    assert not t.summary(0).whole  # filters 0, 2 and 5 of some bank
    assert t.summary(0, k=0).top == t.summary(0, k=0).bottom == ()
    assert type(t.summary(0).lost) is int
    assert type(t.summary(0).top[0].tied) is bool


def test_a_summary_by_hand():
    # Filter 0 loses five of "a" and is told from the other by q: p = 2/32, of two filters 4/32.
    t = table(
        filters=[0, 1], images=range(10), total=10, targets=[0] * 10, baseline=[0] * 10,
        predictions=[[1] * 5 + [0] * 5, [0] * 10], log_prob_drop=np.zeros((2, 4)),
    )  # fmt: skip
    found = t.summary(0)
    assert (found.car, found.lost, found.gained, found.images) == (0.5, 5, 0, 10)
    assert (found.p_value, found.q_value) == pytest.approx((2 / 32, 4 / 32))
    assert found.whole
    assert [one.name for one in found.top] == ["a"]
    assert t.q_value[:, 0].tolist() == pytest.approx([4 / 32, 1])
    assert np.isnan(t.q_value[:, 1:]).all()
    with pytest.raises(ValueError, match="at each end, 0 or more; found -1"):
        t.summary(0, k=-1)
    with pytest.raises(ValueError, match="not 7"):
        t.summary(7)


def test_q_by_class_is_the_column_of_the_frame():
    t = table()
    frame = t.to_frame(by="class")
    assert t.q_value[:, :3].ravel().tolist() == frame["q_value"].tolist()
    low, high = t.interval_all
    assert low.tolist() == t.to_frame()["low"].tolist()
    assert high.tolist() == t.to_frame()["high"].tolist()
    assert t.q_value_all.tolist() == t.to_frame()["q_value"].tolist()


def test_top_and_bottom_classes():
    t = table()
    top = t.top_classes(5, k=2)
    assert top["class"].tolist() == ["a", "b"]  # all CAR 0: the fall of log p decides
    assert top.tied.tolist() == [True, True]
    assert t.bottom_classes(5, k=2)["class"].tolist() == ["c", "b"]
    top = t.top_classes(0)
    assert top["class"].tolist() == ["a", "c", "b"]  # never "d", which has no images
    assert top.tied.tolist() == [False, True, True]
    assert top.images.tolist() == [3, 1, 2]
    assert top.lost.tolist() == [1, 0, 0]
    assert (top.low < top.car).all()
    assert (top.high > top.car).all()
    assert list(top.columns) == [
        "class", "car", "lost", "gained", "images", "low", "high", "p_value", "q_value",
        "log_prob_drop", "tied", "number",
    ]  # fmt: skip


def test_the_correction_runs_over_all_classes_with_images_not_the_ones_shown():
    lost = 9
    targets = np.repeat([0, 1, 2], 10)
    predictions = targets.copy()
    predictions[:lost] = 1
    t = CarTable(
        "conv", filters=[0], classes=("a", "b", "c"), images=range(30), total=30, targets=targets,
        baseline=targets, predictions=[predictions], log_prob_drop=[[1, 0, 0]],
    )  # fmt: skip
    row = t.top_classes(0, k=1).iloc[0]
    assert row.p_value == pytest.approx(2 / 2**lost)
    assert row.q_value == pytest.approx(3 * row.p_value)


def test_flips():
    flips = table().flips(2)
    assert flips.image.tolist() == [5, 7, 8]
    assert flips.change.tolist() == ["gained", "lost", "gained"]
    assert flips.after.tolist() == ["a", "a", "b"]
    assert table().flips(2, "b").image.tolist() == [7, 8]
    assert table().flips(2, 1).image.tolist() == [7, 8]
    assert table().flips(5).change.tolist() == ["still wrong"]
    with pytest.raises(ValueError, match="found 'x'"):
        table().flips(2, "x")


def test_frames():
    t = table()
    frame = t.to_frame()
    assert frame["filter"].tolist() == [0, 2, 5]
    assert frame.car.tolist() == t.car.tolist()
    frame = t.to_frame("class")
    assert len(frame) == 3 * 3
    assert frame[frame["filter"] == 2].gained.tolist() == [1, 1, 0]
    with pytest.raises(ValueError, match="'image'"):
        t.to_frame("image")


def test_a_partial_table_says_how_many_it_has_seen():
    assert not table().complete
    assert "6 of 10 images" in repr(table())
    assert table(images=range(6), total=6).complete


def test_tables_are_frozen():
    t = table()
    with pytest.raises(ValueError, match="read-only"):
        t.predictions[0, 0] = 1
    with pytest.raises(AttributeError):
        t.layer = "other"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": [0, 0]}, "`targets` has shape"),
        ({"predictions": [[0] * 6] * 2}, "`predictions` has shape"),
        ({"baseline": [0, 0, 1, 1, 0, 4]}, "`baseline` are classes 0 to 3"),
        ({"filters": [1, 1, 2]}, "once"),
        ({"filters": [-1, 1, 2]}, "`filters` are numbers of filters, 0 or more; found -1"),
        ({"filters": [0.5, 1, 2]}, "`filters` is whole numbers; found 0.5"),
        ({"targets": [0.9, 0, 0, 1, 1, 2]}, "`targets` is whole numbers; found 0.9"),
        ({"targets": [2**32, 0, 0, 1, 1, 2]}, "`targets` is whole numbers of int32; found 0 to 4"),
        ({"targets": [-1, 0, 0, 1, 1, 2]}, "`targets` are classes 0 to 3; found -1"),
        ({"total": "x"}, "`total` is a whole number; found 'x'"),
        ({"total": -5}, "`total` counts the images of the data, 6 or more; found -5"),
        ({"total": 9}, "`images` are images of the data, 0 to 8; found 9"),
        ({"total": True}, "`total` is a whole number; found True"),
        ({"images": [3, 4, 5, 7, 8, 8]}, "`images` ascend, each of them once"),
        ({"images": [3, 5, 4, 7, 8, 9]}, "`images` ascend, each of them once"),
        ({"images": [-1, 4, 5, 7, 8, 9]}, "0 to 9; found -1"),
        ({"log_prob_drop": [[np.nan, 0, 0, 0]] * 3}, "every class with images; found NaN"),
        ({"classes": "abcd"}, "`classes` is several values; found 'abcd'"),
        ({"layer": 3}, "`layer` is text; found 3"),
        ({"passport": [1]}, "a passport is a mapping; found a list"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        table(**changes)


LEFT_OUT = np.full((3, 4), np.nan)


def test_log_p_may_be_left_out_whole(tmp_path):
    t = table(log_prob_drop=LEFT_OUT)
    assert table().has_log_prob_drop
    assert not t.has_log_prob_drop
    assert np.isnan(t.log_prob_drop_all).all()
    assert CarTable.load(t.save(tmp_path / "t.npz")) == t
    assert t != table()
    np.testing.assert_array_equal(t.car, table().car)
    assert t.to_frame().log_prob_drop.isna().all()
    assert not t.to_frame().drop(columns="log_prob_drop").isna().any().any()
    part = np.array([[0.5, 0.1, 0.2, np.nan], [np.nan] * 4, [0.2, 0.0, -0.4, np.nan]])
    with pytest.raises(ValueError, match="every class with images; found NaN"):
        table(log_prob_drop=part)


def test_ties_go_by_number_where_log_p_was_left_out():
    nothing = np.tile(table().baseline, (3, 1))
    t = table(log_prob_drop=LEFT_OUT, predictions=nothing, filters=[7, 2, 5])
    assert t.order.tolist() == [2, 5, 7]
    assert [t.rank(i) for i in (2, 5, 7)] == [1, 2, 3]
    assert t.top_classes(2, 2)["class"].tolist() == ["a", "b"]
    assert t.bottom_classes(2, 2)["class"].tolist() == ["c", "b"]
    assert t.top_classes(2, 3).tied.all()
    # CAR comes first all the same.
    t = table(log_prob_drop=LEFT_OUT)
    assert t.order.tolist() == table().order.tolist() == [0, 5, 2]
    assert t.top_classes(0, 1)["class"].tolist() == ["a"]


@given(st.integers(0, 10_000))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    F, M, K = rng.integers(1, 6), rng.integers(1, 60), rng.integers(2, 7)
    targets, baseline = rng.integers(0, K, (2, M))
    t = CarTable(
        "conv", filters=range(F), classes=[str(i) for i in range(K)], images=range(M), total=M,
        targets=targets, baseline=baseline, predictions=rng.integers(0, K, (F, M)),
        log_prob_drop=rng.normal(size=(F, K)),
    )  # fmt: skip
    assert t.car * M == pytest.approx(np.nan_to_num(t.class_car) @ t.class_images)
    assert ((t.lost - t.gained).sum(1) == t.lost_all - t.gained_all).all()
    assert (t.lost + t.gained <= t.class_images).all()
    present = t.class_images > 0
    for i in range(F):
        top, bottom = t.top_classes(i, k=K), t.bottom_classes(i, k=K)
        assert len(top) == present.sum()
        assert top.car.tolist() == sorted(top.car, reverse=True)
        assert bottom["class"].tolist() == top["class"].tolist()[::-1]
        assert (t.flips(i).change == "lost").sum() == t.lost_all[i]
