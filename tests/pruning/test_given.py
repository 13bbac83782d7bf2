"""An order that was chosen on some images is followed on others."""

import numpy as np
import pytest
from support.naive_pruning import predict
from support.small import Residual, random_images
from support.woken import wake

import carviz

IMAGES, LABELS = random_images(80)
CHOOSING, OTHERS = (IMAGES[:40], LABELS[:40]), (IMAGES[40:], LABELS[40:])


@pytest.fixture(scope="module")
def model():
    return wake(Residual(), IMAGES)


def prune(model, data, layer="first", **options):
    return carviz.prune_filters(model, data, layer, progress=False, **options)


def test_a_path_is_followed_on_other_images(model):
    path = prune(model, CHOOSING)
    again = prune(model, OTHERS, order=path)
    assert again.criterion == path.criterion == "car"
    assert again.order.tolist() == path.order.tolist()
    assert again.layers == path.layers
    assert np.ptp(again.accuracy) > 0
    for step in range(len(path) + 1):
        gone = [("first", int(i)) for i in path.order[:step]]
        expected = predict(model, OTHERS[0], gone)
        found = again.predictions[step - 1] if step else again.baseline
        np.testing.assert_array_equal(found, expected)
    assert not again.evaluated.any()


def test_on_its_own_images_a_path_says_the_same(model):
    path = prune(model, CHOOSING, layer=["first", "third"], count=5)
    again = prune(model, CHOOSING, layer=["first", "third"], order=path)
    np.testing.assert_array_equal(again.predictions, path.predictions)
    assert len(again) == 5


def test_numbers_are_an_order_and_count_shortens_it(model):
    path = prune(model, CHOOSING, order=[3, 0, 2], count=2)
    assert path.order.tolist() == [3, 0]
    assert path.criterion == "given"


def test_another_order_is_another_passport_and_another_checkpoint(model, tmp_path):
    run = carviz.Run(checkpoint=tmp_path)
    chosen = prune(model, CHOOSING, run=run, count=3)
    first = prune(model, OTHERS, order=chosen, run=run)
    assert prune(model, OTHERS, order=chosen, run=run) == first
    assert str(chosen.passport["data"]) in first.passport["order"]
    with pytest.raises(ValueError, match="checkpoint"):
        prune(model, OTHERS, order=chosen.prefix(2), run=run)


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        ([0, 99], ValueError, r"'first' \(.* filters\).*filter 99"),
        ([1, 1], ValueError, "repetition"),
        ("car", TypeError, "found str"),
        ([0, 1.5], TypeError, "found 1.5"),
        ([True], TypeError, "found True"),
    ],
)
def test_what_is_no_order_is_refused(model, order, error, words):
    with pytest.raises(error, match=words):
        prune(model, CHOOSING, order=order)


def test_numbers_of_two_banks_and_two_ways_to_choose_are_refused(model):
    with pytest.raises(ValueError, match="2 banks"):
        prune(model, CHOOSING, layer=["first", "third"], order=[0])
    with pytest.raises(ValueError, match="Leave one out"):
        prune(model, CHOOSING, order=[0], criterion="l1")
