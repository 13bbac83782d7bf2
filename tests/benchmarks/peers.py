"""What carviz is compared with; answers are compared before times are.

* *hook loop*: one forward hook that zeroes a channel, the whole network once per filter;
* *captum*: `captum.attr.LayerFeatureAblation` with one mask a channel (no prediction is read);
* *cached head*: the network is split at the bank, the part behind it runs once per filter.

Another build of carviz runs this file too: what it lacks is imported where it is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from support.reference import TOLERANCE
from torch import Tensor, nn

import carviz

BATCH = 128
"""Images of a peer's batch on a CPU."""


@dataclasses.dataclass
class Case:
    """A network, images for it, and the banks to measure (site: where the channel is zeroed)."""

    name: str
    model: nn.Module
    images: Tensor
    banks: list[str]
    filters: int | None = None
    device: str = "cpu"
    batch: int = BATCH

    def numbers(self, layer: str) -> list[int]:
        """Return the filters that are measured: all, or some spread over the bank."""
        count = self.model.get_submodule(layer).out_channels
        step = 1 if self.filters is None else max(1, count // self.filters)
        return list(range(0, count, step))


def ours(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return carviz's measurement, preparation included."""
    labels = torch.zeros(len(case.images), dtype=torch.int64)

    def run() -> Tensor:
        numbers = case.numbers(layer)
        data = case.images, labels
        table = carviz.measure_car(case.model, data, layer, filters=numbers, progress=False)
        return torch.as_tensor(table.predictions.copy()).long()

    return run


def hook_loop(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return the loop of hooks; it gives logits (filter, image, class)."""
    site = case.model.get_submodule(site_of(case, layer))
    return lambda: logits_of(case, case.numbers(layer), site)


def site_of(case: Case, layer: str) -> str:
    """Return the module at whose output the channel is zeroed."""
    return parts_of(case, layer).where.split("'")[1]


def parts_of(case: Case, layer: str) -> Any:
    """Return the network cut at a bank; a `carviz.banks.Cut`."""
    from carviz.banks import cut, open_network

    network = open_network(case.model)
    assert network.graph is not None
    return cut(network.graph, layer, network.unit_ends(layer))


@torch.inference_mode()
def logits_of(case: Case, filters: Sequence[int], site: nn.Module) -> Tensor:
    """Run a network once per filter under a hook; logits (filter, image, class)."""
    found = []
    for number in filters:
        with without(site, number):
            found.append(torch.cat([case.model(batch) for batch in case.images.split(case.batch)]))
    return torch.stack(found)


@contextlib.contextmanager
def without(site: nn.Module, number: int) -> Iterator[None]:
    """Let a module's output be without one channel inside."""

    def zero(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, number] = 0
        return output

    hook = site.register_forward_hook(zero)
    try:
        yield
    finally:
        hook.remove()


def cached_head(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return the loop that runs the part behind the bank only."""

    @torch.inference_mode()
    def run() -> Tensor:
        parts = parts_of(case, layer)
        found: list[list[Tensor]] = [[] for _ in case.numbers(layer)]
        for batch in case.images.split(case.batch):
            values = parts.head(batch)
            for row, number in zip(found, case.numbers(layer), strict=True):
                gone = torch.full((len(batch), 1), number, device=case.device)
                row.append(parts.tail(gone, 0, *values).argmax(1))
        return torch.stack([torch.cat(row) for row in found])

    return run


def captum(case: Case, layer: str) -> Callable[[], Tensor]:
    """Return captum's layer ablation."""
    from captum.attr import LayerFeatureAblation

    site = case.model.get_submodule(site_of(case, layer))

    @torch.inference_mode()
    def run() -> Tensor:
        ablation = LayerFeatureAblation(case.model, site)
        for batch in case.images.split(case.batch):
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


def clear_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (filter, image) the loop's prediction, and whether it is more than rounding."""
    best = logits.topk(2, dim=2)
    clear = best.values[..., 0] - best.values[..., 1] > TOLERANCE * logits.abs().amax(2)
    return best.indices[..., 0].cpu(), clear.cpu()


def agree(words: str, found: Tensor, best: Tensor, clear: Tensor) -> None:
    """Assert that predictions are the loop's, but for ties."""
    assert found.shape == best.shape, f"{words}: {tuple(found.shape)}, not {tuple(best.shape)}"
    # A network whose logits all tie, or whose answers are all one, would judge nothing.
    assert float(clear.float().mean()) > 0.5, f"{words}: more than half of the logits tie"
    wrong = clear & (found.cpu() != best)
    assert not bool(wrong.any()), f"{words}: {int(wrong.sum())} of {wrong.numel()} pairs differ"


def timed(run: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Return the seconds that a run takes, and its result."""
    wait(device)
    start = time.perf_counter()
    result = run()
    wait(device)
    return time.perf_counter() - start, result


def wait(device: str) -> None:
    """Wait until a GPU has done what it was told."""
    if device != "cpu":
        torch.cuda.synchronize()


@contextlib.contextmanager
def computing(precision: str) -> Iterator[None]:
    """Compute in "float32" or "tf32" inside, products of matrices as well as convolutions.

    carviz means float32 where it says so; so shall its peers, where a GPU's library would round.
    """
    from carviz.evaluate import arithmetic

    with arithmetic("tf32" if precision == "tf32" else "float32", "cpu"):
        yield
