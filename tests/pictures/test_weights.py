"""Pictures of weights: symmetric about grey, per unit of raw RGB, and only where RGB is read."""

import numpy as np
import pytest
import torch
from support.small import Residual, random_images
from torch import Tensor, nn

from carviz.banks import open_network
from carviz.pictures import effective_weights, find_exciting, read_rgb_filters, rgb_weights


def bank(weights: Tensor, *behind: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(3, len(weights), tuple(weights.shape[2:]))
    conv.weight.data.copy_(weights)
    return nn.Sequential(conv, *behind)


@pytest.fixture
def weights() -> Tensor:
    return torch.randn(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def test_shape_is_height_width_rgb_and_each_filter_reaches_an_end_of_the_range(weights):
    pictures = rgb_weights(bank(weights), "0")
    assert pictures.shape == (5, 4, 6, 3)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert np.allclose(np.abs(pictures - 0.5).max(axis=(1, 2, 3)), 0.5)
    assert np.array_equal(rgb_weights(bank(weights), "0", 3), pictures[3])
    # Places are not mixed up: each picture value is its weight's share of the largest.
    share = weights[3, 1, 2, 5] / weights[3].abs().max()
    assert pictures[3, 2, 5, 1] == pytest.approx(0.5 + 0.5 * float(share))


def test_a_filter_and_its_negative_mirror_each_other_about_grey(weights):
    one, other = rgb_weights(bank(weights), "0"), rgb_weights(bank(-weights), "0")
    assert np.allclose(one - 0.5, 0.5 - other)
    assert np.abs(one - other).max() > 0.9


def test_no_weight_is_mid_grey():
    pictures = rgb_weights(bank(torch.zeros(2, 3, 3, 3)), "0")
    assert (pictures == 0.5).all()
    lone = torch.zeros(1, 3, 3, 3)
    lone[0, 0, 1, 1] = 2.0
    picture = rgb_weights(bank(lone), "0", 0)
    assert picture[1, 1].tolist() == [1.0, 0.5, 0.5]
    assert (np.delete(picture.reshape(9, 3), 4, axis=0) == 0.5).all()


def test_bank_scale_keeps_strengths_comparable(weights):
    weights[1] *= 10 * weights.abs().max() / weights[1].abs().max()
    of_bank = rgb_weights(bank(weights), "0", scale="bank")
    assert np.abs(of_bank[1] - 0.5).max() == pytest.approx(0.5)
    assert np.abs(of_bank[[0, 2, 3, 4]] - 0.5).max() <= 0.051
    of_filter = rgb_weights(bank(weights), "0", scale="filter")
    assert np.allclose(of_filter[1], of_bank[1])
    assert np.abs(of_filter[0] - 0.5).max() == pytest.approx(0.5)


def test_weights_are_divided_by_the_std(weights):
    std = (0.1, 0.2, 0.4)
    found = read_rgb_filters(bank(weights), "0", normalize=((0.5, 0.5, 0.5), std))
    expected = weights.double() / torch.tensor(std, dtype=torch.float64).view(3, 1, 1)
    assert np.allclose(found.weights, expected.numpy())
    assert found.normalization.std == std
    plain = read_rgb_filters(bank(weights), "0")
    assert plain.normalization is None
    assert np.array_equal(plain.weights, weights.double().numpy())


def test_one_std_for_all_channels_and_the_models_own(weights):
    model = bank(weights)
    model.normalize = ((0.5,), (0.25,))
    assert np.allclose(read_rgb_filters(model, "0").weights, 4 * weights.double().numpy())
    with pytest.raises(ValueError, match="found 2"):
        read_rgb_filters(model, "0", normalize=((0, 0), (1, 1)))


def test_weights_say_what_the_unit_does_to_raw_rgb(weights):
    """The law itself: the derivative of the unit's output, through own BatchNorm and all."""

    class Prepared(nn.Module):
        """Turns RGB into BGR and normalises by itself, as some published models do."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 5, (4, 6)), nn.BatchNorm2d(5)
            self.conv.weight.data.copy_(weights)
            self.norm.running_var.copy_(torch.tensor([0.1, 1.0, 4.0, 9.0, 2.0]))
            self.norm.weight.data.copy_(torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]))

        def forward(self, x):
            x = (x.flip(1) - 0.4) / torch.tensor([0.1, 0.3, 0.5]).view(3, 1, 1)
            return self.norm(self.conv(x))

    model = Prepared().eval()
    raw = torch.rand(1, 3, 4, 6, requires_grad=True)
    found = read_rgb_filters(model, "conv")
    for i in range(5):
        (slope,) = torch.autograd.grad(model(raw)[0, i, 0, 0], raw)
        assert np.allclose(found.weights[i], slope[0].numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("filter", [0, None])
def test_the_model_is_left_alone_and_an_opened_network_serves_as_well(weights, filter):
    model = bank(weights).train()
    before = model[0].weight.detach().clone()
    pictures = rgb_weights(model, model[0], filter)
    assert model.training
    assert model[0].training
    assert not model[0]._forward_pre_hooks
    assert torch.equal(model[0].weight, before)
    assert np.array_equal(rgb_weights(open_network(model), "0", filter), pictures)


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        (nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1)), "2"),  # deeper
        (nn.Sequential(nn.Conv2d(1, 4, 3)), "0"),  # grey images
        (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3)), "0"),  # each filter one channel
    ],
)
def test_banks_that_read_no_rgb_want_data(model, layer):
    with pytest.raises(ValueError, match="give data") as caught:
        rgb_weights(model, layer)
    assert repr(layer) in str(caught.value)


def test_a_deeper_bank_shows_its_effective_weights():
    model, data = Residual(), random_images()
    exciting = find_exciting(model, data, "third", count=4)
    weights = effective_weights(model, data, "third", exciting=exciting).weights
    pictures = rgb_weights(model, "third", data=data, exciting=exciting)
    assert pictures.shape == (8, 7, 7, 3)
    largest = np.abs(weights).max(axis=(1, 2, 3))
    assert largest[2] > 0
    assert np.allclose(pictures[2, 3, 4], 0.5 + 0.5 * weights[2, :, 3, 4] / largest[2], atol=1e-5)
    assert np.allclose(rgb_weights(model, "third", 2, data=data, images=4), pictures[2], atol=1e-5)
    of_bank = rgb_weights(model, "third", 2, data=data, images=4, scale="bank")
    share = weights[2, :, 3, 4] / largest.max()
    assert np.allclose(of_bank[3, 4], 0.5 + 0.5 * share, atol=1e-5)
    assert np.allclose(
        rgb_weights(model, "third", data=data, images=4, normalize=((0.5,), (0.1,))),
        pictures,
        atol=1e-5,
    )


def test_a_bank_that_reads_rgb_shows_its_own_weights_with_data_too(weights):
    model, data = bank(weights), random_images()
    assert np.array_equal(rgb_weights(model, "0", data=data), rgb_weights(model, "0"))


@pytest.mark.parametrize("scale", ["filter", "bank"])
def test_some_filters_are_drawn_in_the_order_asked_for(weights, scale):
    model, data = bank(weights, nn.ReLU(), nn.Conv2d(5, 4, 2)), random_images()
    whole = rgb_weights(model, "0", scale=scale)
    assert np.array_equal(rgb_weights(model, "0", [3, 0, 3], scale=scale), whole[[3, 0, 3]])
    deeper = rgb_weights(model, "2", data=data, scale=scale)
    some = rgb_weights(model, "2", np.array([2, 1]), data=data, scale=scale)
    assert np.allclose(some, deeper[[2, 1]], atol=1e-5)
    with pytest.raises(ValueError, match="empty list"):
        rgb_weights(model, "0", [])


def test_progress_of_effective_weights_is_told():
    told: list[float] = []
    rgb_weights(Residual(), "third", data=random_images(), progress=told.append)
    assert told[:2] == [0.25, 0.5]  # finding the exciting images, in two batches
    assert told[2:] == [0.5 + n / 16 for n in range(1, 9)]


def test_bad_arguments_say_rule_and_found(weights):
    model = bank(weights)
    with pytest.raises(ValueError, match=r"0 to 4; found 5"):
        rgb_weights(model, "0", 5)
    with pytest.raises(ValueError, match="found -1"):
        rgb_weights(model, "0", -1)
    for wrong in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="filter is a filter's number"):
            rgb_weights(model, "0", wrong)
    with pytest.raises(ValueError, match="scale is"):
        rgb_weights(model, "0", scale="layer")
    with pytest.raises(ValueError, match="Nearest"):
        rgb_weights(model, "conv1")
