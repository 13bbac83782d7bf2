"""The parts that synthesised pictures are made of: spectrum, changes, objectives, ascent."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carviz.pictures.synthesis.ascent import KEPT, STEP, Ascent
from carviz.pictures.synthesis.objectives import OBJECTIVES
from carviz.pictures.synthesis.parameterisation import COLORS, CONTRAST, Parameterisation
from carviz.pictures.synthesis.transforms import compose, jitter, moved, turn, zoom

SIZES = st.tuples(st.integers(1, 20), st.integers(1, 20))
SEEDS = st.integers(0, 2**40)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- the parameterisation


def test_colors_are_orthonormal_and_the_first_is_luminance():
    colors = torch.tensor(COLORS)
    assert torch.allclose(colors @ colors.T, torch.eye(3), atol=1e-6)
    assert torch.allclose(colors[0], colors[0].mean())


@given(
    SIZES, st.sampled_from([1, 3]), st.floats(0.05, 1.0), st.lists(SEEDS, min_size=1, max_size=3)
)
@settings(max_examples=30, deadline=None)
def test_pictures_have_the_size_asked_for_and_no_more_than_its_contrast(
    size, channels, share, seeds
):
    parameters = Parameterisation(size, share, channels)
    start = parameters.start(seeds)
    limit = CONTRAST * math.sqrt(share)
    for scale, least in ((1.0, 0.0), (1e4, 0.9)):  # far out the limit is reached
        pictures = parameters.pictures(start * scale)
        assert pictures.shape == (len(seeds), channels, *size)
        assert pictures.min() > 0
        assert pictures.max() < 1
        contrast = torch.logit(pictures.double()).square().mean((1, 2, 3)).sqrt()
        assert contrast.max() <= limit * 1.001
        assert contrast.min() >= limit * least


def test_noise_begins_at_a_good_part_of_the_contrast_whatever_the_size():
    for side in (5, 20, 64):
        parameters = Parameterisation((side, side))
        pictures = parameters.pictures(parameters.start(range(8)))
        contrast = torch.logit(pictures).square().mean((1, 2, 3)).sqrt()
        assert contrast.mean() == pytest.approx(CONTRAST * math.sqrt(0.5), rel=0.15)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_picture_depends_on_its_own_seed_alone(seed):
    parameters = Parameterisation((6, 9))
    start = parameters.start([seed, seed + 1])
    assert torch.equal(parameters.start([seed + 1])[0], start[1])
    first, second = parameters.pictures(start)
    assert not torch.allclose(first, second, atol=1e-2)


def test_coarse_and_grey_structure_moves_first():
    """A step that moves all coefficients alike moves coarse structure most, luminance most."""
    parameters = Parameterisation((16, 16))
    even = torch.zeros(2, 3, 16, 9, 2)
    even[0, 0, 0, 1], even[1, 0, 0, 8] = 1.0, 1.0  # one coarse wave, one fine wave
    spectrum = torch.view_as_complex(even) * parameters._falloff(even.device)
    coarse, fine = torch.fft.irfft2(spectrum, s=(16, 16)).square().sum((1, 2, 3)).sqrt()
    assert coarse > 4 * fine > 0
    lengths = parameters._colors(even.device).norm(dim=1)
    assert lengths[0] > lengths[1]
    assert lengths[0] > lengths[2]


# -- changes


@given(SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_no_change_changes_nothing_and_grey_stays_grey(size, seed):
    pictures = torch.rand(2, 3, *size, generator=generator(seed))
    assert torch.allclose(moved(pictures, torch.eye(3)), pictures, atol=1e-5)
    any_change = compose(jitter(5), zoom(0.3), turn(30))(generator(seed))
    grey = torch.full((1, 3, *size), 0.5)
    assert torch.allclose(moved(grey, any_change), grey, atol=1e-6)


def test_a_whole_number_of_pixels_moves_pictures_as_they_are_and_grey_comes_in():
    pictures = torch.rand(1, 3, 5, 7, generator=generator())
    matrix = torch.eye(3)
    matrix[0, 2], matrix[1, 2] = 2.0, -1.0  # two columns on, one row back
    found = moved(pictures, matrix)
    assert torch.allclose(found[..., 1:, :5], pictures[..., :-1, 2:], atol=1e-5)
    assert torch.allclose(found[..., 0, :], torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(found[..., 5:], torch.tensor(0.5), atol=1e-5)


def test_a_picture_that_is_not_square_turns_without_shear():
    pictures = torch.rand(1, 1, 4, 10, generator=generator())
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    assert torch.allclose(moved(pictures, half), pictures.flip(2, 3), atol=1e-5)
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = moved(pictures, quarter)[..., 3:7]  # its middle square
    assert torch.allclose(found, pictures[..., 3:7].rot90(1, (2, 3)), atol=1e-5)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_changes_stay_within_their_bounds_and_compose(seed):
    assert jitter(3.0)(generator(seed))[:2, 2].abs().max() <= 3
    assert 0.9 <= zoom(0.1)(generator(seed))[0, 0] <= 1.1
    turned = turn(5.0)(generator(seed))[:2, :2]
    assert torch.allclose(turned @ turned.T, torch.eye(2), atol=1e-6)
    assert abs(math.degrees(math.atan2(turned[1, 0], turned[0, 0]))) <= 5.001
    drawn = generator(seed)
    one_by_one = jitter(3.0)(drawn) @ zoom(0.1)(drawn) @ turn(5.0)(drawn)
    assert torch.equal(compose(jitter(3.0), zoom(0.1), turn(5.0))(generator(seed)), one_by_one)


# -- objectives


def test_objectives_of_known_answers():
    answers = torch.arange(24.0).reshape(2, 3, 4)
    assert OBJECTIVES["center"](answers).tolist() == [6.0, 18.0]
    assert OBJECTIVES["mean"](answers).tolist() == [5.5, 17.5]
    assert OBJECTIVES["max"](answers).tolist() == [11.0, 23.0]


# -- the ascent


def ascent(worth, seeds, size=(4, 4), **settings):
    parameters = Parameterisation(size)
    return Ascent(worth, parameters, None, seeds, seed=0, device=torch.device("cpu"), **settings)


@given(st.lists(SEEDS, min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_pictures_climb_each_for_itself(seeds):
    """Beside others a picture goes the way that it goes alone."""
    target = torch.randn(3, 4, 4, generator=generator(7))

    def worth(pictures):
        return (pictures * target).sum((1, 2, 3)) - pictures.square().sum((1, 2, 3))

    together = ascent(worth, seeds)
    together.climb(10)
    alone = ascent(worth, seeds[-1:])
    alone.climb(10)
    assert torch.allclose(together.pictures[-1], alone.pictures[0], atol=1e-4)
    assert (together.values > together.starts).all()


def test_its_steps_are_those_of_torchs_adam():
    parameters, target = Parameterisation((4, 4)), torch.randn(3, 4, 4, generator=generator(7))

    def worth(pictures):
        return (pictures * target).sum((1, 2, 3))

    found = ascent(worth, [3, 4])
    found.climb(20)
    assert (found.values > found.starts).all()
    coefficients = parameters.start([3, 4]).requires_grad_()
    adam = torch.optim.Adam([coefficients], lr=STEP, betas=KEPT, maximize=True)
    for _ in range(20):
        adam.zero_grad()
        worth(parameters.pictures(coefficients)).sum().backward()
        length = coefficients.grad.square().mean((1, 2, 3, 4), keepdim=True).sqrt()
        coefficients.grad /= length
        adam.step()
    with torch.no_grad():
        assert torch.allclose(found.pictures, parameters.pictures(coefficients), atol=1e-5)


def test_another_start_is_tried_where_the_first_has_no_gradient():
    def worth(pictures):  # closed for every picture that is dark on the whole: about half of them
        return (pictures.mean((1, 2, 3)) - 0.5).relu()

    seeds = [8 * number for number in range(40)]
    found = ascent(worth, seeds)
    first = Parameterisation((4, 4)).pictures(Parameterisation((4, 4)).start(seeds))
    assert (worth(first) == 0).float().mean() > 0.2
    assert found.still.float().mean() < 0.2
    found.climb(8)
    moving = ~found.still
    assert (found.values[moving] > found.starts[moving]).all()
    assert (found.pictures[found.still] == 0.5).all()


def test_the_best_picture_is_kept_even_if_the_way_leads_down():
    calls = []

    def worth(pictures):  # what is worth much at first is worth ever less
        calls.append(1)
        return pictures.sum((1, 2, 3)) - 1000 * len(calls)

    found = ascent(worth, [0, 1])
    first = found.pictures.clone()
    found.climb(5)
    assert torch.equal(found.pictures, first)
    assert torch.equal(found.values, found.starts)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_what_is_climbed_does_not_matter(scale):
    target = torch.randn(3, 4, 4, generator=generator(7))

    def climbed(factor):
        found = ascent(lambda p: factor * (p * target).sum((1, 2, 3)), [3])
        found.climb(10)
        return found.pictures.numpy()

    assert np.allclose(climbed(scale), climbed(1.0), atol=1e-4)
