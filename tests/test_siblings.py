"""Siblings by weights and by activation are what numpy says, in every kind of network."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.small import Pooled, Residual, Stubborn, Twice, random_images
from support.woken import wake
from torch import Tensor, nn

from carviz import measure_car, measure_siblings, siblings
from carviz.siblings import Sums, cosine_similarity


def bank(weights: Tensor, *behind: nn.Module, bias: Tensor | None = None) -> nn.Sequential:
    conv = nn.Conv2d(weights.shape[1], len(weights), weights.shape[2:])
    conv.weight.data.copy_(weights)
    conv.bias.data.copy_(torch.zeros(len(weights)) if bias is None else bias)
    return nn.Sequential(conv, *behind, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def correlation(maps: Tensor) -> np.ndarray:
    """Numpy's correlation of (image, filter, height, width) over images and places."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(maps.double().transpose(0, 1).flatten(1).numpy())


# -- by weights


def test_scaled_copies_are_the_same_and_negatives_opposite():
    base = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    other = torch.zeros_like(base)
    other[0, 0, 0, 0] = 1
    table = measure_siblings(
        bank(torch.cat([base, 3 * base, -0.1 * base, other])), random_images(), "0", progress=False
    )
    expected = float(base[0, 0, 0, 0] / base.norm())
    assert np.allclose(table.by_weights[0], [1, 1, -1, expected], atol=1e-7)
    assert table.nearest(0, k=1)["filter"].tolist() == [1]


@given(arrays(np.float64, (3, 2, 2, 2), elements=st.floats(-1, 1, width=16)))
def test_the_cosine_is_numpys_and_knows_no_scale(weights):
    flat = weights.reshape(3, -1)
    norm = np.sqrt(np.square(flat).sum(1))
    found = cosine_similarity(weights)
    zero = norm == 0
    assert np.isnan(found[zero]).all()
    assert np.isnan(found[:, zero]).all()
    kept = np.ix_(~zero, ~zero)
    assert np.allclose(found[kept], (flat @ flat.T / np.outer(norm, norm).clip(1e-300))[kept])
    for factor in (1e-200, 1e200):
        assert np.allclose(cosine_similarity(weights * factor), found, equal_nan=True)


def test_a_bank_that_reads_rgb_is_compared_per_unit_of_raw_rgb():
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 0]]).view(2, 3, 1, 1)
    model = bank(weights)
    model.normalize = ((0.5, 0.5, 0.5), (1.0, 2.0, 4.0))
    table = measure_siblings(model, random_images(), "0", progress=False)
    raw = np.array([1, 1 / 2, 1 / 4])
    assert table.by_weights[0, 1] == pytest.approx(1 / np.linalg.norm(raw))
    assert "raw RGB" in table.passport["weights"]


def test_a_batchnorm_that_turns_a_filter_turns_its_weights():
    norm = nn.BatchNorm2d(2)
    norm.weight.data.copy_(torch.tensor([1.0, -2.0]))
    same = torch.ones(1, 3, 2, 2)
    model = bank(torch.cat([same, same]), norm).eval()
    table = measure_siblings(model, random_images(), "0", progress=False)
    assert table.by_weights[0, 1] == pytest.approx(-1)


def test_filters_that_read_other_channels_are_unlike():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten())
    model[1].weight.data.copy_(torch.ones(4, 2, 3, 3))
    table = measure_siblings(model, random_images(), "1", progress=False)
    assert table.by_weights.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


# -- by activation


@pytest.mark.parametrize(
    ("model", "layer", "outputs"),
    [
        (Residual(), "first", lambda m, x: [m.first(x)]),
        (Residual(), "second", lambda m, x: [m.norm(m.second(torch.relu(m.first(x))))]),
        (Pooled(), "first", lambda m, x: [m.norm(m.first(x))]),
        (Stubborn(), "conv", lambda m, x: [m.norm(m.conv(x))]),
        (Stubborn(own=False), "conv", lambda m, x: [m.conv(x)]),
        (
            Twice(), "shared",
            lambda m, x: [m.shared(m.stem(x)), m.shared(torch.relu(m.shared(m.stem(x))))],
        ),
    ],
    ids=["skip", "own BatchNorm", "in place", "untraceable", "BatchNorm not its own", "used twice"],
)  # fmt: skip
def test_the_correlation_is_numpys(model, layer, outputs):
    images, labels = random_images(20)
    wake(model, images)
    table = measure_siblings(model, (images, labels), layer, progress=False)
    with torch.inference_mode():
        maps = torch.cat([torch.relu(z) for z in outputs(model, images)])
    assert np.allclose(table.by_activation, correlation(maps), atol=1e-6, equal_nan=True)
    assert table.images == 20
    assert table.places == maps.shape[0] // 20 * maps.shape[2] * maps.shape[3]
    assert np.ptp(table.by_activation) > 0.1  # there is something to tell apart


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_running_sums_are_the_whole_sum_wherever_it_is_cut(seed, filters, piece):
    g = torch.Generator().manual_seed(seed)
    maps = torch.randn(9, filters, 3, 4, generator=g) * 3 + 1000
    maps[:, 0] = 0.1  # a filter that never changes, at a value that floats cannot hold
    sums = Sums()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siblings, "PIECE", piece)
        for part in maps.split([1, 5, 3]):
            sums.add(part)
    expected = np.full((filters, filters), np.nan)
    if filters > 1:
        expected[1:, 1:] = correlation(maps[:, 1:])
    assert sums.places == 9 * 12
    assert np.isnan(sums.correlation()[0]).all()
    assert np.allclose(sums.correlation(), expected, atol=1e-9, equal_nan=True)


def test_a_constant_channel_has_no_correlation():
    weights = torch.randn(3, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    weights[1] = 0
    bias = torch.tensor([0.0, 0.1, -1e6])  # always 0.1, and never above zero
    table = measure_siblings(bank(weights, bias=bias), random_images(), "0", progress=False)
    assert np.isnan(table.by_activation).sum() == 8
    assert table.by_activation[0, 0] == 1
    assert np.isnan(table.by_weights[1]).all()
    assert not np.isnan(table.by_weights[2, 0])


# -- by what they do to the classes


class Twins(nn.Module):
    """Filters 0 and 1 have equal weights and are read alike; 2 is their negative."""

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 3, bias=False)
        self.last = nn.Linear(6, 4)
        self.conv.weight.data.normal_(generator=g)
        self.conv.weight.data[1] = self.conv.weight.data[0]
        self.conv.weight.data[2] = -self.conv.weight.data[0]
        self.last.weight.data.normal_(generator=g)
        self.last.weight.data[:, 1] = self.last.weight.data[:, 0]

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.relu(self.conv(images)).mean((2, 3)))


def test_planted_twins_are_siblings_by_all_three_and_a_negative_by_none():
    images, _ = random_images(60)
    model = Twins().eval()
    with torch.inference_mode():
        logits = model(images)
        logits -= logits.mean(0)  # every class is found somewhere
        labels = logits.argmax(1)
    car = measure_car(model, (images, labels), "conv", progress=False)
    assert car.lost[0].any()
    table = measure_siblings(model, (images, labels), "conv", table=car, progress=False)
    for by in table.measures:
        assert table.similarity(by)[0, 1] == pytest.approx(1), by
        assert table.nearest(0, 1, by=by)["filter"].tolist() == [1]
        label = table.clusters(by, threshold=0.99).label
        assert label[0] == label[1] != label[2], by
    assert table.by_weights[0, 2] == pytest.approx(-1)
    assert table.by_activation[0, 2] < 0
    alone = measure_siblings(model, (images, labels), "conv", progress=False)
    assert alone.measures == ("weights", "activation")
    assert alone.with_classes(car) == table
    rows = car.class_car[:, car.class_images > 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.allclose(table.by_classes, np.corrcoef(rows), equal_nan=True)
    assert table.passport["classes"]["data"] == car.passport["data"]


def test_the_car_of_another_network_is_refused_before_anything_is_run():
    images, labels = random_images(20)
    labels, model = labels % 4, Twins()
    car = measure_car(model, (images, labels), "conv", progress=False)
    model.conv.weight.data += 1

    def never(_share: float) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="same network"):
        measure_siblings(model, (images, labels), "conv", table=car, progress=never)
    with pytest.raises(TypeError, match=r"CarTable.*found str"):
        measure_siblings(model, (images, labels), "conv", table="car.npz", progress=never)


def test_the_model_stays_as_it_was_and_the_answer_is_the_same():
    model, data = Residual(), random_images()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one = measure_siblings(model, data, model.second, progress=False)
    assert one == measure_siblings(model, data, "second", progress=False)
    assert model.training
    assert all(m.training for m in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not [m for m in model.modules() if m._forward_hooks]


def test_progress_is_told_and_can_end_it(capsys, monkeypatch):
    told: list[float] = []
    measure_siblings(Residual(), random_images(40), "first", progress=told.append)
    assert told == [0.4, 0.8, 1.0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    measure_siblings(Residual(), random_images(), "first")
    assert "Siblings in first: 100%" in capsys.readouterr().err

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_siblings(Residual(), random_images(), "first", progress=stop)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        measure_siblings(Residual(), random_images(), "frist")
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        measure_siblings("alexnet", random_images(), "first")
    with pytest.raises(ValueError, match="one image at least"):
        measure_siblings(Residual(), (torch.zeros(0, 3, 8, 8), torch.zeros(0).long()), "first")
