"""Small random networks of every kind that the definition speaks of, with the truth built in.

Every forward pass hands each unit's output to `Sites`, which gives it back as it is: a plain Python
call that neither torch.fx nor a watcher of torch's functions can see. The oracle, a copy in
float64, tells its own `Sites` which channel is gone. So the place where a unit ends is written down
where the unit is, by hand, and nothing of carviz is asked.
"""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

SIZE = 8
"""Height and width of the images."""


class Sites:
    """Where units end. `gone` are the channels of one bank that the oracle takes away."""

    def __init__(self) -> None:
        self.bank, self.gone = "", [0]

    def __call__(self, bank: str, maps: Tensor) -> Tensor:
        if bank != self.bank:
            return maps
        return maps.clone().index_fill_(-3, torch.tensor(self.gone), 0)


# -- normalisations


class OwnFrozen(nn.Module):
    """A frozen normalisation as people write it themselves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.ones(channels))
        self.eps = 1e-5

    def forward(self, maps: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return maps * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)


class Functional(nn.BatchNorm2d):
    """Holds what `F.batch_norm` is called with; see `Unit`."""


class Active(nn.BatchNorm2d):
    """An activation in the same module; the unit ends before it."""

    def __init__(self, channels: int, sites: Sites, bank: str, bent: Callable[..., Tensor]) -> None:
        super().__init__(channels)
        self.sites, self.bank, self.bent = sites, bank, bent

    def forward(self, maps: Tensor) -> Tensor:
        normed = F.batch_norm(
            maps, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps
        )
        return self.bent(self.sites(self.bank, normed))


def sigmoid_like(maps: Tensor) -> Tensor:
    """An activation that makes something of nothing."""
    return torch.sigmoid(maps) * 2


NORMS = ("plain", "plain", "sync", "frozen", "own", "function", "bare", "relu", "sigmoid", "none")


class Unit(nn.Module):
    """A convolution and the normalisation that alone reads it, of any kind."""

    def __init__(
        self, draw: random.Random, sites: Sites, name: str, ins: int, outs: int, **options: Any
    ) -> None:
        super().__init__()
        self.sites, self.name = sites, name
        self.kind = options.pop("kind", None) or draw.choice(NORMS)
        self.between = draw.choice(("nothing", "nothing", "dropout", "clone", "asks", "casts"))
        self.conv = nn.Conv2d(ins, outs, **{"kernel_size": 3, "padding": 1, **options})
        makers: dict[str, Callable[[], nn.Module]] = {
            "plain": lambda: nn.BatchNorm2d(outs),
            "sync": lambda: nn.SyncBatchNorm(outs),
            "frozen": lambda: FrozenBatchNorm2d(outs),
            "own": lambda: OwnFrozen(outs),
            "function": lambda: Functional(outs),
            "bare": lambda: nn.BatchNorm2d(outs, affine=False),
            "relu": lambda: Active(outs, sites, f"{name}.conv", torch.relu),
            "sigmoid": lambda: Active(outs, sites, f"{name}.conv", sigmoid_like),
            "none": nn.Identity,
        }
        self.norm = makers[self.kind]()
        self.drop = nn.Dropout()

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv(maps)
        if self.between == "dropout":
            maps = self.drop(maps)
        elif self.between == "clone":
            maps = maps.clone().contiguous()
        elif self.between == "casts":
            maps = maps.to(self.conv.weight.dtype)
        elif self.between == "asks":
            assert maps.shape is not None
        if self.kind == "function":
            n = self.norm
            maps = F.batch_norm(maps, n.running_mean, n.running_var, n.weight, n.bias, eps=n.eps)
        else:
            maps = self.norm(maps)
        if self.kind in ("relu", "sigmoid"):
            return maps  # the site is inside
        return self.sites(f"{self.name}.conv", maps)


# -- blocks: each keeps height and width, and gives `outs` channels


UNTRACEABLE = ("values", "no batch axis", "alias")
"""Kinds that torch.fx cannot trace."""
BARE = {
    "two norms", "statistics", "joined norm", "side by side", "folded", "alias", "flipped batch",
    "no batch axis", "in-place skip", "values", "keeps",
}  # fmt: skip
"""Kinds whose convolution has no normalisation of its own."""


class Block(nn.Module):
    """A step of a network; `banks` are those whose removal it knows."""

    kinds: tuple[str, ...] = (
        "unit", "unit", "two norms", "shared norm", "statistics", "joined norm", "sequence",
        "side by side", "norm a call", "folded", "flipped batch", "no batch axis", "in-place skip",
        "residual", "sum", "scaled sum", "gate", "alias", "options", "values", "tied", "keeps",
        "split", "two names",
    )  # fmt: skip

    def __init__(self, draw: random.Random, sites: Sites, name: str, ins: int, kind: str) -> None:
        super().__init__()
        outs = self.outs = draw.choice((4, 6, 8))
        self.kind, self.sites, self.name = kind, sites, name
        self.banks = [f"{name}.a.conv"]

        def unit(part: str, ins: int = ins, outs: int = outs, **options: Any) -> Unit:
            return Unit(draw, sites, f"{name}.{part}", ins, outs, **options)

        if kind in BARE:
            self.a = unit("a", kind="none")
        elif kind == "options":
            groups = draw.choice((1, ins)) if ins == outs else 1
            mode = draw.choice(("zeros", "reflect", "circular", "replicate"))
            dilation = draw.choice((1, 2))
            self.a = unit(
                "a", groups=groups, padding_mode=mode, dilation=dilation, padding=dilation
            )
        else:
            self.a = unit("a", kind="none" if kind in ("norm a call", "shared norm") else None)
        if kind in ("two norms", "norm a call"):
            self.one, self.other = nn.BatchNorm2d(outs), nn.BatchNorm2d(outs)
        if kind in ("shared norm", "tied"):
            self.b = unit("b", kind="none" if kind == "shared norm" else None)
            self.one = nn.BatchNorm2d(outs)
            self.banks.append(f"{name}.b.conv")
        if kind == "tied":
            self.b.conv.weight = self.a.conv.weight
        if kind == "statistics":
            self.one = draw.choice((nn.InstanceNorm2d(outs), nn.GroupNorm(2, outs)))
        if kind == "joined norm":
            self.one = nn.BatchNorm2d(outs + ins)
            self.outs = outs + ins
        if kind == "sequence":
            self.first = nn.Conv2d(ins, outs, 1)
            self.a = unit("a", ins=outs)
        if kind == "residual":
            self.first = nn.Conv2d(ins, outs, 1)
            self.a = unit("a", ins=outs, kind=draw.choice(("plain", "none")))
        if kind in ("sum", "scaled sum"):
            plain = draw.choice(("plain", "none", "frozen"))
            self.a, self.b = unit("a", kind=plain), unit("b", kind=plain, kernel_size=1, padding=0)
            self.one = nn.BatchNorm2d(ins) if ins == outs else None
            parts = [f"{name}.a.conv", f"{name}.b.conv"]
            self.banks = [*parts, " + ".join([*parts, *([f"{name}.one"] if self.one else [])])]
        if kind == "gate":
            self.squeeze = nn.Conv2d(outs, outs, 1)
        if kind == "two names":
            self.again = self.a
        if kind == "split":
            self.b = unit("b", ins=outs // 2)
            self.banks.append(f"{name}.b.conv")

    def _site(self, maps: Tensor, part: str = "a") -> Tensor:
        return self.sites(f"{self.name}.{part}.conv", maps)

    def forward(self, x: Tensor) -> Tensor:
        kind, a = self.kind, self.a
        if kind == "two norms":  # two readers: the unit is the convolution
            maps = a(x)
            return torch.relu(self.one(maps)) - self.other(maps)
        if kind == "shared norm":  # each loses the channel at its own calls only
            one = self._site(self.one(a.conv(x)))
            return torch.relu(one) + torch.tanh(self._site(self.one(self.b.conv(x)), "b"))
        if kind == "joined norm":  # nobody's own: its constant stays
            return torch.relu(self.one(torch.cat([a(x), x], 1)))
        if kind == "statistics":
            return torch.relu(self.one(a(x)))
        if kind == "sequence":  # a unit behind a unit
            maps = torch.relu(self.first(x))
            return torch.relu(a(torch.relu(a(maps))))
        if kind == "side by side":
            return torch.relu(a(x)) + 0.5 * torch.relu(a(x.flip(3)))
        if kind == "norm a call":  # two calls, two normalisations, two ends
            one = self._site(self.one(a.conv(x)))
            return torch.relu(one) + torch.relu(self._site(self.other(a.conv(x.flip(2)))))
        if kind == "folded":
            n, c, h, w = x.shape
            rows = x.reshape(n, c, 2, h // 2, w).transpose(1, 2).reshape(n * 2, c, h // 2, w)
            maps = torch.relu(a(rows)).reshape(n, 2, -1, h // 2, w)
            return torch.cat([maps[:, 0], maps[:, 1]], 2)
        if kind == "flipped batch":
            return torch.relu(a(x.flip(0)).flip(0))
        if kind == "no batch axis":
            return torch.relu(torch.stack([a(image) for image in x]))
        if kind == "in-place skip":  # the skip reads what the ReLU has left
            maps = a(x)
            return F.relu(maps, inplace=True) + maps
        if kind == "residual":  # the skip keeps the channel
            maps = torch.relu(self.first(x))
            return torch.relu(a(torch.tanh(maps)) + maps)
        if kind in ("sum", "scaled sum"):
            total = a(x) + self.b(x) if kind == "sum" else 0.7 * a(x) - self.b(x)
            if self.one is not None:
                total = total + self.one(x)
            return torch.relu(self.sites(self.banks[-1], total))
        if kind == "gate":
            maps = torch.relu(a(x))
            return maps * torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(maps, 1)))
        if kind == "alias":  # a view that is written to is the map itself
            maps = a(x)
            maps.view(maps.size(0), -1).clamp_(min=-0.1)
            return maps * 1.5
        if kind == "values":  # torch.fx cannot trace what depends on the image
            return torch.relu(a(x)) if x.sum() < 1e9 else x
        if kind == "tied":
            return torch.relu(a(x)) - torch.relu(self.b(x.flip(3)))
        if kind == "keeps":
            self.kept = {"maps": a(x)}
            return torch.relu(self.kept["maps"])
        if kind == "two names":
            return torch.relu(a(x)) - 0.5 * torch.tanh(self.again(x.flip(2)))
        if kind == "split":
            left, right = torch.relu(a(x)).chunk(2, 1)
            return torch.relu(self.b(left)) + torch.cat([right, right], 1)
        return torch.relu(a(x))


class Network(nn.Module):
    """Some blocks, one of several ways to the classes, one of several kinds of output."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        self.sites = Sites()
        self.channels = draw.choice((1, 3))
        self.classes = draw.choice((3, 5))
        channels, blocks = self.channels, []
        for place in range(draw.choice((1, 2, 2, 3))):
            kind = draw.choice(Block.kinds)
            blocks.append(Block(draw, self.sites, f"blocks.{place}", channels, kind))
            channels = blocks[-1].outs
        self.blocks = nn.ModuleList(blocks)
        self.end = draw.choice(("mean", "size", "minus one", "squeeze", "flatten", "upsampled"))
        self.output = draw.choice(("tensor", "tensor", "tensor", "dict", "tuple"))
        self.in_place = draw.random() < 0.15
        flat = self.end in ("size", "minus one", "flatten")
        self.last = nn.Linear(channels * (4 if flat else 1), self.classes)
        self.banks = [bank for block in blocks for bank in block.banks]
        self.kinds = [f"{b.kind} ({b.a.kind})" for b in blocks] + [self.end, self.output]

    def forward(self, images: Tensor) -> Any:
        x = images.sub_(0.1).div_(0.9) if self.in_place else images
        for block in self.blocks:
            x = block(x)
        if self.end == "upsampled":
            x = F.interpolate(F.max_pool2d(x, 3, 2, 1), scale_factor=2, mode="bilinear")
        if self.end in ("mean", "upsampled"):
            x = x.mean((2, 3))
        elif self.end == "squeeze":
            x = F.adaptive_avg_pool2d(x, 1).squeeze()
        else:
            x = F.adaptive_max_pool2d(x, 2)
            x = {
                "size": lambda: x.view(x.size(0), -1),
                "minus one": lambda: x.view(-1, self.last.in_features),
                "flatten": lambda: torch.flatten(x, 1),
            }[self.end]()
        logits = self.last(x)
        if self.output == "dict":
            return {"logits": logits, "maps": x}
        return (logits, [x]) if self.output == "tuple" else logits


@functools.lru_cache(maxsize=1)
def _oracle(model: Network) -> Network:
    """Return a copy in float64, of the network as it was when the truth was first asked for."""
    return copy.deepcopy(model).double()


class Sample(NamedTuple):
    """A network with images to measure it on."""

    model: Network
    images: Tensor
    targets: Tensor

    def truth(self, bank: str, gone: list[int]) -> Tensor:
        """Return the logits (image, class) without some filters, in float64."""
        oracle = _oracle(self.model)
        oracle.sites.bank, oracle.sites.gone = bank, gone
        return logits_of(oracle, self.images.double())


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits in whatever a network gives."""
    with torch.no_grad():
        answer = model(images.clone())
    if isinstance(answer, dict):
        return answer["logits"]
    return answer[0] if isinstance(answer, tuple) else answer


def random_network(seed: int, images: int = 10) -> Sample:
    """Return the network of a seed, woken up: an ablation moves something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Network(seed).eval()

    def noise(like: Tensor, scale: float) -> Tensor:
        return torch.randn(like.shape, generator=generator) * scale

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(1.7)
            if getattr(module, "running_mean", None) is not None:
                # Zero before the normalisation is far from zero behind it.
                module.running_mean.copy_(noise(module.running_mean, 0.4))
                module.running_var.copy_(noise(module.running_var, 0.3).exp())
                if module.weight is not None:
                    module.weight.copy_(noise(module.weight, 0.3).exp())
                    module.bias.copy_(noise(module.bias, 0.6))
        data = torch.randn(images, model.channels, SIZE, SIZE, generator=generator)
        std, mean = torch.std_mean(logits_of(model, data), 0)
        std = std.clamp_min(1e-3)
        model.last.bias.sub_(mean).div_(std)
        model.last.weight.div_(std[:, None])
        targets = logits_of(model, data).argmax(1)
    targets[::3] = torch.randint(0, model.classes, targets[::3].shape, generator=generator)
    return Sample(model, data, targets)
