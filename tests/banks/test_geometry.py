"""The box of a place is exactly the support of its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small import Residual
from torch import Tensor, nn
from torch.nn import functional

from carviz.banks import answers, field_of, open_network


def positive(model: nn.Module) -> nn.Module:
    """Weights above zero everywhere: nothing cancels, and every pixel that is read counts."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    return model


def support(network, layer: str, place: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return (height, width) whether a pixel has a gradient at one place of the bank's output."""
    image = torch.ones(1, 3, *size, dtype=torch.float64, requires_grad=True)
    network.graph.double()
    (maps,) = answers(network, layer, image.detach())(image)[:1]
    maps[0, :, place[0], place[1]].sum().backward()
    return image.grad[0].abs().sum(0) > 0


def map_size(network, layer: str, size: tuple[int, int]) -> tuple[int, int]:
    network.graph.double()
    image = torch.ones(1, 3, *size, dtype=torch.float64)
    height, width = answers(network, layer, image)(image)[0].shape[2:]
    return height, width


def inside(box, size: tuple[int, int]) -> Tensor:
    """Return (height, width) what of the image is in a box."""
    covered = torch.zeros(size, dtype=torch.bool)
    top, left, bottom, right = (max(0, int(n)) for n in box)
    covered[top:bottom, left:right] = True
    return covered


def check(model: nn.Module, layer: str, size: tuple[int, int], every: bool = True) -> None:
    network = open_network(positive(model))
    assert network.graph is not None, network.untraceable
    field = field_of(network, layer)
    height, width = map_size(network, layer, size)
    rows = range(height) if every else {0, height // 2, height - 1}
    columns = range(width) if every else {0, width // 2, width - 1}
    for place in [(row, column) for row in rows for column in columns]:
        found = support(network, layer, place, size)
        assert torch.equal(found, inside(field.boxes(place, size), size)), (place, field)


@st.composite
def stacks(draw) -> tuple[nn.Sequential, tuple[int, int]]:
    """A few convolutions and poolings, and an image that is large enough for them."""
    size = (draw(st.integers(24, 30)), draw(st.integers(24, 30)))
    steps: list[nn.Module] = []
    for _ in range(draw(st.integers(0, 3))):
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
        # No hole: a stride or a dilation larger than the kernel before it skips pixels.
        stride = tuple(min(s, k) for s, k in zip(stride, kernel, strict=True))
        before = tuple(draw(st.integers(0, k // 2)) for k in kernel)
        if draw(st.booleans()):
            groups = draw(st.sampled_from([1, 3]))
            steps.append(nn.Conv2d(3, 3, kernel, stride, before, groups=groups))
        else:
            ceil, count = draw(st.booleans()), draw(st.booleans())
            steps.append(nn.AvgPool2d(kernel, stride, before, ceil, count))
    return nn.Sequential(*steps, nn.Conv2d(3, 2, draw(st.integers(1, 2)))), size


@given(stacks(), st.data())
@settings(deadline=None, max_examples=60)
def test_the_box_is_the_gradients_support(stack, data):
    model, size = stack
    layer = str(len(model) - 1)
    network = open_network(positive(model))
    height, width = map_size(network, layer, size)
    # Borders and corners, where padding is read, more often than the middle.
    row = data.draw(st.sampled_from([0, height - 1, data.draw(st.integers(0, height - 1))]))
    column = data.draw(st.sampled_from([0, width - 1, data.draw(st.integers(0, width - 1))]))
    found = support(network, layer, (row, column), size)
    box = field_of(network, layer).boxes((row, column), size)
    assert not (found & ~inside(box, size)).any()
    for axis, seen in ((0, found.any(1)), (1, found.any(0))):
        first, last = max(box[axis], 0), min(box[axis + 2], size[axis])
        if box[axis + 2] > size[axis]:
            # Padding is read behind the last row that a stride did not leave over.
            last = int(seen.nonzero().max()) + 1 if seen.any() else first
        assert seen.nonzero().flatten().tolist() == list(range(first, last))


def test_alexnet_by_hand():
    import torchvision

    network = open_network(torchvision.models.alexnet(weights=None))
    assert field_of(network, "features.0").boxes([(0, 0), (1, 2)], (224, 224)).tolist() == [
        [-2, -2, 9, 9],
        [2, 6, 13, 17],
    ]
    # 5 x 5 at jump 8 with padding 2: 16 pixels further out than the pool behind features.0.
    assert field_of(network, "features.3").boxes((0, 0), (224, 224)).tolist() == [-18, -18, 33, 33]


@pytest.mark.parametrize(
    "steps",
    [
        # The holes of the dilated kernel are filled by the next one.
        [nn.Conv2d(3, 3, 3, dilation=2, padding=2), nn.Conv2d(3, 3, 2)],
        [nn.Conv2d(3, 3, (3, 5), padding="same"), nn.Conv2d(3, 3, 1, padding="valid")],
        [nn.ZeroPad2d((1, 0, 3, 2)), nn.Conv2d(3, 3, 3, stride=2)],
        [nn.ZeroPad2d((-1, -2, -3, 0)), nn.Conv2d(3, 3, 3)],
        [nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.LPPool2d(1, 2), nn.Conv2d(3, 3, 1)],
        [nn.PixelUnshuffle(2), nn.Conv2d(12, 3, 2)],
        [nn.AvgPool2d(3, 2, ceil_mode=True), nn.Conv2d(3, 3, 2)],
    ],
    ids=["same with dilation", "same", "padded", "cropped", "LPPool", "unshuffle", "ceil"],
)
def test_exact_at_every_place(steps):
    check(nn.Sequential(*steps), str(len(steps) - 1), (12, 14))


class Branches(nn.Module):
    """What one bank reads, put together in several ways."""

    def __init__(self, join: str) -> None:
        super().__init__()
        self.join = join
        self.narrow = nn.Conv2d(3, 3, 1, stride=2)
        self.wide = nn.Conv2d(3, 3, 5, stride=2, padding=2)
        self.bank = nn.Conv2d(6 if join == "concatenation" else 3, 2, 3, padding=1)
        self.squeeze = nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        wide = self.wide(images)
        if self.join == "concatenation":
            maps = torch.cat([self.narrow(images), wide], 1)
        elif self.join == "skip":
            maps = self.narrow(images) + wide
        elif self.join == "slices":
            maps = functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 0, 0)) + wide
        elif self.join == "pool calls":
            maps = functional.avg_pool2d(images, 3, stride=2, padding=1) + wide
        elif self.join == "channels":
            maps = wide.flip(1) + wide.mean(1, keepdim=True) + wide[:, :1]
        elif self.join == "channels last":
            maps = wide.permute(0, 2, 3, 1).permute(0, 3, 1, 2)
        elif self.join == "shape":
            maps = wide.view(images.shape[0], 3, wide.size(2), wide.shape[3])
        else:
            maps = wide * self.squeeze(wide.mean((2, 3), keepdim=True))
        return self.bank(maps)


@pytest.mark.parametrize(
    "join",
    ["concatenation", "skip", "slices", "pool calls", "channels", "channels last", "shape"],
)
def test_where_branches_meet_the_box_holds_all(join):
    check(Branches(join), "bank", (13, 15), every=False)


def test_a_gate_is_left_out():
    network = open_network(Branches("gate"))
    assert field_of(network, "bank") == field_of(open_network(Branches("skip")), "bank")
    assert field_of(network, "squeeze").whole


def test_branches_whose_places_differ_see_the_whole_image():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 3, 1, stride=2), nn.Conv2d(3, 3, 1)
            self.bank = nn.Conv2d(3, 2, 1)

        def forward(self, images):
            return self.bank(self.one(images) + self.two(images)[:, :, :5, :5])

    field = field_of(open_network(Mixed()), "bank")
    assert field.whole
    assert field.boxes([(0, 0), (1, 1)], (9, 8)).tolist() == [[0, 0, 9, 8]] * 2
    assert field.extent((9, 8)) == (9, 8)


@pytest.mark.parametrize(
    "step",
    [nn.AdaptiveAvgPool2d(4), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(3, 3, 2, stride=2)],
    ids=lambda step: type(step).__name__,
)
def test_what_mixes_places_far_apart_sees_the_whole_image(step):
    assert field_of(open_network(nn.Sequential(step, nn.Conv2d(3, 2, 1))), "1").whole


def test_linear_layers_on_maps_with_channels_last_mix_no_places():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.linear = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 4)
            self.bank = nn.Conv2d(4, 2, 3)

        def forward(self, images):
            maps = self.linear(self.first(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            return self.bank(maps)

    check(Block(), "bank", (9, 9))


def test_residual_networks_of_the_house():
    for layer in ("first", "second", "third"):
        check(Residual(), layer, (12, 12), every=False)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "convnext_tiny"])
def test_torchvisions_networks(name):
    """Boxes hold the support, and no smaller box would."""
    from support.woken import family

    network = open_network(family(name).model)
    size = (64, 64)
    banks = [layer for layer in network.layers() if not field_of(network, layer).whole]
    for layer in banks[:: max(1, len(banks) // 4)]:
        field = field_of(network, layer)
        image = torch.rand(1, 3, *size, requires_grad=True)
        maps = answers(network, layer, image.detach())(image)[0]
        for place in {(0, 0), (maps.shape[2] // 2, maps.shape[3] - 1)}:
            (slope,) = torch.autograd.grad(
                maps[0, :, place[0], place[1]].sum(), image, retain_graph=True
            )
            found = slope[0].abs().sum(0) > 0
            box = inside(field.boxes(place, size), size)
            assert not (found & ~box).any(), layer
            if name != "googlenet":
                assert np.ptp(np.flatnonzero(found.any(1))) >= 0.6 * np.ptp(
                    np.flatnonzero(box.any(1))
                )
