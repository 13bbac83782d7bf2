"""The two laws of the drawing, pixel by pixel, and that every figure is itself."""

import numpy as np
import pytest

from carviz.zoo.drawing import HUES, SHAPES, SIZE, draw, draw_ground, hue_direction


def drawings(names, count=12, seed=3):
    rng = np.random.default_rng(seed)
    return [draw(name, rng) for name in names for _ in range(count)]


@pytest.mark.parametrize("name", [*SHAPES, *HUES])
def test_pictures_are_rgb_that_nothing_had_to_clip(name):
    for drawing in drawings([name]):
        assert drawing.picture.shape == (SIZE, SIZE, 3)
        assert drawing.picture.dtype == np.float32
        assert drawing.picture.min() >= -1e-6
        assert drawing.picture.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_differs_from_its_ground_in_luminance_only(name):
    for drawing in drawings([name]):
        change = drawing.picture - drawing.ground
        grey = change.mean(axis=2, keepdims=True)
        assert np.abs(change - grey).max() < 1e-6
        assert np.abs(grey).max() > 0.05


@pytest.mark.parametrize("name", HUES)
def test_a_color_has_the_luminance_of_its_ground(name):
    for drawing in drawings([name]):
        change = drawing.picture - drawing.ground
        assert np.abs(change.mean(axis=2)).max() < 1e-6
        assert np.abs(change).max() > 0.03


@pytest.mark.parametrize("name", HUES)
def test_a_color_is_nearer_to_its_own_hue_than_to_any_other(name):
    for drawing in drawings([name]):
        likeness = {other: drawing.offset @ hue_direction(HUES[other]) for other in HUES}
        assert max(likeness, key=likeness.get) == name


def test_hues_are_unit_vectors_orthogonal_to_grey():
    for degrees in HUES.values():
        direction = hue_direction(degrees)
        assert direction.sum() == pytest.approx(0, abs=1e-6)
        assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-6)
    assert hue_direction(0).argmax() == 0
    assert hue_direction(120).argmax() == 1
    assert hue_direction(240).argmax() == 2


@pytest.mark.parametrize("name", [*SHAPES, *HUES])
def test_figures_lie_inside_and_leave_ground_around_them(name):
    for drawing in drawings([name]):
        cover = drawing.cover
        assert cover.min() >= 0
        assert cover.max() > 0.5
        assert 0.01 < cover.mean() < 0.6


@pytest.mark.parametrize("name", SHAPES)
def test_whole_figures_are_within_the_picture(name):
    for drawing in drawings([name]):
        rim = np.ones((SIZE, SIZE), bool)
        rim[1:-1, 1:-1] = False
        assert drawing.cover[rim].max() < 0.5


def test_the_tint_says_nothing_about_the_class():
    rng = np.random.default_rng(0)
    for name in ("circle", "red"):
        tinted = [np.ptp(draw(name, rng).ground, axis=2).max() > 1e-6 for _ in range(200)]
        assert 0.6 < np.mean(tinted) < 0.9


def test_a_ground_without_tint_is_grey_and_with_tint_is_balanced():
    rng = np.random.default_rng(1)
    means = [draw_ground(rng).mean(axis=(0, 1)) for _ in range(300)]
    assert np.ptp(np.mean(means, axis=0)) < 0.02


def test_the_same_generator_state_draws_the_same_picture():
    first, again, other = (draw("star", np.random.default_rng(seed)).picture for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unknown_class_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'hexagon'.*circle.*purple"):
        draw("hexagon", np.random.default_rng(0))
