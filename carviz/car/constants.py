"""The numbers that stand in channels' places where the data tell them: means, or the best ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import AGREEMENT, QUANTILES, Chunk, layout_of, turn_of
from carviz.banks import CHANNEL
from carviz.car.measurement import SEED, Measurement, chunked
from carviz.evaluate import arithmetic, check_labels, inference_mode, placement

Progress = Callable[[float], None]
Floats = NDArray[np.float64]

QUANTILE_CHUNKS, QUANTILE_PLACES = 3, 256
"""Quantiles are of the first chunks' images, and of so many places of each at most."""
CHOOSING = 0.9
"""Share of the work that choosing is: as many images as are told of, for each quantile."""


@dataclasses.dataclass(frozen=True)
class ChannelSums:
    """Of the images of a chunk: (call, filter) sums of the channels, and (call,) numbers summed."""

    total: Floats
    count: Floats


@dataclasses.dataclass(frozen=True)
class Candidates:
    """(quantile, call, filter) of the channels."""

    values: Floats


@dataclasses.dataclass(frozen=True)
class Falls:
    """Of the images of a chunk: (quantile, filter) the sum of the falls of log p, in nats."""

    total: Floats


def find_constants(banks: Sequence[Measurement], progress: Progress | None) -> Progress | None:
    """Find the numbers that stand in the channels' places, and tell each bank's plan.

    A mean takes one pass over the images, in float64, chunk by chunk; an optimal number takes as
    many measurements of the half that it is chosen on as there are quantiles. What was found is
    kept with the checkpoints.

    Returns
    -------
    callable or None
        What is to be told the share done of all that follows.
    """
    kind = banks[0].plan.value.kind
    if kind == "number":
        number = torch.tensor(banks[0].plan.value.number, dtype=torch.float64)
        for bank in banks:
            bank.set_constants(number.expand(1, bank.network.convolution(bank.layer).out_channels))
    if kind == "mean":
        _find_means(banks, (lambda: progress(0.0)) if progress else (lambda: None))
    if kind != "optimal":
        return progress
    _find_best(banks, progress or (lambda _share: None))
    told = progress
    return told and (lambda share: told(CHOOSING + (1 - CHOOSING) * share))


def looked_at(bank: Measurement) -> list[int]:
    """Return the images whose channels are looked at beforehand, for means or quantiles."""
    kind = bank.plan.value.kind
    if kind == "mean":
        return [int(number) for number in bank.order]
    if kind == "optimal":
        first = chunked(bank.choosing.tolist())[:QUANTILE_CHUNKS]
        return [number for chunk in first for number in chunk]
    return []


def _find_means(banks: Sequence[Measurement], tick: Callable[[], None]) -> None:
    chunks = chunked(banks[0].order.tolist())

    def sums(bank: Measurement, chunk: Chunk) -> ChannelSums:
        total: list[Floats] = []
        count: list[float] = []
        for maps in _place_maps(bank, chunk, tick):
            rows = [m.double().flatten(-2).sum(-1).flatten(0, -2).cpu() for m in maps]
            total = total or [np.zeros(row.shape[-1]) for row in rows]
            count = count or [0.0] * len(rows)
            for call, (row, m) in enumerate(zip(rows, maps, strict=True)):
                # Row by row, so that it does not matter which run together.
                for each in row.numpy():
                    total[call] += each
                count[call] += m.numel() / m.shape[CHANNEL]
        found = ChannelSums(np.stack(total), np.array(count))
        if chunk.place == 0:
            _check_means(bank, chunk, found)
        return found

    found = _each_chunk(banks, chunks, ChannelSums, "mean", sums)
    for bank, parts in zip(banks, found, strict=True):
        total = np.sum([part.total for part in parts], axis=0)
        count = np.sum([part.count for part in parts], axis=0)
        bank.set_constants(torch.from_numpy(total / count[:, None]))


def _check_means(bank: Measurement, chunk: Chunk, found: ChannelSums) -> None:
    """Refuse means that the reference does not see on the first chunk."""
    device, dtype = placement(bank.network.model)
    maps = bank.audit.reference.maps(chunk.images.to(device, dtype), bank.layer)
    pooled = len(found.count) == 1
    flat = [m.double().movedim(CHANNEL, 0).flatten(1).cpu() for m in maps]
    calls = [torch.cat(flat, 1)] if pooled else flat
    for call, own in enumerate(calls):
        off = np.abs(own.mean(1).numpy() - found.total[call] / found.count[call])
        if not (off <= AGREEMENT * max(float(own.abs().max()), 1e-12)).all():
            raise ValueError(
                "What is set must be what the network has; the mean of a channel of "
                f"{bank.layer!r} is another in the network itself, on the first images. Look for "
                "what is random in its forward pass; if there is nothing, it is carviz's own fault."
            )


def _find_best(banks: Sequence[Measurement], progress: Progress) -> None:
    """Choose of each channel's quantiles the one that costs least log p."""
    chunks = chunked(banks[0].choosing.tolist())
    runs = sum(len(bank.filters) for bank in banks) * len(banks[0].choosing) * len(QUANTILES)
    done = 0

    def tick(pairs: int = 0) -> None:
        nonlocal done
        done += pairs
        progress(CHOOSING * done / runs)

    def falls(bank: Measurement, chunk: Chunk) -> Falls:
        values = candidates[banks.index(bank)]
        total = []
        for constants in values:
            bank.plan.set_constants(torch.from_numpy(constants))
            total.append(bank.work().run(chunk, tick).drop.sum(1))
        return Falls(np.stack(total))

    candidates = _candidates(banks, tick)
    found = _each_chunk(banks, chunks, Falls, "choice", falls)
    for bank, values, parts in zip(banks, candidates, found, strict=True):
        best = np.argmin(np.sum([part.total for part in parts], axis=0), axis=0)
        constants = values[len(values) // 2].copy()  # of filters that are not measured the median
        for filter, quantile in zip(bank.filters, best.tolist(), strict=True):
            constants[:, filter] = values[quantile, :, filter]
        bank.set_constants(torch.from_numpy(constants))


def _candidates(banks: Sequence[Measurement], tick: Callable[[], None]) -> list[Floats]:
    """Return (quantile, call, filter) of each bank's channels, on some images and places."""
    first = looked_at(banks[0])

    def quantiles(bank: Measurement, chunk: Chunk) -> Candidates:
        seen: list[list[Floats]] = []
        random = np.random.default_rng([SEED, chunk.numbers[0]])
        for maps in _place_maps(bank, chunk, tick):
            rows = [m.movedim(CHANNEL, -1).flatten(-3, -2).flatten(0, -3) for m in maps]
            seen = seen or [[] for _ in rows]
            for call, row in enumerate(rows):  # (row, place, filter)
                for each in row.float().cpu().numpy():
                    many = random.choice(len(each), min(len(each), QUANTILE_PLACES), replace=False)
                    seen[call].append(each[many])
        calls = [np.concatenate(parts).astype(np.float64) for parts in seen]
        return Candidates(np.stack([np.quantile(call, QUANTILES, axis=0) for call in calls], 1))

    return [parts[0].values for parts in _each_chunk(banks, [first], Candidates, "q", quantiles)]


def _each_chunk(
    banks: Sequence[Measurement], chunks: list[list[int]], kind: type[Any], part: str,
    find: Callable[[Measurement, Chunk], Any],
) -> list[list[Any]]:  # fmt: skip
    """Return for each bank what is found of each chunk, or was found before and kept.

    Chunks are the outer loop, so that images are read once for all banks.
    """
    kept = [bank.checkpoint_of(kind, part) for bank in banks]
    found: list[dict[int, Any]] = [{} for _ in banks]
    for b, checkpoint in enumerate(kept):
        for place, numbers in enumerate(chunks):
            known = None if checkpoint is None else checkpoint.load(place, numbers)
            if known is not None:
                found[b][place] = known
    missing = [p for p in range(len(chunks)) if any(p not in known for known in found)]
    read = banks[0].images.batches([chunks[place] for place in missing])
    for place, (images, targets) in zip(missing, read, strict=True):
        check_labels(targets, len(banks[0].classes), chunks[place])
        for bank, checkpoint, known in zip(banks, kept, found, strict=True):
            if place in known:
                continue
            known[place] = find(bank, Chunk(place, chunks[place], images, targets))
            if checkpoint is not None:
                bank.check_weights()
                checkpoint.save(place, known[place], chunks[place])
    return [[known[place] for place in range(len(chunks))] for known in found]


def _place_maps(
    bank: Measurement, chunk: Chunk, tick: Callable[[], None]
) -> Iterator[list[Tensor]]:
    """Yield the maps in which a bank's values are set, for a few images at a time."""
    work = bank.work()
    device, layout = work.device, layout_of(bank.plan)
    for start in range(0, len(chunk.numbers), work.block):
        images = chunk.images[start : start + work.block].to(device)
        images = images.to(dtype=work.dtype, memory_format=layout)
        with turn_of(bank.plan, device), inference_mode(), arithmetic("float32", device.type):
            maps = bank.plan.place_maps(images)
        # Without a batch axis a call's maps are one row.
        maps = [m if m.ndim > 3 else m[None] for m in maps]
        # One number is for all calls where these follow from how many images there are.
        alike = bank.plan.constants is not None and len(bank.plan.constants) == 1
        yield [torch.cat([m.flatten(0, -4) for m in maps])] if alike else maps
        tick()
