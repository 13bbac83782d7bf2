"""Activation maps: the unit's output, place by place, and where the places lie on the image."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from carviz import activation_maps, load_data, load_model
from carviz.banks import Field
from carviz.pictures import spread


class Twice(nn.Module):
    """A convolution that is called twice, in a network that torch.fx cannot trace."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, images):
        maps = self.conv(images)
        if maps.sum() > -1e9:
            maps = self.conv(maps.relu())
        return self.head(maps.mean((2, 3)))


def hooked(model, module, images):
    seen = []
    handle = module.register_forward_hook(lambda _m, _a, output: seen.append(output.clone()))
    with torch.no_grad():
        model(images)
    handle.remove()
    return seen[0]


def test_a_map_is_what_the_convolution_with_its_batch_norm_gives():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 3),
    ).eval()  # fmt: skip
    model[1].running_mean.uniform_(-1, 1), model[1].running_var.uniform_(0.5, 2)
    model[1].bias.data.fill_(-0.7)
    images = torch.rand(3, 3, 9, 13)
    found = activation_maps(model, images, "0", 2)
    expected = hooked(model, model[1], images)[:, 2].numpy()
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-5)
    assert found.images.tolist() == [0, 1, 2]
    assert found.maps.shape == (3, 4, 6)
    assert (found.maps < 0).any(), "it is what comes before the ReLU"


def test_of_several_calls_it_is_the_first_also_where_the_network_cannot_be_traced():
    torch.manual_seed(1)
    model, images = Twice().eval(), torch.rand(2, 3, 6, 6)
    found = activation_maps(model, images, model.conv, 1)
    expected = hooked(model, model.conv, images)[:, 1].numpy()
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "end"),
    [
        ("resnet18", "layer2.0.conv2", "layer2.0.bn2"),
        ("mobilenet_v2", "features.3.conv.0.0", "features.3.conv.0.1"),
        ("squeezenet1_1", "features.3.expand3x3", "features.3.expand3x3"),
        ("googlenet", "inception3a.branch2.1.conv", "inception3a.branch2.1.bn"),
        # Its normalisation comes before a convolution: of two, one has none behind it.
        *(("densenet121", f"features.denseblock1.denselayer1.{conv}",
           f"features.denseblock1.denselayer1.{end}")
          for conv, end in (("conv1", "norm2"), ("conv2", "conv2"))),
    ],
)  # fmt: skip
def test_it_is_so_in_networks_that_others_wrote(name, layer, end):
    torch.manual_seed(1)
    kwargs = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(weights=None, num_classes=5, **kwargs).eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.2, 0.2), norm.running_var.uniform_(0.5, 2)
        norm.bias.data.uniform_(-0.5, 0.5)
    images = torch.rand(2, 3, 64, 64)
    found = activation_maps(model, images, layer, 3)
    expected = hooked(model, model.get_submodule(end), images)[:, 3].numpy()
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


class Crops(nn.Module):
    """A convolution that reads two quarters of each image as rows of their own."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, images):
        crops = torch.cat([images[..., :8, :8], images[..., 8:, 8:]])
        first, second = self.conv(crops).relu().mean((2, 3)).chunk(2)
        return self.head(first + second)


@pytest.mark.parametrize("count", [1, 3])
def test_a_bank_that_reads_crops_has_no_map_of_an_image(count):
    with pytest.raises(ValueError, match="rows which 'conv' reads are parts of images"):
        activation_maps(Crops().eval(), torch.rand(count, 3, 16, 16), "conv", 1)


def lonely():
    """Return a network, and an image of which one place alone is above zero, between pixels."""
    conv = nn.Conv2d(1, 1, 2, stride=2)
    conv.weight.data.fill_(1.0), conv.bias.data.fill_(-3.5)
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    image = torch.zeros(1, 1, 12, 12)
    image[0, 0, 4:6, 6:8] = 1.0
    return model.eval(), image


def test_a_place_whose_middle_lies_between_pixels_is_told_and_seen():
    found = activation_maps(*lonely(), "0", 0)
    assert found.highest.tolist() == [0.5]
    assert found.on_images().max() < 0, "the places around it weigh more"
    risen = found.on_images(above_zero=True)[0]
    rows, columns = np.nonzero(risen == risen.max())
    assert (rows.tolist(), columns.tolist()) == ([4, 4, 5, 5], [6, 7, 6, 7])
    assert risen.max() > 0.25


def test_the_highest_place_lies_on_what_the_filter_looks_for():
    conv = nn.Conv2d(1, 1, 3, stride=2, bias=False)
    conv.weight.data.fill_(1.0)
    model = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)).eval()
    images = torch.zeros(1, 1, 21, 21)
    images[0, 0, 12:15, 4:7] = 1.0  # one place reads it whole: row 6, column 2
    on_image = activation_maps(model, images, "0", 0).on_images()[0]
    assert np.unravel_index(on_image.argmax(), on_image.shape) == (13, 5)


def test_maps_are_interpolated_between_the_middles_of_what_places_read():
    maps = np.array([[[0.0, 1.0], [2.0, 3.0]]], np.float32)
    # Places read 2 pixels, 4 apart, from pixel 1 on: their middles are at 2 and 6 from the edge.
    found = spread(maps, Field((2, 2), (4, 4), (1, 1)), (8, 8))[0]
    at = np.clip((np.arange(8) + 0.5 - 2) / 4, 0, 1)
    np.testing.assert_allclose(found, 2 * at[:, None] + at[None], rtol=1e-6)


def test_numbers_choose_images_in_their_order_and_pictures_are_raw_rgb():
    model, data = load_model("shapes"), load_data("shapes", limit=1)
    found = activation_maps(model, data, "features.0", 12, numbers=[5, 0])
    whole = activation_maps(model, data, "features.0", 12)
    np.testing.assert_allclose(found.maps, whole.maps[[5, 0]], rtol=1e-4, atol=1e-5)
    assert found.images.tolist() == [5, 0]
    assert found.pictures.min() >= 0
    assert found.pictures.max() <= 1


def test_it_is_saved_and_read_again(tmp_path):
    model, data = load_model("shapes"), load_data("shapes", limit=1)
    found = activation_maps(model, data, "features.0", 3, numbers=[1])
    assert type(found).load(found.save(tmp_path / "maps.npz")) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"numbers": [99]}, "0 to 15 of this data; found 99"),
        ({"numbers": []}, "found no number"),
        ({"filter": 32}, "32"),
        ({"images": torch.rand(3, 32, 32)}, r"images\[None\]"),
    ],
)
def test_what_is_not_there_is_refused(given, words):
    asked = {"images": load_data("shapes", limit=1), "filter": 0, **given}
    with pytest.raises(ValueError, match=words):
        activation_maps(load_model("shapes"), layer="features.0", **asked)
