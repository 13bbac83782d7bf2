"""torchvision's networks: compressing equals ablating, with real-looking BatchNorm statistics."""

import pytest
import torch
from support.compression_judge import ablated_logits, logits, parameters, relative
from support.woken import family
from torch import nn

from carviz.compression import compress, removal

pytestmark = pytest.mark.slow

BLOCK = "features.denseblock1.denselayer1"
CASES = [
    # Before a flattening, among others.
    ("alexnet", {"features.0": "features.0", "features.10": "features.10"}),
    ("squeezenet1_1", {"features.3.expand1x1": "features.3.expand1x1",
                       "features.7.squeeze": "features.7.squeeze"}),
    ("resnet18", {"layer1.0.conv1": "layer1.0.bn1", "layer4.1.conv1": "layer4.1.bn1"}),
    ("resnet50", {"layer1.0.conv1": "layer1.0.bn1", "layer3.2.conv2": "layer3.2.bn2"}),
    ("googlenet", {"inception4b.branch3.1.conv": "inception4b.branch3.1.bn"}),
    ("densenet121", {"features.conv0": "features.norm0", f"{BLOCK}.conv1": f"{BLOCK}.norm2"}),
    # Squeeze-and-excite: the squeeze, and the depthwise convolution that the gate multiplies.
    ("mobilenet_v3_small", {"features.4.block.2.fc1": "features.4.block.2.fc1",
                            "features.4.block.1.0": "features.4.block.1.1"}),
    ("mobilenet_v2", {"features.9.conv.1.0": "features.9.conv.1.1"}),
]  # fmt: skip
# A BatchNorm that is not the convolution's own answers the zero with a constant.
FOLDED = [
    ("densenet121", {f"{BLOCK}.conv2": f"{BLOCK}.conv2"}),
    ("densenet121", {"features.transition1.conv": "features.transition1.conv"}),
    ("densenet121", {"features.denseblock4.denselayer16.conv2":
                     "features.denseblock4.denselayer16.conv2"}),
    ("mobilenet_v2", {"features.2.conv.0.0": "features.2.conv.0.1"}),
]  # fmt: skip


def plan_for(model: nn.Module, banks: dict[str, str], step: int = 3):
    plan = {b: list(range(0, model.get_submodule(b).out_channels, step)) for b in banks}
    return plan, {site: plan[bank] for bank, site in banks.items()}


def check(name: str, banks: dict[str, str]) -> None:
    model, images, targets = family(name)
    plan, sites = plan_for(model, banks)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    small = compress(model, plan, (images, targets))
    expected = ablated_logits(model, sites, images)
    assert relative(logits(small, images), expected) < 1e-6
    assert relative(logits(small, images, torch.float32), expected) < 3e-5  # float32's rounding
    assert relative(logits(model, images), expected) > 0.05, "the ablation moved nothing"
    assert parameters(small) < parameters(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(("name", "banks"), CASES + FOLDED, ids=lambda x: str(x)[:60])
def test_compressing_equals_ablating(name, banks):
    check(name, banks)


@pytest.mark.slow
def test_vgg_before_its_flattening():
    check("vgg11_bn", {"features.0": "features.1", "features.25": "features.26"})


@pytest.mark.parametrize(("name", "banks"), FOLDED, ids=lambda x: str(x)[:60])
def test_without_the_constant_the_network_would_be_wrong(name, banks, monkeypatch):
    """What Torch-Pruning alone returns; and the check before returning refuses it."""
    model, images, targets = family(name)
    plan, sites = plan_for(model, banks)
    monkeypatch.setattr(removal, "fold", lambda *_: None)
    with pytest.raises(ValueError, match="must compute what the ablated one does"):
        compress(model, plan, (images, targets))
    monkeypatch.setattr(removal, "_check_logits", lambda *_: None)
    wrong = compress(model, plan, (images, targets))
    assert relative(logits(wrong, images), ablated_logits(model, sites, images)) > 0.01


def test_a_whole_skip_of_resnet18():
    model, images, targets = family("resnet18")
    banks = {"conv1": "bn1", "layer1.0.conv2": "layer1.0.bn2", "layer1.1.conv2": "layer1.1.bn2"}
    plan, sites = plan_for(model, banks)
    small = compress(model, plan, (images, targets))
    assert small.conv1.out_channels == small.layer1[1].conv2.out_channels == 42
    assert relative(logits(small, images), ablated_logits(model, sites, images)) < 1e-6


REFUSED = [
    ("resnet18", "layer1.0.conv2", r"Filters 0, 3 of 'layer1.0.conv2' cannot be removed: .*"
     r"filters of .*'conv1'.* ablated but not removed.* together"),
    ("resnet50", "layer2.0.downsample.0", "skip or a gate"),
    ("mobilenet_v2", "features.3.conv.2", "filters of 'features.2.conv.2' would go too"),
    # Behind the depthwise convolution a gate multiplies the constant.
    ("mobilenet_v3_small", "features.4.block.0.0", r"of 'features.4.block.2.fc2' would go too"),
    # The gate itself: its zero means half open.
    ("mobilenet_v3_small", "features.4.block.2.fc2", "skip or a gate"),
    ("squeezenet1_1", "classifier.1", "are the network's logits"),
    ("regnet_y_400mf", "trunk_output.block3.block3-3.f.b.0", "groups are all of one size"),
    ("shufflenet_v2_x0_5", "stage3.2.branch2.5", "channel shuffle"),
    ("convnext_tiny", "features.5.4.block.0", "features.5.4.block.0"),
    ("convnext_tiny", "features.0.0", "features.0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "bank", "reason"), REFUSED, ids=lambda x: str(x)[:40])
def test_what_cannot_be_removed_is_refused_by_name(name, bank, reason):
    model, images, targets = family(name)
    with pytest.raises(ValueError, match=reason) as caught:
        compress(model, {bank: [0, 3]}, (images, targets))
    assert bank in str(caught.value)
    assert "ablated" in str(caught.value)
