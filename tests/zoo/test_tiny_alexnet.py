"""The network of AlexNet's kind: its plan, its classes, its file."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import alexnet

from carviz.banks import open_network
from carviz.zoo.bundled import WEIGHTS
from carviz.zoo.tiny_alexnet import CLASSES, SYNSETS, load_tiny_alexnet, prepare
from recipes.first_bank import roughness


@pytest.fixture(scope="module")
def network():
    return load_tiny_alexnet()


def test_its_banks_are_torchvision_s(network):
    theirs = alexnet().features
    for name, module in network.features.named_children():
        other = theirs.get_submodule(name)
        assert str(module) == str(other)  # kind, sizes, strides and paddings
    assert len(network.features) == len(theirs)


def test_the_second_definition_of_removal_changes_nothing_for_it(network):
    """So what notebook 4 ships, measured by the first, is what the second would measure.

    The first ended a unit behind a BatchNorm2d that alone read the convolution, else at the
    convolution, in all its calls. This network has no normalisation, and one call of each bank.
    """
    opened = open_network(network)
    assert opened.norms == {}
    assert opened.sums() == {}
    for layer in opened.layers():
        assert len(opened.calls(layer)) == 1
        assert opened.unit_ends(layer) == opened.calls(layer)


def test_classes_are_those_of_tiny_imagenet():
    assert len(CLASSES) == len(SYNSETS) == len(set(CLASSES)) == len(set(SYNSETS)) == 200
    assert sorted(SYNSETS) == list(SYNSETS)
    assert all(re.fullmatch(r"n\d{8}", synset) for synset in SYNSETS)


def test_the_file_is_small_and_in_half_precision(network):
    path = WEIGHTS / "tiny-alexnet.safetensors"
    assert path.stat().st_size < 10_000_000
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_its_first_bank_is_smooth(network):
    noise = torch.randn(64, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    assert roughness(network.features[0].weight) < roughness(noise) / 3


def test_pictures_are_prepared_whatever_their_shape():
    image = Image.fromarray(np.full((40, 64, 3), 255, np.uint8))
    prepared = prepare(image)
    assert prepared.shape == (3, 112, 112)
    white = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(prepared[:, 50, 50], white, atol=1e-5)
