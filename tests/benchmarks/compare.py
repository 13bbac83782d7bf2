"""Compare carviz with the loop that everybody writes: `make benchmark`.

Every ratio is against a named peer in the same run, on the same images, filters and threads:

* *hook loop*: one forward hook that zeroes a channel, the whole network once per filter;
* *captum*: `captum.attr.LayerFeatureAblation` with one mask a channel (no prediction is read);
* *cached head*: the network is split at the bank, the part behind it runs once per filter.

Answers are compared before times are: predictions may differ only where two logits tie.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator

import torch
from reference import TOLERANCE
from torch import Tensor, nn
from woken import wake

import carviz
from carviz.banks import Cut, cut, open_network
from carviz.car import prepare_car


@dataclasses.dataclass
class Case:
    """A network, images for it, and the banks to measure (site: where the channel is zeroed)."""

    name: str
    model: nn.Module
    images: Tensor
    banks: list[str]
    filters: int | None = None
    device: str = "cpu"

    def numbers(self, layer: str) -> list[int]:
        """Return the filters that are measured: all, or some spread over the bank."""
        count = self.model.get_submodule(layer).out_channels
        step = 1 if self.filters is None else max(1, count // self.filters)
        return list(range(0, count, step))


def small_network() -> nn.Module:
    """Return a network of CIFAR-10's size: 32, 64, 96 and 96 filters of 3 × 3."""
    layers: list[nn.Module] = []
    before = 3
    for filters, pool in ((32, True), (64, True), (96, False), (96, True)):
        layers += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        before = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 16, 10))


def cases(wanted: list[str], photographs: int, device: str) -> Iterator[Case]:
    """Yield the networks that are asked for on a device, torchvision's on images of 224 × 224."""
    for case in _cases(wanted, photographs):
        case.model.to(device)
        yield dataclasses.replace(case, images=case.images.to(device), device=device)


def _cases(wanted: list[str], photographs: int) -> Iterator[Case]:
    for name in wanted:
        generator = torch.Generator().manual_seed(0)
        if name == "small":
            images = torch.randn(500, 3, 32, 32, generator=generator)
            model = wake(small_network(), images[:32])
            yield Case(name, model, images, list(carviz.list_banks(model).layer))
        elif name == "shapes":
            model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=16)
            yield Case(name, model, data.images, list(carviz.list_banks(model).layer))
        else:
            images = torch.randn(photographs, 3, 224, 224, generator=generator)
            model = wake(carviz.load_model(name, weights=None), images[:4])
            banks = carviz.list_banks(model)
            layers = list(banks[~banks.gate].layer)
            if name != "alexnet":
                layers = [layers[0], layers[len(layers) // 2], layers[-1]]
            yield Case(name, model, images, layers, None if name == "alexnet" else 16)


def ours(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return carviz's measurement, preparation included."""
    labels = torch.zeros(len(case.images), dtype=torch.int64)

    def run() -> Tensor:
        numbers = case.numbers(layer)
        measurement = prepare_car(case.model, (case.images, labels), layer, filters=numbers)
        *_, table = measurement.tables()
        return torch.as_tensor(table.predictions.copy()).long()

    return run


def hook_loop(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return the loop of hooks; it gives logits (filter, image, class)."""
    site = case.model.get_submodule(site_of(case, layer))
    return lambda: logits_of(case, layer, case.model, site)


def site_of(case: Case, layer: str) -> str:
    """Return the module at whose output the channel is zeroed."""
    return parts_of(case, layer).where.split("'")[1]


def parts_of(case: Case, layer: str) -> Cut:
    """Return the network cut at a bank."""
    network = open_network(case.model)
    assert network.graph is not None
    return cut(network.graph, layer, network.unit_ends(layer))


@torch.inference_mode()
def logits_of(
    case: Case, layer: str, network: Callable[[Tensor], Tensor], site: nn.Module
) -> Tensor:
    """Run a network once per filter under a hook; logits (filter, image, class)."""
    found = []
    for number in case.numbers(layer):

        def zero(
            _module: nn.Module, _inputs: object, output: Tensor, number: int = number
        ) -> Tensor:
            output = output.clone()
            output[:, number] = 0
            return output

        hook = site.register_forward_hook(zero)
        found.append(torch.cat([network(batch) for batch in case.images.split(128)]))
        hook.remove()
    return torch.stack(found)


def cached_head(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return the loop that runs the part behind the bank only."""

    @torch.inference_mode()
    def run() -> Tensor:
        parts = parts_of(case, layer)
        found: list[list[Tensor]] = [[] for _ in case.numbers(layer)]
        for batch in case.images.split(128):
            values = parts.head(batch)
            for row, number in zip(found, case.numbers(layer), strict=True):
                gone = torch.full((len(batch), 1), number, device=case.device)
                row.append(parts.tail(gone, 0, *values).argmax(1))
        return torch.stack([torch.cat(row) for row in found])

    return run


def captum(case: Case, layer: str) -> Callable[[], Tensor] | None:
    """Return captum's layer ablation, or None where captum is not installed."""
    try:
        from captum.attr import LayerFeatureAblation
    except ImportError:
        return None
    site = case.model.get_submodule(site_of(case, layer))

    @torch.inference_mode()
    def run() -> Tensor:
        ablation = LayerFeatureAblation(case.model, site)
        for batch in case.images.split(128):
            shape = maps_of(case.model, site, batch[:1]).shape
            # Channels that are not measured share one mask, as captum has no way to leave any out.
            numbers = case.numbers(layer)
            mask = torch.full((1, shape[1], 1, 1), len(numbers), device=case.device)
            mask[0, numbers, 0, 0] = torch.arange(len(numbers), device=case.device)
            ablation.attribute(batch, target=0, layer_baselines=0, layer_mask=mask)
        return torch.empty(0)

    return run


def maps_of(model: nn.Module, site: nn.Module, images: Tensor) -> Tensor:
    """Return a module's output."""
    kept: list[Tensor] = []
    hook = site.register_forward_hook(lambda _m, _i, output: kept.append(output))
    model(images)
    hook.remove()
    return kept[0]


def agree(case: Case, layer: str, found: Tensor, logits: Tensor) -> None:
    """Assert that carviz's predictions are the loop's, but for ties."""
    best = logits.cpu().topk(2, dim=2)
    clear = best.values[..., 0] - best.values[..., 1] > TOLERANCE * logits.cpu().abs().amax(2)
    assert bool((found[clear] == best.indices[..., 0][clear]).all()), f"{case.name} {layer}"


def timed(run: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Return the seconds that a run takes, and its result."""
    wait()
    start = time.perf_counter()
    result = run()
    wait()
    return time.perf_counter() - start, result


def wait() -> None:
    """Wait until the GPU, if there is one, has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_peak(device: str) -> float:
    """Return the GFLOP/s of a large matrix product, multiply and add counted as two."""
    size = 2048 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device)
    seconds = min(timed(lambda: a @ a)[0] for _ in range(10))
    return 2 * size**3 / seconds / 1e9


def machine(device: str) -> str:
    """Return what computes, in words."""
    if device == "cpu":
        return platform.processor() or platform.machine()
    return torch.cuda.get_device_name(device)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["small", "shapes", "alexnet", "resnet18", "vgg11_bn", "mobilenet_v2"]
    parser.add_argument("networks", nargs="*", default=names)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--images", type=int, default=16, help="for torchvision's networks")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # carviz computes in float32; so shall its peers, where a GPU's library would round to TF32.
    torch.backends.cudnn.allow_tf32 = False
    print(
        f"{machine(options.device)}, {options.threads} threads, "
        f"torch {torch.__version__}, {time.strftime('%Y-%m-%d')}; a matrix product reaches "
        f"{matrix_peak(options.device):.0f} GFLOP/s"
    )
    print("| network | bank | filters | images | carviz, s | GFLOP/s | multiply-adds saved | "
          "hook loop | captum | cached head |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for case in cases(options.networks, options.images, options.device):
        totals = {"ours": 0.0, "loop": 0.0}
        for layer in case.banks:
            row(case, layer, totals)
        print(
            f"| {case.name} | all of these | | | {totals['ours']:.2f} | | | "
            f"**{totals['loop'] / totals['ours']:.1f}** | | |",
            flush=True,
        )


def row(case: Case, layer: str, totals: dict[str, float]) -> None:
    """Measure one bank by all means and print its row."""
    labels = torch.zeros(len(case.images), dtype=torch.int64)
    numbers = case.numbers(layer)
    plan = carviz.plan_car(case.model, (case.images, labels), layer, filters=numbers)
    warm = dataclasses.replace(case, images=case.images[:4], filters=1)
    for peer in (ours, hook_loop, cached_head):
        peer(warm, layer)()
    mine, found = timed(ours(case, layer))
    loop, logits = timed(hook_loop(case, layer))
    agree(case, layer, found, logits)
    cached, _ = timed(cached_head(case, layer))
    library = captum(case, layer)
    other = f"{timed(library)[0] / mine:.1f}" if library is not None else "–"
    totals["ours"] += mine
    totals["loop"] += loop
    speed = 2 * plan.plan_cost * len(case.images) / mine / 1e9
    print(
        f"| {case.name} | {layer} | {len(numbers)} | {len(case.images)} | {mine:.2f} | {speed:.0f} "
        f"| {plan.loop_cost / plan.plan_cost:.1f} | {loop / mine:.1f} | {other} "
        f"| {cached / mine:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
