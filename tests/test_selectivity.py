"""The colour index obeys its laws, and dead filters are found by weights and by data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.colour import PATTERN, images
from torch import Tensor, nn

from carviz.banks import open_network
from carviz.results import SelectivityTable
from carviz.selectivity import color_index, measure_selectivity


def coloured(*mixes: tuple[float, float, float]) -> Tensor:
    """Filters of one pattern in several mixtures of R, G and B: (F, 3, 3, 3)."""
    return torch.tensor(mixes)[:, :, None, None] * PATTERN


def bank(weights: Tensor, *behind: nn.Module, bias: Tensor | None = None) -> nn.Sequential:
    conv = nn.Conv2d(3, len(weights), 3, padding=1)
    conv.weight.data.copy_(weights)
    conv.bias.data.copy_(torch.zeros(len(weights)) if bias is None else bias)
    return nn.Sequential(conv, *behind)


FOUR = coloured((1, 1, 1), (1, -1, 0), (0, 1, 0), (1, 1, 0.2))


def test_grey_is_0_opponent_1_and_a_primary_two_thirds():
    table = measure_selectivity(bank(FOUR), "0")
    assert np.allclose(table.color_index[:3], [0, 1, 2 / 3], atol=1e-12)
    assert 0 < table.color_index[3] < 0.5
    assert table.kind.tolist() == ["shape", "color", "color", "shape"]
    assert np.allclose(table.energy, FOUR.double().square().sum((1, 2, 3)).numpy())


def test_the_threshold_decides_and_is_kept():
    table = measure_selectivity(bank(FOUR), "0", threshold=0.8)
    assert table.kind.tolist() == ["shape", "color", "shape", "shape"]
    assert table.threshold == 0.8
    at = measure_selectivity(bank(FOUR), "0", threshold=1)
    assert "color" not in at.kind.tolist()  # selective above, not at, the threshold


def test_the_std_matters():
    """A filter that is grey on normalised values is not grey on raw ones, and the reverse."""
    std = torch.tensor([0.1, 0.2, 0.4])
    normalize = ((0.5, 0.5, 0.5), tuple(std.tolist()))
    weights = torch.cat([coloured((1, 1, 1)), coloured(tuple(std.tolist()))])
    plain = measure_selectivity(bank(weights), "0")
    raw = measure_selectivity(bank(weights), "0", normalize=normalize)
    assert plain.color_index[0] == pytest.approx(0, abs=1e-12)
    assert raw.color_index[0] > 0.1
    assert plain.color_index[1] > 0.1
    assert raw.color_index[1] == pytest.approx(0, abs=1e-9)
    assert plain.passport["normalization"] == "none found"
    assert raw.passport["normalization"]["source"] == "normalize=(mean, std)"


FINITE = st.floats(-1e30, 1e30, allow_subnormal=False)


@given(arrays(np.float64, (2, 3, 2, 2), elements=FINITE), st.sampled_from([1e-200, 3.0, 1e200]))
def test_the_index_is_in_0_to_1_and_knows_no_scale(weights, factor):
    index = color_index(weights)
    energy = np.abs(weights).max(axis=(1, 2, 3))
    assert np.array_equal(np.isnan(index), energy == 0)
    assert ((index >= 0) & (index <= 1))[energy > 0].all()
    # Weights that the factor would push out of float64 are another filter, not the same scaled.
    safe = energy > 1e-50
    if (np.abs(weights)[weights != 0] > 1e-50).all():
        assert np.allclose(color_index(weights * factor)[safe], index[safe])


@given(arrays(np.float64, (1, 3, 3, 3), elements=st.floats(-1, 1)))
def test_grey_and_chromatic_part_share_the_energy(weights):
    if np.square(weights).sum() < 1e-12:
        return
    grey = np.broadcast_to(weights.mean(axis=1, keepdims=True), weights.shape)
    expected = 1 - np.square(grey).sum() / np.square(weights).sum()
    assert color_index(weights)[0] == pytest.approx(expected, abs=1e-9)


def test_random_weights_have_index_two_thirds():
    weights = np.random.default_rng(0).normal(size=(50, 3, 11, 11))
    assert color_index(weights).mean() == pytest.approx(2 / 3, abs=0.01)


def test_a_filter_with_hardly_any_energy_is_dead():
    weights = coloured(*[(1, 1, 1)] * 8)
    weights[2] *= 0.09  # 0.8% of the energy
    weights[5] *= 0.11  # 1.2%
    weights[7] = 0
    table = measure_selectivity(bank(weights), "0")
    assert np.flatnonzero(table.kind == "dead").tolist() == [2, 7]
    assert np.isnan(table.color_index[[2, 7]]).all()
    assert table.faint.nonzero()[0].tolist() == [2, 5, 7]


def test_a_bank_without_weights_is_all_dead():
    table = measure_selectivity(bank(torch.zeros(4, 3, 3, 3)), "0")
    assert table.kind.tolist() == ["dead"] * 4


def test_energy_is_that_of_the_unit_so_a_batchnorm_that_mutes_a_filter_kills_it():
    norm = nn.BatchNorm2d(4)
    norm.weight.data.copy_(torch.tensor([1.0, 0.01, 1.0, 1.0]))
    table = measure_selectivity(bank(FOUR, norm, nn.ReLU()), "0")
    assert table.kind.tolist() == ["shape", "dead", "color", "shape"]


def test_a_filter_that_never_rises_above_zero_is_dead_on_data_only():
    bias = torch.tensor([0.0, -100.0, 0.0, 0.0])
    model = bank(FOUR, nn.ReLU(), bias=bias)
    assert "dead" not in measure_selectivity(model, "0").kind.tolist()
    table = measure_selectivity(model, "0", data=images())
    assert table.kind.tolist() == ["shape", "dead", "color", "shape"]
    assert table.passport["images"] == 20
    assert "never above zero" in table.passport["dead"]


def test_a_filter_that_is_exactly_zero_on_the_data_does_not_rise_either():
    """An opponent filter sees nothing in grey images."""
    pictures, labels = images()
    grey = pictures[:, :1].round(decimals=2).expand(-1, 3, -1, -1) * 64
    model = bank(coloured((1, 1, 1), (1, -1, 0)).sign(), nn.ReLU())
    assert measure_selectivity(model, "0", data=(grey.round(), labels)).kind[1] == "dead"
    assert measure_selectivity(model, "0", data=(pictures, labels)).kind[1] == "color"


def test_it_is_judged_behind_the_units_own_batchnorm():
    """A negative bias that the BatchNorm takes back kills nothing; a negative shift does."""
    norm = nn.BatchNorm2d(4)
    norm.running_mean.copy_(torch.tensor([0.0, -100.0, 0.0, 0.0]))
    norm.bias.data.copy_(torch.tensor([0.0, 0.0, -100.0, 0.0]))
    model = bank(FOUR, norm, nn.ReLU(), bias=torch.tensor([0.0, -100.0, 0.0, 0.0]))
    table = measure_selectivity(model, "0", data=images())
    assert table.kind.tolist() == ["shape", "color", "dead", "shape"]


def test_one_image_that_wakes_it_is_enough():
    pictures, labels = images(40)
    weights = coloured((1, 1, 1), (1, -1, 0)).abs()
    # Nothing but the brightest image gets past this bias.
    reach = nn.functional.conv2d(pictures, weights, padding=1)[:, 0].amax((1, 2))
    best, second = reach.topk(2).values.tolist()
    bias = torch.tensor([-(best + second) / 2, 0.0])
    model = bank(weights, nn.ReLU(), bias=bias)
    with_it = measure_selectivity(model, "0", data=(pictures, labels))
    assert with_it.kind[0] == "shape"
    rest = torch.arange(40) != int(reach.argmax())
    without = measure_selectivity(model, "0", data=(pictures[rest], labels[rest]))
    assert without.kind[0] == "dead"


def test_a_model_that_cannot_be_traced_is_judged_too():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = bank(FOUR)[0], nn.BatchNorm2d(4)
            self.norm.bias.data[3] = -100.0

        def forward(self, x):
            return self.norm(self.conv(x)).relu() if x.sum() > -1e9 else x

    model = Branching()
    assert open_network(model).graph is None
    table = measure_selectivity(model, "conv", data=images())
    assert table.kind.tolist() == ["shape", "color", "color", "dead"]
    assert not model.norm._forward_hooks


def test_at_most_512_images_are_read_spread_over_the_classes(monkeypatch):
    from carviz.selectivity import measurement

    monkeypatch.setattr(measurement, "MOST_IMAGES", 20)
    pictures, _ = images(100)
    labels = torch.repeat_interleave(torch.arange(2), 50)  # sorted, as a folder is
    pictures[labels == 1] *= -1
    # Only images of the second class wake filter 0.
    model = bank(-coloured((1, 1, 1), (1, -1, 0)).abs(), nn.ReLU())
    table = measure_selectivity(model, "0", data=(pictures, labels))
    assert table.kind[0] == "shape"
    assert table.passport["images"] == 20
    assert table.passport["total"] == 100


def test_the_passport_travels_with_the_file(tmp_path):
    model = bank(FOUR, nn.ReLU())
    table = measure_selectivity(
        model, model[0], data=images(), normalize=((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    )
    again = SelectivityTable.load(table.save(tmp_path / "selectivity.npz"))
    assert again == table
    assert again.layer == "0"
    assert again.passport["normalization"]["std"] == [0.2, 0.2, 0.2]
    assert again.passport["versions"]["torch"] == torch.__version__
    assert again.passport["data"]
    assert measure_selectivity(model, "0").passport["data"] is None
    assert measure_selectivity(model, "0").passport["model"] == again.passport["model"]


def test_an_opened_network_gives_the_same_table():
    model = bank(FOUR)
    assert measure_selectivity(open_network(model), "0") == measure_selectivity(model, "0")


def test_bad_arguments_say_rule_and_found():
    model = bank(FOUR, nn.ReLU(), nn.Conv2d(4, 2, 1))
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"in \[0, 1\]; found"):
            measure_selectivity(model, "0", threshold=wrong)
    for wrong in ("0.5", None, True):
        with pytest.raises(TypeError, match="threshold is a number"):
            measure_selectivity(model, "0", threshold=wrong)
    with pytest.raises(ValueError, match="for '2' give data"):
        measure_selectivity(model, "2")
    with pytest.raises(ValueError, match=r"activation_threshold is .* in \[0, 1\]"):
        measure_selectivity(model, "0", activation_threshold=2)
    grey = (torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64))
    for layer in ("0", "2"):
        with pytest.raises(ValueError, match="three channels"):
            measure_selectivity(model, layer, data=grey)
