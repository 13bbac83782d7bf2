"""What decides how the engine should run on a GPU: layouts, CUDA graphs, and what it waits for."""

from __future__ import annotations

import collections
import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from inside import measuring, tail_of
from peers import computing, timed
from rows import Row
from subjects import Subject
from torch import Tensor, nn

PRECISIONS = ("float32", "tf32", "bf16")
LAYOUTS = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
REPEATS = 5
NO_GPU = [{"what": "no GPU: left out"}]


def convolutions(subject: Subject) -> dict[tuple[Any, ...], tuple[nn.Conv2d, torch.Size]]:
    """Return a network's convolutions of different shapes, with the shape that each reads."""
    found: dict[tuple[Any, ...], tuple[nn.Conv2d, torch.Size]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        shape = inputs[0].shape[1:]
        key = (*shape, module.out_channels, module.kernel_size, module.stride, module.groups)
        found.setdefault(key, (module, shape))

    convolutions = [m for m in subject.model.modules() if isinstance(m, nn.Conv2d)]
    hooks = [module.register_forward_hook(note) for module in convolutions]
    with torch.no_grad():
        subject.model(subject.images[:1].to(subject.device))
    for hook in hooks:
        hook.remove()
    return found


def layouts(
    subject: Subject, images: int, precisions: tuple[str, ...], until: float
) -> Iterator[Row]:
    """Yield a row a shape of convolution and precision: milliseconds in both layouts.

    With `cudnn.benchmark` the library tries its algorithms on each new shape, without it guesses.
    """
    for conv, shape in convolutions(subject).values():
        for precision in precisions:
            if time.perf_counter() > until:
                return
            row: Row = {
                "network": subject.name, "reads": " × ".join(map(str, shape)),
                "filters": f"{conv.out_channels} of {conv.kernel_size[0]} × {conv.kernel_size[1]}"
                f", stride {conv.stride[0]}", "precision": precision,
            }  # fmt: skip
            for name, layout in LAYOUTS.items():
                for tried in (True, False):
                    how = "tried" if tried else "guessed"
                    row[f"{name}, {how}, ms"] = _milliseconds(
                        conv, (images, *shape), precision, layout, tried, subject.device
                    )
            best = {name: min(row[f"{name}, tried, ms"], row[f"{name}, guessed, ms"])
                    for name in LAYOUTS}  # fmt: skip
            row["faster"] = min(best, key=best.__getitem__)
            row["by"] = max(best.values()) / min(best.values())
            yield row


def _milliseconds(
    conv: nn.Conv2d, shape: tuple[int, ...], precision: str, layout: torch.memory_format,
    tried: bool, device: str,
) -> float:  # fmt: skip
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    images = torch.randn(shape, device=device).to(dtype).contiguous(memory_format=layout)
    weight = conv.weight.detach().to(dtype).contiguous(memory_format=layout)

    def run() -> Tensor:
        return torch.nn.functional.conv2d(
            images, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups
        )

    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = tried
    try:
        with torch.no_grad(), computing(precision):
            timed(run, device)
            return 1e3 * min(timed(run, device)[0] for _ in range(REPEATS))
    finally:
        torch.backends.cudnn.benchmark = before


def rule(rows: list[Row]) -> list[Row]:
    """Return a row a network and precision: what all its shapes take in each layout."""
    found = []
    for network, precision in dict.fromkeys((row["network"], row["precision"]) for row in rows):
        own = [r for r in rows if (r["network"], r["precision"]) == (network, precision)]
        sums = {
            (name, how): sum(row[f"{name}, {how}, ms"] for row in own)
            for name in LAYOUTS for how in ("tried", "guessed")
        }  # fmt: skip
        least = {name: min(sums[name, "tried"], sums[name, "guessed"]) for name in LAYOUTS}
        found.append({
            "network": network, "precision": precision, "shapes": len(own),
            **{f"{name}, {how}, ms": taken for (name, how), taken in sums.items()},
            "shapes faster with channels last": sum(r["faster"] != "NCHW" for r in own),
            "rule": min(least, key=least.__getitem__),
            "by": max(least.values()) / min(least.values()),
        })  # fmt: skip
    return found


def graphs(
    subject: Subject, layers: list[str], images: int, rows: int, until: float
) -> Iterator[Row]:
    """Yield a row a bank and precision: what a replayed CUDA graph of the tail takes of eager."""
    if subject.device == "cpu":
        yield from NO_GPU
        return
    for layer in layers:
        tail = tail_of(subject.model, subject.images[:images], layer, rows, subject.device)
        for precision in PRECISIONS:
            if time.perf_counter() > until:
                return
            row: Row = {"network": subject.name, "bank": layer, "rows": rows,
                        "precision": precision}  # fmt: skip
            try:
                row |= _replayed(tail, precision)
            except Exception as error:  # what cannot be captured is a finding, and no end
                row["not captured"] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
                with contextlib.suppress(Exception):
                    torch.cuda.synchronize()
            yield row


def _replayed(tail: Callable[[], Tensor], precision: str) -> Row:
    autocast = torch.autocast(
        "cuda", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
    )
    # A capture that fails leaves its stream behind as the current one; the outermost puts it back.
    current = torch.cuda.stream(torch.cuda.current_stream())
    with current, torch.no_grad(), computing(precision), autocast:
        eager = min(timed(tail, "cuda")[0] for _ in range(REPEATS))
        expected = tail().clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what is made on first use is made before the capture
            for _ in range(3):
                tail()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = tail()
        replay = min(timed(graph.replay, "cuda")[0] for _ in range(REPEATS))
        return {
            "eager, ms": 1e3 * eager, "replayed, ms": 1e3 * replay, "times faster": eager / replay,
            "same bits": bool(torch.equal(result, expected)),
        }  # fmt: skip


def waits(subject: Subject, layer: str, images: int, precision: str) -> Row:
    """Return how often a measured bank waits for the GPU, by its sync debug mode, and where."""
    batches = 0

    def tell(_share: float) -> None:
        nonlocal batches
        batches += 1

    run = measuring(subject.model, subject.images[:images], layer, precision, tell)
    row: Row = {"network": subject.name, "bank": layer, "images": images, "precision": precision}
    if subject.device == "cpu":
        run()
        return {**row, "batches told": batches, "waits": "no GPU"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found = [w for w in told if "called a synchronizing" in str(w.message)]
    places = collections.Counter(f"{Path(w.filename).name}:{w.lineno}" for w in found)
    return {
        **row, "batches told": batches, "waits": len(found),
        "waits a batch": len(found) / max(1, batches),
        "where": ", ".join(f"{place} ×{count}" for place, count in places.most_common(6)),
    }  # fmt: skip
