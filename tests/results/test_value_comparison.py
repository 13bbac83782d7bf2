"""Where several values agree, and which filters change sides."""

import numpy as np
import pytest

import carviz
from carviz import CarTable, ValueComparison, compare_values

IMAGES = 40


def table(cars, *, images=range(IMAGES), filters=None, layer="conv", data="d", falls=True):
    """Return a table in which filter i loses so many images, or gains them where negative."""
    images = np.asarray(images)
    right = np.zeros(len(images), int)
    baseline = np.where(images < 20, 0, 1)  # the first 20 images are right
    predictions = np.tile(baseline, (len(cars), 1))
    for row, car in zip(predictions, cars, strict=True):
        if car > 0:
            row[(images < car)] = 1
        else:
            row[(images >= 20) & (images < 20 - car)] = 0
    drop = np.array([[0.1 * car, 0.0] for car in cars])
    each = np.repeat(drop[:, :1], len(images), 1) if falls else np.zeros((0, 0))
    return CarTable(
        layer, range(len(cars)) if filters is None else filters, ("cat", "dog"), images, IMAGES,
        right, baseline, predictions, drop, image_log_prob_drop=each,
        passport={"model": "m", "data": data, "ablation": "so"},
    )  # fmt: skip


def test_agreement_and_the_filters_that_change_sides():
    found = compare_values(
        {"zero": table([12, 3, 0, -9]), "mean": table([10, 1, 2, 0]), "one": table([-1, 9, 0, 9])}
    )
    np.testing.assert_allclose(found.car[0], np.array([12, 3, 0, -9]) / IMAGES)
    assert found.verdict.tolist() == [[1, 0, 0, -1], [1, 0, 0, 0], [0, 1, 0, 1]]
    rows = found.agreement()
    assert rows[["first", "second"]].values.tolist() == [
        ["zero", "mean"], ["zero", "one"], ["mean", "one"]
    ]  # fmt: skip
    # Spearman's correlation of the ranks (4, 3, 2, 1) and (4, 2, 3, 1).
    assert rows.car[0] == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert rows.log_prob[0] == pytest.approx(rows.car[0])
    assert rows.same.tolist() == [0.75, 0.25, 0.25]
    changes = found.changes()
    pairs = changes[["filter", "first", "second"]].values.tolist()
    # Filter 1 falls under all three, surely under one: no change of sides.
    assert pairs == [
        [3, "zero", "mean"], [0, "zero", "one"], [3, "zero", "one"], [0, "mean", "one"],
        [3, "mean", "one"],
    ]  # fmt: skip
    assert rows.changed.tolist() == [1, 2, 2]
    assert changes.car_first[0] == -9 / IMAGES
    assert changes.car_second[0] == 0
    assert changes.q_first[0] <= 0.05


def test_only_what_all_tables_hold_is_compared():
    half = table([8, 0, 5], images=range(0, IMAGES, 2), filters=[2, 3, 5])
    found = compare_values({"zero": table([9, 1, 8, 4]), "optimal": half})
    assert found.filters.tolist() == [2, 3]
    assert found.images.tolist() == list(range(0, IMAGES, 2))
    assert found.lost.tolist() == [[4, 2], [4, 0]]  # of the even images only
    assert found.log_prob_drop[0].tolist() == pytest.approx([0.8, 0.4])
    left = table([9, 1, 8, 4], falls=False)  # of other images than those of the class means
    assert np.isnan(compare_values({"zero": left, "optimal": half}).log_prob_drop[0]).all()


def test_filters_that_are_all_alike_have_no_correlation():
    found = compare_values({"a": table([3, 3]), "b": table([1, 2])})
    assert np.isnan(found.agreement().car[0])
    assert found.changes().empty


def test_it_is_a_record(tmp_path):
    found = compare_values({"a": table([9, 0]), "b": table([0, 0])})
    assert ValueComparison.load(found.save(tmp_path / "c.npz")) == found
    assert found.passport["ablations"] == {"a": "so", "b": "so"}
    assert repr(found) == "<ValueComparison of 'conv': a, b; 2 filters, 40 images>"


@pytest.mark.parametrize(
    ("tables", "error", "words"),
    [
        ([], TypeError, r"found \[\]"),
        ({"a": 1}, TypeError, "mapping from names to tables.*under the name 'a'"),
        ({"a": table([1]), None: table([1])}, TypeError, "as a name. Names are words or numbers"),
        ({"a": table([1]), 0.5: 2}, TypeError, "under the name 0.5"),
        ({"0.5": table([1]), 0.5: table([1])}, ValueError, "'0.5' comes twice"),
        ({"a": table([1])}, ValueError, "found 1"),
        ({"a": table([1]), "b": table([1], layer="x")}, ValueError, "differs from 'a' in its bank"),
        ({"a": table([1]), "b": table([1], data="x")}, ValueError, "differs from 'a' in its data"),
        (
            {"a": table([1]), "b": table([1], filters=[3])}, ValueError, "no filter in common"
        ),
        (
            {"a": table([1], images=[1]), "b": table([1], images=[2])}, ValueError,
            "no image in common",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_words(tables, error, words):
    with pytest.raises(error, match=words):
        compare_values(tables)


def test_numbers_are_names():
    found = compare_values({"zero": table([9, 1]), 0.5: table([8, 1]), -1: table([7, 1])})
    assert found.names == ("zero", "0.5", "-1")
    assert found.agreement()["second"].tolist() == ["0.5", "-1", "-1"]


def test_zero_and_a_number_agree_behind_a_relu():
    """Zero at a unit's end and zero behind its ReLU are one, so nothing may differ."""
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    tables = {
        name: carviz.measure_car(model, data, "features.3", value=value, progress=False)
        for name, value in (("zero", "zero"), ("number", 0.0))
    }
    rows = compare_values(tables).agreement()
    assert rows.car[0] == pytest.approx(1)
    assert rows.same[0] == 1
    assert rows.changed[0] == 0
