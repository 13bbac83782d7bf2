"""The data set: deterministic, balanced, alike at every length, clear about wrong arguments."""

import numpy as np
import pytest
import torch

from carviz.zoo.shapes_and_colors import CLASSES, ShapesAndColors, _Drawn, draw_pictures


@pytest.fixture(scope="module")
def data():
    return ShapesAndColors(count=100, seed=5)


def test_attributes(data):
    assert len(data) == 100
    assert data.images.shape == (100, 3, 64, 64)
    assert data.images.dtype == torch.float32
    assert data.targets.shape == (100,)
    assert data.targets.dtype == torch.int64
    assert data.classes == CLASSES
    assert len(set(data.classes)) == 16
    assert len(data.mean) == len(data.std) == 3
    assert len(set(data.std)) == len(set(data.mean)) == 1


def test_kinds(data):
    assert set(data.kinds) == set(data.classes)
    kinds = list(data.kinds.values())
    assert kinds.count("shape") >= 8
    assert kinds.count("color") >= 4
    assert kinds.count("shape") + kinds.count("color") == len(kinds)


def test_items(data):
    image, label = data[7]
    assert torch.equal(image, data.images[7])
    assert isinstance(label, int)
    assert label == data.targets[7]
    with pytest.raises(IndexError):
        data[100]


def test_picture_is_what_was_normalised(data):
    picture = data.picture(3)
    assert picture.shape == (64, 64, 3)
    assert 0 <= picture.min() <= picture.max() <= 1
    normalised = (picture - np.array(data.mean)) / np.array(data.std)
    assert np.allclose(data.images[3].permute(1, 2, 0).numpy(), normalised, atol=1e-4)


def test_normalisation_fits_the_pictures(data):
    assert data.images.mean().abs() < 0.2
    assert 0.6 < data.images.std() < 1.4


def test_pictures_keep_the_laws_of_the_drawing_at_eight_bits(data):
    """An untinted shape is exactly grey; a color on an untinted ground is not."""
    grey = {"shape": 0, "color": 0}
    for index in range(len(data)):
        kind = data.kinds[data.classes[data[index][1]]]
        grey[kind] += np.ptp(data.picture(index), axis=2).max() == 0
    assert grey["shape"] > 5
    assert grey["color"] == 0


def test_the_same_seed_gives_the_same_images(data):
    again = draw_pictures(5, 0, 100)
    assert np.array_equal(again, data._pictures)
    assert not torch.equal(ShapesAndColors(count=100, seed=6).images, data.images)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 99])
def test_a_larger_data_set_begins_with_the_smaller_one(data, count):
    assert np.array_equal(_Drawn().pictures(5, count), data._pictures[:count])
    smaller = ShapesAndColors(count=count, seed=5)
    assert torch.equal(smaller.images, data.images[:count])
    assert torch.equal(smaller.targets, data.targets[:count])


def test_growing_the_cache_changes_nothing(data):
    drawn = _Drawn()
    drawn.pictures(5, 40)
    assert np.array_equal(drawn.pictures(5, 100), data._pictures)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 60, 100])
def test_classes_are_balanced_to_within_one(count):
    targets = ShapesAndColors(count=count, seed=5).targets
    images = torch.bincount(targets, minlength=16)
    assert images.max() - images.min() <= 1


def test_classes_do_not_come_in_a_fixed_order(data):
    blocks = data.targets[:96].view(6, 16)
    assert len({tuple(block.tolist()) for block in blocks}) == 6


def test_changing_the_images_does_not_change_the_next_data_set(data):
    mine = ShapesAndColors(count=10, seed=5)
    mine.images.zero_()
    assert torch.equal(ShapesAndColors(count=10, seed=5).images, data.images[:10])


def test_drawing_leaves_the_global_generators_alone():
    torchs, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    ShapesAndColors(count=20, seed=77)
    assert torch.equal(torch.get_rng_state(), torchs)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


@pytest.mark.parametrize("wrong", [2.0, "100", None, True])
@pytest.mark.parametrize("argument", ["count", "seed"])
def test_wrong_types(argument, wrong):
    with pytest.raises(TypeError, match=rf"{argument} must be an integer.*found {wrong!r}"):
        ShapesAndColors(**{argument: wrong})


@pytest.mark.parametrize(("argument", "wrong"), [("count", 0), ("count", -5), ("seed", -1)])
def test_wrong_values(argument, wrong):
    with pytest.raises(ValueError, match=rf"{argument} must be .*at least .*found {wrong}"):
        ShapesAndColors(**{argument: wrong})


def test_numpy_integers_are_integers():
    assert len(ShapesAndColors(count=np.int64(3), seed=np.int32(5))) == 3


def test_the_default_images_are_the_ones_of_the_card():
    """Where this fails the drawing has changed: train the network again, then write this anew."""
    first = ShapesAndColors(count=16)
    assert first.targets.tolist() == [2, 11, 3, 10, 0, 4, 7, 5, 14, 12, 6, 9, 13, 8, 1, 15]
    reds = [93, 176, 148, 195, 124, 126, 140, 116, 139, 123, 125, 122, 150, 139, 204, 133]
    found = [255 * first.picture(index)[20, 40, 0] for index in range(16)]
    assert found == pytest.approx(reds, abs=1.5)
