"""The bundled network: its card read back on fresh images, and the plan of its layers."""

import re

import pytest
import torch
from torch import nn

from carviz.zoo.bundled import WEIGHTS
from carviz.zoo.shapes_and_colors import CLASSES, ShapesAndColors
from carviz.zoo.shapes_network import ShapesNetwork, load_shapes_network
from recipes.first_bank import color_index
from recipes.judging import accuracy_by_kind, right, zeroed

FRESH_SEED = 20_000
"""Images that nothing but this test looks at."""


@pytest.fixture(scope="module")
def network():
    return load_shapes_network()


@pytest.fixture(scope="module")
def fresh():
    return ShapesAndColors(count=1008, seed=FRESH_SEED)


@pytest.fixture(scope="module")
def card():
    return (WEIGHTS / "shapes.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(network, fresh):
    return accuracy_by_kind(right(network, fresh), fresh)


def index_of(network):
    return color_index(network.features[0].weight.detach())


def fall_without(network, fresh, filters, whole):
    with zeroed(network.features[0], torch.nonzero(filters).flatten().tolist()):
        after = accuracy_by_kind(right(network, fresh), fresh)
    return {kind: whole[kind] - after[kind] for kind in whole}


def row(card, name):
    """The last two figures of the card's table row that begins with `name`."""
    cells = re.search(rf"^\| all \d+ {name} filters \| ([\d.-]+) \| ([\d.-]+) \|$", card, re.M)
    return {"shape": float(cells[1]), "color": float(cells[2])}


def test_accuracy_on_fresh_images_is_what_the_card_says(network, fresh, card):
    said = float(re.search(r"^Accuracy: ([\d.]+)", card, re.M)[1])
    assert 0.95 < said < 0.995
    assert right(network, fresh).float().mean() == pytest.approx(said, abs=0.02)


def test_chromatic_filters_carry_the_colors(network, fresh, whole, card):
    fall = fall_without(network, fresh, index_of(network) > 0.5, whole)
    assert fall["color"] > 0.85
    assert fall["shape"] < 0.05
    assert fall == pytest.approx(row(card, "chromatic"), abs=0.03)


def test_grey_filters_carry_the_shapes(network, fresh, whole, card):
    fall = fall_without(network, fresh, index_of(network) <= 0.5, whole)
    assert fall["shape"] > 0.7
    assert fall["color"] < 0.05
    assert fall == pytest.approx(row(card, "grey"), abs=0.03)


def test_half_of_the_first_bank_is_grey_and_half_chromatic(network):
    index = index_of(network)
    assert (index < 0.01).sum() == 16
    assert (index > 0.99).sum() == 16


def test_no_filter_of_the_first_bank_is_dead(network, fresh):
    energy = network.features[0].weight.detach().square().sum(dim=(1, 2, 3))
    assert energy.min() > 0.1 * energy.median()
    with torch.inference_mode():
        assert (network.features[0](fresh.images[:200]).amax(dim=(0, 2, 3)) > 0).all()


def test_plan(network):
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) in (4, 5)
    first = convolutions[0]
    assert first is network.features[0]
    assert first.in_channels == 3
    assert first.out_channels >= 32
    assert min(first.kernel_size) >= 7
    assert not [m for m in network.modules() if "Norm" in type(m).__name__]
    assert not network.training
    assert all(p.dtype == torch.float32 for p in network.parameters())
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, len(CLASSES))


def test_work_is_what_the_docstring_says(network):
    work = []
    hooks = [
        module.register_forward_hook(
            lambda m, _, out: work.append(m.weight.numel() * out[0, 0].numel())
        )
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert 10e6 < sum(work) < 25e6


def test_torch_fx_traces_it(network, fresh):
    traced = torch.fx.symbolic_trace(network)
    images = fresh.images[:4]
    assert torch.equal(traced(images), network(images))


def test_what_others_find_on_it(network):
    data = ShapesAndColors(count=1)
    assert network.classes == data.classes
    assert network.normalize == (data.mean, data.std)


def test_weights_file_is_small():
    assert (WEIGHTS / "shapes.safetensors").stat().st_size < 3_000_000


def test_loading_leaves_the_global_generator_alone_and_shares_nothing():
    torch.manual_seed(0)
    before = torch.rand(1)
    torch.manual_seed(0)
    first, second = load_shapes_network(), load_shapes_network(weights=None)
    assert torch.equal(torch.rand(1), before)
    with torch.no_grad():
        first.features[0].weight.zero_()
    assert load_shapes_network().features[0].weight.abs().sum() > 0
    again = load_shapes_network(weights=None)
    assert torch.equal(again.features[0].weight, second.features[0].weight)
    assert not again.training


def test_random_weights_are_not_the_trained_ones(network):
    random = load_shapes_network(weights=None)
    assert not torch.allclose(random.features[0].weight, network.features[0].weight)
    assert isinstance(random, ShapesNetwork)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"'IMAGENET1K_V1'.*use one"):
        load_shapes_network("IMAGENET1K_V1")
    with pytest.raises(TypeError, match=r"found a int"):
        load_shapes_network(3)


def test_missing_weights_say_where_they_belong(monkeypatch, tmp_path):
    monkeypatch.setattr("carviz.zoo.bundled.WEIGHTS", tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"shapes\.safetensors.*recipes\.train shapes"):
        load_shapes_network()
