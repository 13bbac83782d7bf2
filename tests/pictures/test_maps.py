"""Activation maps: the unit's output, place by place, and where the places lie on the image."""

import numpy as np
import pytest
import torch
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
    handle = module.register_forward_hook(lambda _m, _a, output: seen.append(output.detach()))
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
