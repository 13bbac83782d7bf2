"""`excite`: objectives rise, planted patterns come out, and nothing in the model is changed."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.families import family
from support.small import Fork, Pooled, Residual, Stubborn, Twice, planted
from support.woken import smooth_images, wake
from torch import nn

import carviz
from carviz.banks import open_network
from carviz.evaluate import fingerprint_model
from carviz.pictures import rgb_weights
from carviz.pictures.synthesis import excite, iter_excite

NETWORKS = {
    "residual": Residual,
    "pooled": Pooled,
    "fork": Fork,
    "twice": Twice,
    "stubborn": Stubborn,
    "no_own_norm": functools.partial(Stubborn, own=False),
}


def linear(*convolutions, seed=0):
    """Convolutions of random weights one behind another, with nothing between."""
    generator = torch.Generator().manual_seed(seed)
    for conv in convolutions:
        conv.weight.data.copy_(torch.randn(conv.weight.shape, generator=generator))
        conv.bias.data.copy_(torch.randn(conv.bias.shape, generator=generator))
    return nn.Sequential(*convolutions)


def one_filter(weights, **arguments):
    """A bank of one filter (channel, height, width)."""
    weights = torch.as_tensor(weights, dtype=torch.float32)
    conv = nn.Conv2d(len(weights), 1, tuple(weights.shape[1:]), **arguments)
    conv.weight.data[0] = weights
    return nn.Sequential(conv)


def bar(size=9):
    """A bright slanting bar on a dark ground, (3, size, size), of mean zero."""
    rows, columns = np.mgrid[:size, :size]
    pattern = np.where(np.abs(rows - columns) <= 1, 1.0, -0.3)
    return np.broadcast_to(pattern - pattern.mean(), (3, size, size)).copy()


def red_and_green(size=8):
    """Red minus green on the left, green minus red on the right."""
    pattern = np.zeros((3, size, size))
    pattern[0, :, : size // 2], pattern[1, :, : size // 2] = 1, -1
    pattern[:, :, size // 2 :] = -pattern[:, :, : size // 2]
    return pattern


def likeness(picture, weights):
    """Pearson's correlation, about grey, of a picture and weights (channel, height, width)."""
    found = (np.asarray(picture, dtype=float) - 0.5).ravel()
    expected = np.moveaxis(np.asarray(weights, dtype=float), 0, -1).ravel()
    return found @ expected / np.sqrt((found @ found) * (expected @ expected))


# -- every objective improves from its start


@functools.cache
def awake(name, seed):
    generator_state = torch.random.get_rng_state()
    model = wake(NETWORKS[name](), smooth_images(8, 16, seed=seed), seed=seed)
    torch.random.set_rng_state(generator_state)
    return model


@given(
    st.sampled_from(sorted(NETWORKS)),
    st.integers(0, 5),
    st.sampled_from(["center", "mean", "max"]),
    st.integers(0, 100),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_every_objective_improves_from_its_start(name, seed, objective, noise, data):
    model = awake(name, seed)
    layer = data.draw(st.sampled_from(open_network(model).layers()))
    size = data.draw(st.integers(12, 20))
    ways = list(iter_excite(model, layer, objective=objective, size=size, steps=24, seed=noise))
    last = ways[-1]
    assert last.finished
    assert last.pictures.shape[1:] == (size, size, 3)
    moving = ~last.still
    assert moving.any()
    assert (last.values[moving] > last.starts[moving]).all()
    values = np.stack([way.values for way in ways])
    assert (np.diff(values, axis=0) >= 0).all()  # what was reached is never lost
    assert np.array_equal(values[0], last.starts)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer2.0.conv2"),
        ("mobilenet_v3_small", "features.6.block.2.fc2"),  # a gate: it reads the whole image
        pytest.param(
            "densenet121", "features.denseblock3.denselayer1.conv1", marks=pytest.mark.slow
        ),
        pytest.param("convnext_tiny", "features.5.4.block.0", marks=pytest.mark.slow),
    ],
)
def test_known_families_improve_as_well(name, layer):
    *_, last = iter_excite(family(name).model, layer, [0, 3, 5], size=48, steps=6)
    assert not last.still.any()
    assert (last.values > last.starts).all()


def test_what_is_told_of_a_picture_is_what_the_network_answers_to_it():
    model = awake("residual", 0)
    *_, last = iter_excite(model, "second", [1, 4], objective="mean", size=16, steps=8)
    with torch.no_grad():
        pictures = torch.from_numpy(last.pictures).permute(0, 3, 1, 2)
        maps = model.norm(model.second(torch.relu(model.first(pictures))))
    expected = maps[[0, 1], [1, 4]].mean((1, 2))
    assert np.allclose(last.values, expected, rtol=1e-4)


# -- planted patterns


@pytest.mark.parametrize("pattern", [bar(), red_and_green(), -bar(), np.eye(3)[:, :, None]])
@pytest.mark.parametrize("arguments", [{}, {"stride": 3}, {"padding": 4}])
def test_the_picture_of_a_filter_that_reads_the_image_is_its_pattern(pattern, arguments):
    model = one_filter(pattern, **arguments)
    picture = excite(model, "0", 0)
    assert picture.shape == (*pattern.shape[1:], 3)  # the frame of the weights, to the pixel
    assert likeness(picture, pattern) > 0.95
    assert likeness(picture, np.moveaxis(rgb_weights(model, "0", 0) - 0.5, -1, 0)) > 0.95


def test_the_pattern_comes_out_beside_other_filters_of_the_bank():
    weights = torch.randn(7, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Conv2d(3, 7, 5))
    model[0].weight.data.copy_(weights)
    pictures = excite(model, "0")
    assert pictures.shape == (7, 5, 5, 3)
    likenesses = [[likeness(p, w) for w in weights] for p in pictures]
    assert np.array_equal(np.argmax(likenesses, axis=1), np.arange(7))
    # Less than 1: bright and dark are squashed, as they must be for a picture.
    assert np.diag(likenesses).min() > 0.9
    assert np.array_equal(excite(model, "0", [4, 2]).shape, (2, 5, 5, 3))


@pytest.mark.parametrize("steps", [{}, {"dilation": 2}, {"padding": 3}])
def test_the_picture_behind_two_linear_banks_is_the_composed_pattern(steps):
    model = linear(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, **steps))
    picture = excite(model, "1", 1)
    assert picture.shape == (7, 7, 3) if "dilation" in steps else (5, 5, 3)
    image = torch.zeros(1, 3, 31, 31, requires_grad=True)
    middle = model(image)[0, 1]
    place = middle.shape[0] // 2
    (gradient,) = torch.autograd.grad(middle[place, place], image)
    rows = gradient[0].abs().amax((0, 2)).nonzero().flatten()
    first, size = int(rows[0]), len(picture)
    composed = gradient[0, :, first : first + size, first : first + size]
    assert likeness(picture, composed) > 0.9


def test_a_filter_far_down_finds_its_pattern_behind_a_relu_and_a_pool():
    """A detector of four crosses in the corners of its field, through gates and a maximum."""
    first = nn.Conv2d(3, 2, 3, bias=False)
    cross = torch.tensor([[-1.0, 2.0, -1.0], [2.0, 2.0, 2.0], [-1.0, 2.0, -1.0]]) - 2 / 3
    first.weight.data[0], first.weight.data[1] = cross, -cross
    second = nn.Conv2d(2, 1, 2, bias=False)
    second.weight.data.zero_()
    second.weight.data[0, 0] = 1.0
    model = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(4, 4), second)
    picture = excite(model, "3", 0)
    assert picture.shape == (10, 10, 3)
    grey = torch.from_numpy(picture - 0.5).permute(2, 0, 1)[None]
    seen = torch.conv2d(grey, cross.expand(1, 3, 3, 3))[0, 0]
    best = torch.conv2d(grey.abs(), cross.abs().expand(1, 3, 3, 3))[0, 0]
    corners = seen[:4, :4].max(), seen[:4, 4:].max(), seen[4:, :4].max(), seen[4:, 4:].max()
    assert min(corners) > 0.5 * best.max()


def test_grey_filters_get_grey_pictures_and_color_filters_colored_ones():
    def chroma(picture):
        away = picture - 0.5
        return np.square(away - away.mean(-1, keepdims=True)).sum() / np.square(away).sum()

    assert chroma(excite(one_filter(bar()), "0", 0)) < 0.01
    assert chroma(excite(one_filter(red_and_green()), "0", 0)) > 0.97


def test_what_a_filter_does_not_read_is_grey():
    pattern = bar()
    pattern[:, :, 4:] = 0
    picture = excite(one_filter(pattern), "0", 0)
    assert np.abs(picture[:, 4:] - 0.5).max() < 0.05
    assert np.abs(picture[:, :4] - 0.5).max() > 0.2


def test_the_preprocessing_is_between_the_picture_and_the_weights():
    pattern = np.ones((3, 4, 4))
    model = one_filter(pattern)
    std = (1.0, 1.0, 0.05)  # per unit of raw blue the filter weighs twenty times as much
    means = excite(model, "0", 0, normalize=((0.5,) * 3, std)).mean((0, 1))
    assert means[2] > 0.8
    assert np.abs(means[:2] - 0.5).max() < 0.1
    model.normalize = ((0.5,) * 3, std)
    assert np.array_equal(excite(model, "0", 0).mean((0, 1)), means)


@pytest.mark.parametrize("layer", ["0", "2"])
def test_the_strength_and_the_bias_of_a_filter_do_not_matter(layer):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    wake(model, smooth_images(4, 12))
    strong = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    strong.load_state_dict(model.state_dict())
    strong.get_submodule(layer).weight.data.mul_(64)
    strong.get_submodule(layer).bias.data.add_(8)
    assert np.allclose(excite(strong, layer, 1), excite(model, layer, 1), atol=0.02)


def test_the_batch_norm_of_a_unit_may_turn_its_sign():
    conv, norm = nn.Conv2d(3, 1, 9), nn.BatchNorm2d(1)
    conv.weight.data[0] = torch.from_numpy(bar())
    norm.weight.data.fill_(-2.0)
    model = nn.Sequential(conv, norm).eval()
    assert likeness(excite(model, "0", 0), -bar()) > 0.95


def test_a_network_of_grey_images_gets_grey_pictures():
    model, (images, labels) = planted()
    pictures = excite(model, "0", data=(images, labels), steps=8)
    assert pictures.shape == (4, 1, 1, 3)
    assert np.ptp(pictures, axis=-1).max() == 0
    bright = pictures[:, 0, 0, 0] > 0.5
    assert bright.tolist() == [True, False, False, True]


# -- the size


@pytest.mark.parametrize(
    ("objective", "size", "expected"),
    [
        ("center", None, (5, 5)),
        ("mean", None, (10, 10)),
        ("max", None, (10, 10)),
        ("center", 13, (13, 13)),
        ("mean", (9, 14), (9, 14)),
        ("center", (9, 14), (9, 14)),
    ],
)
def test_the_size_is_the_field_or_what_was_asked_for(objective, size, expected):
    model = linear(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))
    pictures = excite(model, "1", 0, objective=objective, size=size, steps=2)
    assert pictures.shape == (*expected, 3)
    assert pictures.dtype == np.float32
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_pictures_are_no_larger_than_the_images_of_the_data():
    model = linear(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 9, padding=4))
    data = (torch.zeros(3, 3, 7, 10), torch.zeros(3, dtype=torch.int64))
    assert excite(model, "1", 0, data=data, steps=2).shape == (7, 10, 3)
    assert excite(model, "1", 0, data=data, objective="mean", steps=2).shape == (7, 10, 3)
    stubborn = awake("stubborn", 0)  # nothing is known of its fields
    assert excite(stubborn, "conv", 0, data=data, steps=2).shape == (7, 10, 3)


def test_a_picture_has_its_contrast_where_the_filter_reads():
    """In a large picture a small field is not brighter than it is alone."""
    alone = excite(one_filter(bar()), "0", 0)
    within = excite(one_filter(bar()), "0", 0, size=33)[12:21, 12:21]
    assert np.allclose(within, alone, atol=0.08)


# -- seeds, batches, steps


def test_the_same_call_gives_the_same_picture_and_another_seed_another():
    model = awake("residual", 1)
    first = excite(model, "third", [1, 5], size=16, steps=8)
    assert np.array_equal(first, excite(model, "third", [1, 5], size=16, steps=8))
    assert not np.allclose(first, excite(model, "third", [1, 5], size=16, steps=8, seed=1))


def test_a_filter_alone_gets_the_picture_that_it_gets_in_its_bank():
    model = awake("residual", 2)
    bank = excite(model, "third", size=14, steps=8)
    assert np.allclose(excite(model, "third", 5, size=14, steps=8), bank[5], atol=1e-3)


def test_several_at_a_time_and_one_at_a_time_are_the_same(monkeypatch):
    model = awake("residual", 2)
    whole = excite(model, "third", size=14, steps=4)
    monkeypatch.setattr("carviz.pictures.synthesis.front.AT_ONCE", 3 * 14 * 14)
    found = list(iter_excite(model, "third", size=14, steps=4))
    groups = [way.filters for way in found if way.finished]
    assert groups == [(0, 1, 2), (3, 4, 5), (6, 7)]
    assert np.allclose(np.concatenate([w.pictures for w in found if w.finished]), whole, atol=1e-3)
    shares = [way.share for way in found]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_more_steps_excite_more():
    model = carviz.load_model("shapes")
    few = list(iter_excite(model, "features.8", [6, 30], size=40, steps=4))[-1]
    many = list(iter_excite(model, "features.8", [6, 30], size=40, steps=24))[-1]
    assert np.array_equal(few.starts, many.starts)
    assert (many.values > 1.2 * few.values).all()


# -- progress and cancelling


def test_progress_is_told_and_closing_the_iterator_cancels():
    told = []
    ways = iter_excite(awake("fork", 0), "wide", size=14, steps=8, progress=told.append)
    assert told == []
    start = next(ways)
    assert told == [0]
    assert not start.finished
    next(ways)
    ways.close()
    assert told == [0, 1 / 8]

    class StopNowError(Exception):
        pass

    def stop(share):
        if share > 0.3:
            raise StopNowError

    with pytest.raises(StopNowError):
        excite(awake("fork", 0), "wide", size=14, steps=8, progress=stop)


def test_arguments_are_checked_before_the_first_picture_is_asked_for():
    with pytest.raises(ValueError, match="there is no 'wid'"):
        iter_excite(awake("fork", 0), "wid")


# -- nothing is touched


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_model_and_the_generators_are_left_as_they_were(name):
    model = awake(name, 3).train()
    try:
        before = fingerprint_model(model)
        modes = [m.training for m in model.modules()]
        kept = [(p, p.requires_grad) for p in model.parameters()]
        torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        layer = open_network(model).layers()[-1]
        excite(model, layer, size=14, steps=2)
        assert fingerprint_model(model) == before
        assert [m.training for m in model.modules()] == modes
        for (old, wanted), now in zip(kept, model.parameters(), strict=True):
            assert now is old
            assert now.grad is None
            assert now.requires_grad == wanted
        assert torch.equal(torch.random.get_rng_state(), torch_state)
        assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    finally:
        model.eval()


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad])
def test_it_works_where_gradients_are_switched_off(context):
    expected = excite(awake("residual", 1), "second", 2, size=14, steps=3)
    with context():
        found = excite(awake("residual", 1), "second", 2, size=14, steps=3)
        assert not torch.is_grad_enabled()
    assert np.array_equal(found, expected)


def test_a_network_in_double_precision():
    model = linear(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3)).double()
    assert excite(model, "1", 1, steps=3).shape == (5, 5, 3)


# -- what cannot be done is said


def test_a_filter_that_nothing_moves_is_grey_and_said_to_be():
    model = linear(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3))
    model[1].weight.data[1] = 0
    with pytest.warns(UserWarning, match="nothing moves these filters of '1': 1"):
        pictures = excite(model, "1", steps=4)
    assert (pictures[1] == 0.5).all()
    assert (pictures[[0, 2]] != 0.5).any()
    closed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    closed[0].bias.data.fill_(-100.0)
    *_, last = iter_excite(closed, "2", steps=4)
    assert last.still.all()
    assert (last.pictures == 0.5).all()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"layer": "features.3"}, ValueError, "there is no 'features.3'"),
        ({"filter": 2}, ValueError, "'0' has filters 0 to 1; found 2"),
        ({"filter": [0, -1]}, ValueError, "found -1"),
        ({"filter": []}, ValueError, "one filter at least"),
        ({"filter": 1.0}, TypeError, "found 1.0"),
        ({"filter": "1"}, TypeError, "found '1'"),
        ({"filter": [True]}, TypeError, "found"),
        ({"objective": "median"}, ValueError, "'center', 'mean', 'max'; found 'median'"),
        ({"objective": None}, TypeError, "found None"),
        ({"steps": 0}, ValueError, "steps is 1 at least"),
        ({"steps": 2.5}, TypeError, "steps is a whole number"),
        ({"seed": -1}, ValueError, "seed is 0 at least"),
        ({"size": 0}, ValueError, "1 pixel at least"),
        ({"size": 3.5}, TypeError, "found 3.5"),
        ({"size": (3, 4, 5)}, TypeError, "height, width"),
        ({"size": 3}, ValueError, "The least side that works is 5"),
        ({"size": (40, 2)}, ValueError, "found 40 × 2"),
        ({"normalize": ((0.5, 0.5), (0.5, 0.5))}, ValueError, "the network reads 3, found 2"),
    ],
)
def test_errors_say_the_rule_and_what_was_found(arguments, error, says):
    model = nn.Sequential(nn.Conv2d(3, 2, 5))
    with pytest.raises(error, match=says):
        excite(model, **{"layer": "0", "filter": 0, "steps": 1, **arguments})


def test_networks_of_other_images_and_without_numbers_are_refused():
    with pytest.raises(ValueError, match="reads 6 channels"):
        excite(nn.Sequential(nn.Conv2d(6, 2, 3)), "0", 0)

    class Undefined(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, images):
            return self.conv((images - 2).sqrt())

    with pytest.raises(ValueError, match="filter 1 of 'conv' gave nan"):
        excite(Undefined(), "conv", [1])
