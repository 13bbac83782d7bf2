"""Tables of the same images are put together filter by filter."""

import dataclasses

import numpy as np
import pytest
from support.small import Residual, planted, random_images

import carviz


def measured(filters=None):
    return carviz.measure_car(*planted(), "0", filters=filters, progress=False)


def test_parts_make_the_whole():
    whole, left, right = measured(), measured([2, 0]), measured([1, 3])
    assert left.merged(right) == whole
    assert right.merged(left) == whole
    assert right.merged(left).filters.tolist() == [0, 1, 2, 3]


def test_parts_of_a_network_with_many_classes():
    data = random_images(40)
    model = Residual().eval()

    def part(filters):
        return carviz.measure_car(model, data, "first", filters=filters, progress=False)

    merged = part([5, 1]).merged(part([0, 4])).merged(part([2, 3]))
    whole = part(None)
    assert (merged.predictions == whole.predictions).all()
    assert np.allclose(merged.log_prob_drop, whole.log_prob_drop, atol=1e-6, equal_nan=True)
    assert merged.order.tolist() == whole.order.tolist()


def test_where_both_hold_a_filter_the_other_counts():
    table = measured([0, 1])
    other = dataclasses.replace(
        measured([1]), predictions=np.zeros((1, 8)), log_prob_drop=np.full((1, 2), 7.0)
    )
    merged = table.merged(other)
    assert merged.filters.tolist() == [0, 1]
    assert (merged.predictions[1] == 0).all()
    assert (merged.log_prob_drop[1] == 7).all()
    assert (merged.predictions[0] == table.predictions[0]).all()
    assert (table.merged(table)) == table


def test_each_part_was_audited_by_itself():
    def part(filters, precision="bf16"):
        run = carviz.Run(precision=precision)
        return carviz.measure_car(*planted(), "0", filters=filters, progress=False, run=run)

    left, right = part([0, 1]), part([2, 3])
    merged = left.merged(right)
    assert np.isnan(merged.log_prob_drop).all()
    told = merged.passport["precision_audit"]
    assert told["parts"] == [t.passport["precision_audit"] for t in (left, right)]
    assert told["largest_change"] == max(part["largest_change"] for part in told["parts"])
    assert all(part["found"] in told["found"] for part in told["parts"])
    assert left.merged(left) == left
    assert left.merged(left).passport == left.passport
    with pytest.raises(ValueError, match="passport"):
        left.merged(measured([2, 3]))


def test_the_originals_stay():
    table, other = measured([0]), measured([1])
    before = table.predictions.copy()
    table.merged(other)
    assert table.filters.tolist() == [0]
    assert (table.predictions == before).all()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"layer": "1"}, "layer"),
        ({"classes": ("a", "b")}, "classes"),
        ({"total": 9}, "total"),
        ({"targets": [1, 0, 0, 0, 0, 1, 1, 0]}, "targets"),
        ({"baseline": [1, 0, 0, 0, 0, 1, 1, 0]}, "baseline"),
        ({"passport": {"model": "another"}}, "passport"),
    ],
)
def test_what_was_measured_otherwise_is_refused(change, name):
    with pytest.raises(ValueError, match=f"differ in `{name}`"):
        measured([0]).merged(dataclasses.replace(measured([1]), **change))


def test_tables_of_other_images_are_refused():
    table = dataclasses.replace(measured([0]), total=10)
    other = dataclasses.replace(measured([1]), total=10, images=[0, 1, 2, 3, 4, 5, 6, 9])
    with pytest.raises(ValueError, match="differ in `images`"):
        table.merged(other)


def test_tables_of_more_images_are_refused():
    model, (images, labels) = planted()
    fewer = carviz.measure_car(model, (images[:6], labels[:6]), "0", progress=False)
    with pytest.raises(ValueError, match="differ in `total`"):
        measured().merged(fewer)


def test_only_tables_merge():
    with pytest.raises(TypeError, match="found str"):
        measured().merged("table")
