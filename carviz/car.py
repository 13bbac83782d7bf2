"""Measure CAR: the accuracy that a network loses without each filter of a bank.

`iter_car` is the one way through; `measure_car` is the last table that it yields. Both prepare in
the caller's thread (tracing belongs there) and only then run.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.ablation import (
    CarPlan,
    Checkpoint,
    Chunk,
    Facts,
    GraphPlan,
    HookPlan,
    Needs,
    Run,
    Work,
    count_costs,
    find_needs,
    make_plan,
    run_elsewhere,
)
from carviz.banks import Network, find_layer, open_network
from carviz.evaluate import (
    Images,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    stratified_order,
    versions,
)
from carviz.results import CarTable

SAMPLE = 4
FIRST_CHUNK = 32
"""Images of the first chunk: small, so that every filter has an estimate soon."""
LARGEST_CHUNK = 256
SEED = 0

Progress = bool | Callable[[float], None]


def measure_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
) -> CarTable:
    """Measure the CAR of a bank's filters, whole and class by class.

    The ablation makes the filter's channel zero for every later layer: at the convolution's
    output, or behind its own BatchNorm, since removing a filter removes its normalisation. The
    result's passport says which. See Abbasi-Asl and Yu, arXiv 1711.02329, section 2.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits
        ``(image, class)``. It is not touched, not even for a moment.
    data
        A map-style Dataset or DataLoader of (image tensor, integer label), or a pair of tensors.
        Class names come from ``data.classes``, else from ``model.classes``, else they are "0",
        "1", ….
    layer
        The bank: a convolution's name, or the module itself.
    filters
        Numbers of the filters to measure; None for the whole bank.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends the measurement); False for silence.
    run
        How to run; None for the defaults.

    Returns
    -------
    CarTable

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or has a value that cannot be measured: the message
        says the rule, what was found, and the way out.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> conv = nn.Conv2d(1, 3, 1, bias=False)  # filter 2 does nothing
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> _ = conv.weight.data.copy_(torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1, 1))
    >>> _ = head[2].weight.data.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))
    >>> images = torch.tensor([1.0, 2.0, -1.0, -2.0]).view(4, 1, 1, 1)
    >>> model, labels = nn.Sequential(conv, nn.ReLU(), head), torch.tensor([0, 0, 1, 1])
    >>> measure_car(model, (images, labels), "0", progress=False).car.tolist()
    [0.0, 0.5, 0.0]
    """
    tables = iter_car(
        model, data, layer, filters=filters, device=device, progress=progress, run=run
    )
    return deque(tables, maxlen=1).pop()


def iter_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
) -> Iterator[CarTable]:
    """Yield ever fuller tables, chunk by chunk; closing the iterator cancels.

    After the first chunk every filter has an estimate with an interval, and each further chunk
    narrows it: images are visited in a seeded order stratified by class. Arguments and errors are
    those of `measure_car`; they are checked at once, before the first table is asked for.
    """
    measurement = prepare_car(model, data, layer, filters=filters, device=device, run=run)
    if remark := measurement.passport["remark"]:
        warnings.warn(f"carviz: {remark}", stacklevel=2)
    if progress is True:
        return _with_bar(measurement)
    return measurement.tables(None if progress is False else progress)


def _with_bar(measurement: Measurement) -> Iterator[CarTable]:
    from tqdm.auto import tqdm

    form = "{l_bar}{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, desc=f"CAR of {measurement.layer}", bar_format=form) as bar:

        def show(share: float) -> None:
            bar.update(min(share, 1.0) - bar.n)

        yield from measurement.tables(show)


def plan_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
) -> CarPlan:
    """Tell how a bank will be measured and what that saves; nothing is measured yet.

    Arguments and errors are those of `measure_car`. Print the result: it tells in multiply-adds
    what runs once an image, what runs once a filter, and what a loop over the whole network would
    do.
    """
    measurement = prepare_car(model, data, layer, filters=filters, device=device, run=run)
    numbers = measurement.order[:FIRST_CHUNK].tolist()
    sample = _placed(measurement.images.read(numbers)[0], measurement.network)
    return count_costs(
        measurement.network,
        measurement.plan,
        sample,
        layer=measurement.layer,
        filters=measurement.filters,
        images=len(measurement.images),
    )


def prepare_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
) -> Measurement:
    """Check everything, trace, and try the plan on a few images; nothing is measured yet.

    What a reader should know of how it will run stands in the passport, under "remark".
    `model` may also be a network that `carviz.banks.open_network` opened, so that several banks
    share one trace.
    """
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    chosen = _check_filters(filters, network.convolution(name).out_channels, name)
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    images = Images(data)
    order = stratified_order(images.hints, len(images), SEED)
    # One image is shown twice where there is one only: the plan wants to see a batch.
    numbers = (order.tolist() * 2)[: max(2, min(SAMPLE, len(images)))]
    sample = _placed(images.read(numbers)[0], network)
    run = run or Run()
    plan, remark = make_plan(network, name, sample, subtract=run.precision != "bf16")
    with torch.inference_mode():
        count = network.model(sample[:1]).shape[1]
    classes = _class_names(images, model, network, count)
    return Measurement(
        network, plan, name, chosen, images, order, classes, run,
        find_needs(plan, sample[:1], chosen[0]),
        _passport(network, plan, images, data, run, remark),
    )  # fmt: skip


@dataclasses.dataclass(eq=False)
class Measurement:
    """A measurement that is ready to run, in any thread."""

    network: Network
    plan: GraphPlan | HookPlan
    layer: str
    filters: list[int]
    images: Images
    order: NDArray[np.int64]
    classes: tuple[str, ...]
    run: Run
    needs: Needs
    passport: dict[str, Any]

    def tables(self, progress: Callable[[float], None] | None = None) -> Iterator[CarTable]:
        """Yield ever fuller tables; see `iter_car`."""
        chunks, total = self._chunks(), len(self.images)
        done = _Gathered(self)
        checkpoint = self._checkpoint()
        kept = [] if checkpoint is None else [checkpoint.load(p) for p in range(len(chunks))]
        for place, facts in enumerate(kept):
            if facts is not None:
                done.add(place, chunks[place], facts)
        if done.seen:
            yield done.table()
        missing = [p for p in range(len(chunks)) if not kept or kept[p] is None]
        for chunk, facts in self._measured(chunks, missing, done, progress):
            if checkpoint is not None:
                checkpoint.save(chunk.place, facts)
            done.add(chunk.place, chunk.numbers, facts)
            if progress is not None:
                progress(done.seen / total)
            yield done.table()

    def _chunks(self) -> list[list[int]]:
        """Cut the order into chunks that double until they are large; settings alone decide."""
        numbers, chunks, size = self.order.tolist(), [], FIRST_CHUNK
        while numbers:
            chunks.append(numbers[:size])
            numbers, size = numbers[size:], min(2 * size, LARGEST_CHUNK)
        return chunks

    def _checkpoint(self) -> Checkpoint | None:
        if self.run.checkpoint is None:
            return None
        decides = {k: v for k, v in self.passport.items() if k not in ("versions", "remark")}
        chunks = [FIRST_CHUNK, LARGEST_CHUNK]
        identity = {"filters": self.filters, "classes": self.classes, "chunks": chunks, **decides}
        return Checkpoint(Path(self.run.checkpoint), self.layer, identity)

    def _read(self, chunks: list[list[int]], places: list[int]) -> Iterator[Chunk]:
        read = self.images.batches([chunks[place] for place in places])
        for place, (images, targets) in zip(places, read, strict=True):
            self._check_labels(targets, chunks[place])
            yield Chunk(place, chunks[place], images, targets)

    def _measured(
        self, chunks: list[list[int]], places: list[int], done: _Gathered,
        progress: Callable[[float], None] | None,
    ) -> Iterator[tuple[Chunk, Facts]]:  # fmt: skip
        work = self._work()
        reading = self._read(chunks, places)
        if self.run.executor is not None:
            yield from run_elsewhere(work, reading, self.run.executor)
            return
        for chunk in reading:
            facts = work.run(chunk, self._tick(done, chunk, progress))
            if self.run.precision != "float32" and "changed_by_precision" not in self.passport:
                exact = dataclasses.replace(work, precision="float32").run(chunk)
                changed = np.mean(exact.predictions != facts.predictions)
                self.passport["changed_by_precision"] = float(changed)
            yield chunk, facts

    def _work(self) -> Work:
        block, rows = self.needs.sizes(self.run.budget())
        return Work(
            self.plan,
            self.filters,
            batch_size=self.run.batch_size or rows,
            block=block,
            precision=self.run.precision,
            **_placement(self.network),
        )

    def _tick(
        self, done: _Gathered, chunk: Chunk, progress: Callable[[float], None] | None
    ) -> Callable[[int], None] | None:
        if progress is None:
            return None
        pairs, seen, images = 0, done.seen, len(chunk.numbers)

        def tick(count: int) -> None:
            nonlocal pairs
            pairs += count
            share = pairs / (len(self.filters) * images)
            progress((seen + images * share) / len(self.images))

        return tick

    def _check_labels(self, targets: Tensor, chunk: list[int]) -> None:
        K = len(self.classes)
        if (targets >= K).any():
            bad = int(torch.nonzero(targets >= K)[0])
            raise ValueError(
                f"Labels number the network's {K} logits, 0 to {K - 1}; image {chunk[bad]} has "
                f"label {int(targets[bad])}. Check that data and network have the same classes."
            )


class _Gathered:
    """The reducer: facts of the chunks so far. Sums are taken in the order of the chunks."""

    def __init__(self, measurement: Measurement) -> None:
        self._of = measurement
        self._parts: dict[int, tuple[list[int], Facts]] = {}
        self._sums: dict[int, NDArray[np.float64]] = {}
        self.seen = 0

    def add(self, place: int, numbers: list[int], facts: Facts) -> None:
        """Take in a finished chunk; chunks may come in any order."""
        of = self._of
        total = np.zeros((len(of.classes), len(of.filters)))
        np.add.at(total, facts.targets, facts.drop.T)
        # Of the falls of log p only the sums by class enter the table: the rest may go.
        self._parts[place] = (numbers, dataclasses.replace(facts, drop=np.empty((0, 0))))
        self._sums[place] = total
        self.seen += len(numbers)

    def table(self) -> CarTable:
        """Return the table of the images so far."""
        of, places = self._of, sorted(self._parts)
        numbers = np.concatenate([self._parts[p][0] for p in places])
        facts = [self._parts[p][1] for p in places]
        order = np.argsort(numbers)
        targets = np.concatenate([f.targets for f in facts])
        count = np.bincount(targets, minlength=len(of.classes))
        drop = np.sum([self._sums[p] for p in places], axis=0).T
        return CarTable(
            layer=of.layer,
            filters=of.filters,  # type: ignore[arg-type]
            classes=of.classes,
            images=numbers[order],
            total=len(of.images),
            targets=targets[order].astype(np.int32),
            baseline=np.concatenate([f.baseline for f in facts])[order],
            predictions=np.concatenate([f.predictions for f in facts], axis=1)[:, order],
            log_prob_drop=np.where(count > 0, drop / np.maximum(count, 1), np.nan),
            passport=of.passport,
        )


def _placement(network: Network) -> dict[str, Any]:
    """Return the device and the floating-point type that the network's own parameters have."""
    first = next((p for p in network.model.parameters() if p.is_floating_point()), None)
    if first is None:
        return {"device": torch.device("cpu"), "dtype": torch.float32}
    return {"device": first.device, "dtype": first.dtype}


def _placed(images: Tensor, network: Network) -> Tensor:
    """Return images where the network is, of its type, in its memory layout."""
    return images.to(**_placement(network), memory_format=torch.channels_last)


def _check_filters(filters: Sequence[int] | None, count: int, layer: str) -> list[int]:
    if filters is None:
        return list(range(count))
    if isinstance(filters, (int, np.integer)):
        raise TypeError(f"filters is a list of numbers; found {filters!r}. Write [{filters}].")
    chosen = [int(i) for i in filters]
    if any(isinstance(i, bool) or int(i) != i for i in filters):
        raise TypeError(f"filters are whole numbers; found {list(filters)!r}.")
    outside = [i for i in chosen if not 0 <= i < count]
    if outside or not chosen:
        found = str(outside[0]) if outside else "an empty list"
        raise ValueError(
            f"A filter is a number in its bank; {layer!r} has filters 0 to {count - 1}; "
            f"found {found}."
        )
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"Each filter is measured once; found {chosen} with a repetition.")
    return chosen


def _class_names(images: Images, model: Any, network: Network, count: int) -> tuple[str, ...]:
    if images.classes is not None:
        if len(images.classes) != count:
            raise ValueError(
                f"data.classes names the network's logits, one each; found {len(images.classes)} "
                f"names for {count} logits, so labels may mean other classes than logits do. "
                "carviz.load_data(folder, model=model) matches a folder's classes to the network."
            )
        return images.classes
    own = getattr(network.model if isinstance(model, Network) else model, "classes", None)
    if isinstance(own, (tuple, list)) and len(own) == count:
        return tuple(str(name) for name in own)
    return tuple(str(i) for i in range(count))


def _passport(
    network: Network, plan: GraphPlan | HookPlan, images: Images, data: Any, run: Run, remark: str
) -> dict[str, Any]:
    found = find_normalization(data, network.model)
    return {
        "model": fingerprint_model(network.model),
        "data": fingerprint_images(images),
        "ablation": plan.where,
        "engine": plan.how,
        "remark": remark,
        "device": str(_placement(network)["device"].type),
        "dtype": str(_placement(network)["dtype"]),
        "precision": run.precision,
        "normalization": None
        if found is None
        else {"mean": found.mean, "std": found.std, "source": found.source},
        "seed": SEED,
        "versions": versions(),
    }
