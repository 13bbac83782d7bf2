"""The figure of activation maps says what the maps say, legibly."""

import numpy as np
import pytest
from support.legible import check_legible, words

from carviz.pictures import ActivationMaps, overlay
from carviz.plots import plot_maps
from carviz.wording import answer_words


def maps_of(count=3, size=(6, 6), highest=2.0, layer="features.0"):
    g = np.random.default_rng(0)
    maps = g.normal(0, 1, (count, 4, 4))
    maps *= highest / maps.max()
    return ActivationMaps(
        layer, 3, images=np.arange(count) * 7, maps=maps,
        pictures=g.random((count, *size, 3)), field=[3, 3, 1, 1, 0, 0],
    )  # fmt: skip


@pytest.mark.parametrize(
    "made",
    [maps_of(1), maps_of(3), maps_of(14), maps_of(2, (4, 9)), maps_of(2, layer="a.long" * 40)],
)
def test_every_word_is_legible(made):
    check_legible(plot_maps(made))


def test_it_says_how_strong_each_answer_is_and_what_is_left_out():
    made = maps_of(14)
    said = words(plot_maps(made))
    assert "2 more images not shown" in said
    assert f"image 7: up to {answer_words(made.maps[1].max())}" in said
    assert "Brightest: " in said
    silent = ActivationMaps(
        "conv", 0, images=[0], maps=-np.ones((1, 2, 2)), pictures=np.zeros((1, 2, 2, 3)),
        field=[1, 1, 1, 1, 0, 0],
    )  # fmt: skip
    assert "It answers nowhere" in words(plot_maps(silent))


def test_a_weak_answer_does_not_read_as_none_and_the_scale_ends_with_the_highest():
    said = words(plot_maps(maps_of(2, highest=0.00213)))
    assert "Brightest: 0.0021," in said
    assert said.count("0.0021") >= 3, "in the line, beside the scale and below an image"


def test_what_lies_between_pixels_is_told_by_its_place():
    maps = np.full((1, 3, 3), -4.0)
    maps[0, 1, 1] = 0.5
    made = ActivationMaps(
        "conv", 0, images=[0], maps=maps, pictures=np.ones((1, 6, 6, 3)), field=[2, 2, 2, 2, 0, 0]
    )
    figure = plot_maps(made)
    assert "Brightest: 0.50" in words(figure)
    drawn = [image.get_array() for axes in figure.axes for image in axes.images]
    assert max(float(np.ptp(each[2:4, 2:4])) for each in drawn if each.shape[0] == 6) > 0


def test_a_picture_is_bright_where_the_map_is_highest_and_dark_where_it_is_not_above_zero():
    picture = np.full((1, 3, 3), 0.8)
    found = overlay(picture, np.array([[-5.0, 1.0, 4.0]]), 4.0)
    np.testing.assert_allclose(found[0, 0], 0.35 * 0.8)
    np.testing.assert_allclose(found[0, 2], (1.0, 0.77, 0.0))
    assert found[0, 0, 0] < found[0, 1, 0] < found[0, 2, 0]


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="activation_maps returns; found list"):
        plot_maps([])
