"""Networks with random weights, woken up so that an ablation really moves something.

With a library's own initial weights most classifiers predict one class whatever is ablated, and
a BatchNorm at mean 0, variance 1, shift 0 maps zero to zero, so a wrong engine passes. `wake` sets
every weight: the activations then live on the scale that trained networks have, every BatchNorm
answers a zero with a constant that can be seen, and predictions spread over many classes.
"""

import functools
from typing import NamedTuple

import torch
import torchvision.models
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 20
IMAGES = 16
HIDDEN = 128

NAMES = (
    "alexnet",
    "vgg11_bn",
    "squeezenet1_1",
    "resnet18",
    "resnet50",
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "shufflenet_v2_x0_5",
    "regnet_y_400mf",
    "mnasnet0_5",
    "convnext_tiny",
)

# What a constructor is told beside the number of classes. `init_weights=False` only saves time:
# every weight is set again here.
_ARGUMENTS: dict[str, dict[str, bool]] = {
    "vgg11_bn": {"init_weights": False},
    "googlenet": {"init_weights": False, "aux_logits": False},
}
# AlexNet's stride of 4 and three poolings leave a single place of a 64 x 64 image. VGG's last
# bank still has four places of a 32 x 32 one, and costs as much as all the others at 64 x 64.
_SIZES = {"alexnet": 96, "vgg11_bn": 32}


class Family(NamedTuple):
    """A woken network with images and labels to measure it on."""

    model: nn.Module
    images: Tensor
    targets: Tensor


@functools.cache
def family(name: str) -> Family:
    """One of torchvision's networks, awake, made once per process.

    About two thirds of the labels are what the network predicts, so that ablations lose some; the
    others are its second choice or any class, so that ablations can gain some as well.
    """
    size = _SIZES.get(name, 64)
    images = smooth_images(IMAGES, size, seed=NAMES.index(name))
    # Constructors draw from the global generator; whoever seeded it shall not notice.
    with torch.random.fork_rng(devices=[]):
        build = getattr(torchvision.models, name)
        model = build(weights=None, num_classes=CLASSES, **_ARGUMENTS.get(name, {}))
        if name in ("alexnet", "vgg11_bn"):
            _narrow(model.classifier)
    wake(model, images)
    with torch.inference_mode():
        ranked = model(images).argsort(1, descending=True)
    generator = torch.Generator().manual_seed(1)
    targets = ranked[:, 0].clone()
    targets[0::6] = ranked[0::6, 1]
    anything = torch.randint(1, CLASSES, (IMAGES,), generator=generator)
    targets[3::6] = ranked[torch.arange(IMAGES), anything][3::6]
    return Family(model, images, targets)


def _narrow(classifier: nn.Sequential) -> None:
    """Narrow the hidden linear layers of AlexNet and VGG, in place.

    They are no banks, and their hundred million weights cost more than all else of the networks.
    """
    width = 0
    for place, layer in enumerate(classifier):
        if isinstance(layer, nn.Linear):
            ins = width or layer.in_features
            width = min(layer.out_features, HIDDEN)
            classifier[place] = nn.Linear(ins, width)


def smooth_images(count: int, size: int, *, seed: int = 0) -> Tensor:
    """Random images with structure at every scale, coarse most: (image, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 3, size, size)
    for cells in (2, 4, 8, 16, size):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        # How much there is of each scale differs between images: some are flat, some busy.
        share = torch.rand(count, 1, 1, 1, generator=generator) * (4 / cells) ** 0.4
        images += share * functional.interpolate(
            noise, (size, size), mode="bicubic", align_corners=False
        )
    return (images - images.mean()) / images.std()


def wake(model: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """Set every weight of `model`, in place, and leave it in evaluation mode.

    Convolutions and linear layers get He weights and small biases; every BatchNorm gets the
    statistics of what it reads on `images`, then shifted, and a gamma and beta as spread as trained
    ones; ConvNeXt's layer scale is 1; the last layer is scaled and centred on `images`, so that
    they are predicted to be many classes.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(like: Tensor, std: float) -> Tensor:
        return torch.randn(like.shape, generator=generator) * std

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    model.eval()
    last: list[nn.Module] = []
    hooks = []

    def settle(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Give a BatchNorm the statistics of its input, moved off what they really are."""
        std, mean = torch.std_mean(inputs[0], (0, 2, 3))
        std = std.clamp_min(float(std.median()) * 0.1 + 1e-6)
        module.running_mean.copy_(mean + std * normal(mean, 0.3))
        module.running_var.copy_(std**2 * uniform(std, 0.6, 1.6))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("layer_scale"):
                parameter.fill_(1)
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    module.bias.copy_(normal(module.bias, 0.1))
                hooks.append(module.register_forward_hook(lambda m, _i, _o: last.append(m)))
            elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.copy_(normal(module.weight, 0.4).exp())
                module.bias.copy_(normal(module.bias, 0.5))
                if isinstance(module, nn.BatchNorm2d):
                    # Mostly above zero: fifty ReLUs in a row that each cut half away would amplify
                    # float32's rounding to 1e-4 of the logits, where nothing can be judged.
                    module.bias.add_(1)
                    # One pass settles all: each is called after those below it have settled.
                    hooks.append(module.register_forward_pre_hook(settle))
        model(images)
        for hook in hooks:
            hook.remove()
        _spread(model, images, last[-1])
    return model


def _spread(model: nn.Module, images: Tensor, last: nn.Module) -> None:
    """Scale and centre the last layer, so that no class is ahead on every image."""
    seen: list[Tensor] = []
    hook = last.register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    model(images)
    hook.remove()
    # (class, image and place): SqueezeNet's last layer is a convolution.
    outputs = seen[0].transpose(0, 1).flatten(1)
    std, mean = torch.std_mean(outputs, 1)
    last.bias.sub_(mean).div_(std).mul_(2)
    last.weight.mul_((2 / std).reshape(-1, *[1] * (last.weight.ndim - 1)))
