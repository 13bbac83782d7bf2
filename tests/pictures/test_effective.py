"""Effective weights are the composed convolution, through the gates that were open."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small import Pooled, Residual, Stubborn, Twice, random_images
from support.woken import family, wake
from torch import Tensor, nn
from torch.nn import functional

from carviz.banks import field_of, open_network
from carviz.pictures import (
    Exciting,
    effective_weights,
    find_exciting,
    iter_effective_weights,
    read_rgb_filters,
)
from carviz.pictures.windows import windows_of


def seeded(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every weight anew, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    for parameter in model.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator).double())
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(torch.randn(part.num_features, generator=generator))
            part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.5)
    return model.eval()


def noise(count: int, *size: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, *size, generator=generator, dtype=torch.float64)
    return images, torch.zeros(count, dtype=torch.int64)


# -- linear networks


def dense(conv: nn.Conv2d) -> Tensor:
    """The weights of a grouped convolution over all channels."""
    filters, channels = conv.weight.shape[:2]
    whole = torch.zeros(filters, channels * conv.groups, *conv.kernel_size, dtype=torch.float64)
    for filter in range(filters):
        first = filter * conv.groups // filters * channels
        whole[filter, first : first + channels] = conv.weight[filter]
    return whole


def as_convolution(step: nn.Module, channels: int) -> tuple[Tensor, object, object]:
    """Return the weights, stride and dilation of the convolution that a linear step is."""
    if isinstance(step, nn.BatchNorm2d):
        gain = step.weight / torch.sqrt(step.running_var + step.eps)
        return torch.diag(gain)[:, :, None, None], 1, 1
    if isinstance(step, nn.AvgPool2d):
        share = torch.ones(step.kernel_size).double() / np.prod(step.kernel_size)
        return torch.eye(channels).double()[:, :, None, None] * share, step.stride, 1
    return dense(step), step.stride, step.dilation


def composed(model: nn.Sequential) -> Tensor:
    """Work out by hand which one convolution a linear network is: (F, 3, height, width)."""
    filters = next(m.out_channels for m in reversed(model) if isinstance(m, nn.Conv2d))
    kernel = torch.eye(filters).double()[:, :, None, None]
    for step in reversed(model):
        weights, stride, dilation = as_convolution(step, kernel.shape[1])
        kernel = functional.conv_transpose2d(kernel, weights, stride=stride, dilation=dilation)
    return kernel


@st.composite
def linear_stacks(draw) -> nn.Sequential:
    steps: list[nn.Module] = []
    channels = 3
    for _ in range(draw(st.integers(0, 2))):
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
        if draw(st.booleans()):
            out = draw(st.sampled_from([channels, 2 * channels]))
            steps.append(
                nn.Conv2d(
                    channels, out, kernel, stride, padding=draw(st.integers(0, 1)),
                    dilation=draw(st.integers(1, 2)), groups=draw(st.sampled_from([1, channels])),
                )
            )  # fmt: skip
            channels = out
        else:
            steps.append(nn.AvgPool2d(kernel, stride))
        if draw(st.booleans()):
            steps.append(nn.BatchNorm2d(channels))
    steps.append(nn.Conv2d(channels, 2, draw(st.integers(1, 3)), padding=draw(st.integers(0, 1))))
    return nn.Sequential(*steps, *([nn.BatchNorm2d(2)] if draw(st.booleans()) else []))


def at(found: Exciting, row: int, column: int, model: nn.Module, layer: str) -> Exciting:
    """The same images at another place."""
    rows, columns = np.full_like(found.row, row), np.full_like(found.column, column)
    box = field_of(open_network(model), layer).boxes(np.stack([rows, columns], -1), found.size)
    image = np.tile(np.arange(found.image.shape[1]), (len(found), 1))
    response = np.ones(image.shape)
    return dataclasses.replace(
        found, image=image, row=rows, column=columns, response=response, box=box
    )


@given(linear_stacks(), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_a_linear_network_is_its_composed_convolution(model, seed):
    seeded(model, seed)
    layer = str(max(i for i, step in enumerate(model) if isinstance(step, nn.Conv2d)))
    data = noise(2, 34, 33, seed=seed)
    maps = model(data[0])
    found = find_exciting(model, data, layer, count=2)
    middle = at(found, maps.shape[2] // 2, maps.shape[3] // 2, model, layer)
    weights = effective_weights(model, data, layer, exciting=middle).weights
    expected = composed(model).detach().numpy()
    assert weights.shape == expected.shape
    assert np.allclose(weights, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_the_first_bank_is_its_own_weights():
    model = nn.Sequential(nn.Conv2d(3, 4, (3, 5), 2, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    seeded(model)
    data, normalize = noise(5, 12, 12), ((0.5, 0.4, 0.3), (0.1, 0.2, 0.4))
    own = read_rgb_filters(model, "0", normalize=normalize)
    found = effective_weights(model, data, "0", normalize=normalize)
    assert np.allclose(found.weights, own.weights, rtol=1e-12)
    assert found.normalization.std == (0.1, 0.2, 0.4)
    assert (found.images, own.images) == (9, 0)


def test_what_the_model_does_to_its_images_itself_is_in_the_weights():
    class Prepared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 2)

        def forward(self, images):
            images = (images.flip(1) - 0.4) / 0.25
            return self.second(self.first(images))

    model = seeded(Prepared())
    plain = nn.Sequential(model.first, model.second)
    own = effective_weights(model, noise(3, 9, 9), "second").weights
    expected = composed(plain).detach().numpy()[:, ::-1] / 0.25
    assert np.allclose(own, expected)


# -- gates, and everything else that is not linear


def by_hand(model: nn.Module, site: str, images: Tensor, found: Exciting) -> np.ndarray:
    """The rule, image by image, on whole images, one backward pass a filter and image."""
    seen: list[Tensor] = []
    hook = model.get_submodule(site).register_forward_hook(
        lambda _m, _a, out: seen.append(out.clone())
    )
    height, width = found.extent
    weights = np.zeros((len(found), 3, height, width))
    for filter in range(len(found)):
        total, count = np.zeros((3, height, width)), np.zeros((height, width))
        for rank in range(found.found[filter]):
            seen.clear()
            pixels = images[[found.image[filter, rank]]].clone().requires_grad_()
            model(pixels)
            answer = seen[0][0, filter, found.row[filter, rank], found.column[filter, rank]]
            (slope,) = torch.autograd.grad(answer, pixels)
            top, left, _, _ = found.box[filter, rank]
            for y in range(height):
                for x in range(width):
                    if 0 <= top + y < images.shape[2] and 0 <= left + x < images.shape[3]:
                        total[:, y, x] += slope[0, :, top + y, left + x].numpy()
                        count[y, x] += 1
        weights[filter] = total / np.maximum(count, 1)
    hook.remove()
    return weights


CASES = [
    (Residual, "second", "norm"),
    (Residual, "third", "third"),
    (Pooled, "depthwise", "depthwise"),
    (Twice, "shared", "shared"),
    (Stubborn, "conv", "norm"),
]


@pytest.mark.parametrize(("network", "layer", "site"), CASES)
def test_it_is_the_rule_image_by_image(network, layer, site):
    images, labels = random_images(12, size=14)
    model = wake(network(), images).double()
    images = images.double()
    found = find_exciting(model, (images, labels), layer, count=4)
    weights = effective_weights(model, (images, labels), layer, images=3).weights
    expected = by_hand(model, site, images, found.first(3))
    assert np.abs(expected).max() > 0
    assert np.allclose(weights, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "layer", "site"),
    [
        ("resnet18", "layer2.0.conv1", "layer2.0.bn1"),
        ("densenet121", "features.denseblock1.denselayer2.conv1",
         "features.denseblock1.denselayer2.norm2"),
        ("mobilenet_v3_small", "features.4.block.0.0", "features.4.block.0.1"),
    ],
    ids=lambda value: str(value).split(".")[0],
)  # fmt: skip
def test_skips_concatenations_and_gates_of_real_networks(name, layer, site):
    model, images, targets = family(name)
    data = (images, targets)
    found = find_exciting(model, data, layer, count=2)
    filters = [5, 0]
    weights = dict(iter_effective_weights(model, data, layer, filters=filters, exciting=found))
    assert list(weights) == filters
    arrays = {n: getattr(found, n)[[0]] for n in found._dtypes}
    expected = by_hand(model, site, images, dataclasses.replace(found, **arrays))[0]
    assert np.allclose(weights[0], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@st.composite
def gated_stacks(draw) -> nn.Sequential:
    """Stacks of local steps: where windows are cut out of the images."""
    steps: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        padding = draw(st.integers(0, kernel // 2))
        kind = draw(st.sampled_from(["conv", "max", "average"]))
        if kind == "conv":
            mode = draw(st.sampled_from(["zeros", "reflect", "replicate"]))
            steps += [nn.Conv2d(3, 3, kernel, stride, padding, padding_mode=mode), nn.ReLU()]
        elif kind == "max":
            steps.append(nn.MaxPool2d(kernel, stride, padding, ceil_mode=draw(st.booleans())))
        else:
            ceil, counted = draw(st.booleans()), draw(st.booleans())
            steps.append(nn.AvgPool2d(kernel, stride, padding, ceil, counted))
    last = nn.Conv2d(3, 4, 3, draw(st.integers(1, 2)), padding=draw(st.integers(0, 1)))
    return nn.Sequential(*steps, last)


@given(gated_stacks(), st.integers(0, 10**6), st.integers(40, 48), st.integers(40, 48))
@settings(deadline=None, max_examples=30)
def test_a_window_answers_as_the_whole_image_does(model, seed, height, width):
    seeded(model, seed)
    layer, data = str(len(model) - 1), noise(6, height, width, seed=seed)
    found = find_exciting(model, data, layer, count=6)
    assert windows_of(open_network(model), layer, found.size).field is not None
    weights = effective_weights(model, data, layer, exciting=found).weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carviz.pictures.windows._reads_locally", lambda _network, _layer: False)
        expected = effective_weights(model, data, layer, exciting=found).weights
    assert np.allclose(weights, expected, rtol=1e-9, atol=1e-12)


def test_what_sees_the_whole_image_is_not_cut():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.bank = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 2, 1)

        def forward(self, images):
            maps = self.first(images)
            return self.bank(maps * torch.sigmoid(maps.mean((2, 3), keepdim=True)))

    for model, layer in (
        (Gated(), "bank"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 3)), "2"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")), "0"),
        (Stubborn(), "conv"),
    ):
        windows = windows_of(open_network(model), layer, (20, 20))
        assert windows.around(np.array([3, 3, 6, 6])) == (0, 0, 20, 20)
        assert windows.place((0, 0, 20, 20), 4, 5) == (4, 5)


def test_a_gate_that_an_image_shuts_lets_nothing_through():
    """Two colours are seen by two first filters; each image opens one of them."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1, bias=False))
    model[0].weight.data.copy_(torch.tensor([[1.0, -1, 0], [-1, 1, 0]])[:, :, None, None])
    model[2].weight.data.copy_(torch.tensor([[1.0, 3.0]])[:, :, None, None])
    red, green = torch.zeros(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    red[0, 0], green[0, 1] = 1.0, 1.0
    labels = torch.zeros(1, dtype=torch.int64)
    assert effective_weights(model, (red, labels), "2").weights.ravel().tolist() == [1, -1, 0]
    assert effective_weights(model, (green, labels), "2").weights.ravel().tolist() == [-3, 3, 0]
    both = (torch.cat([red, green]), torch.zeros(2, dtype=torch.int64))
    assert effective_weights(model, both, "2").weights.ravel().tolist() == [-1, 1, 0]
    assert effective_weights(model, both, "2", images=1).weights.ravel().tolist() == [-3, 3, 0]


def test_smooth_gates_count_with_their_slope():
    model = nn.Sequential(nn.Conv2d(3, 1, 1), nn.GELU(), nn.Conv2d(1, 1, 1))
    for step in (model[0], model[2]):
        step.weight.data.fill_(1.0)
        step.bias.data.fill_(0.0)
    data = (torch.full((1, 3, 1, 1), 0.1), torch.tensor([0]))
    at_zero_point_3 = torch.tensor(0.3, requires_grad=True)
    functional.gelu(at_zero_point_3).backward()
    found = effective_weights(model, data, "2").weights.ravel()
    assert np.allclose(found, float(at_zero_point_3.grad), rtol=1e-5)
