"""Measure CAR: the accuracy that a network loses without each filter of a bank.

`iter_car` is the one way through; `measure_car` is the last table that it yields. Both prepare in
the caller's thread (tracing belongs there) and only then run.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.ablation import Facts, GraphPlan, HookPlan, Run, make_plan, run_chunk
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
ROWS = 128
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
    plan, remark = make_plan(network, name, sample)
    with torch.inference_mode():
        values = plan.head(sample[:1])
        count = network.model(sample[:1]).shape[1]
    classes = _class_names(images, model, network, count)
    return Measurement(
        network, plan, name, chosen, images, order, classes, run or Run(),
        sum(v.nbytes for v in values if isinstance(v, Tensor)),
        _passport(network, plan, images, model, data, remark),
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
    bytes_per_image: int
    passport: dict[str, Any]

    def tables(self, progress: Callable[[float], None] | None = None) -> Iterator[CarTable]:
        """Yield ever fuller tables; see `iter_car`."""
        chunks = self._chunks()
        done = _Gathered(self)
        seen = 0
        for chunk, (images, targets) in zip(chunks, self.images.batches(chunks), strict=True):
            self._check_labels(targets, chunk)
            for block, numbers in self._blocks(chunk):
                facts = self._facts(images[block], targets[block], numbers, progress, seen)
                done.add(numbers, targets[block], facts)
                seen += len(numbers)
            if progress is not None:
                progress(seen / len(self.images))
            yield done.table()

    def _chunks(self) -> list[list[int]]:
        """Cut the order into chunks that double until they are large; settings alone decide."""
        numbers, chunks, size = self.order.tolist(), [], FIRST_CHUNK
        while numbers:
            chunks.append(numbers[:size])
            numbers, size = numbers[size:], min(2 * size, LARGEST_CHUNK)
        return chunks

    def _blocks(self, chunk: list[int]) -> Iterator[tuple[slice, list[int]]]:
        """Cut a chunk where its cached maps would take more than half of the memory."""
        size = max(1, self.run.budget() // 2 // max(1, self.bytes_per_image))
        for start in range(0, len(chunk), size):
            yield slice(start, start + size), chunk[start : start + size]

    def _rows(self) -> int:
        if self.run.batch_size is not None:
            return self.run.batch_size
        # The tail's own maps take about as much again as the ones that it reads, twice over.
        return int(min(ROWS, max(1, self.run.budget() // 2 // max(1, 3 * self.bytes_per_image))))

    def _facts(
        self, images: Tensor, targets: Tensor, numbers: list[int],
        progress: Callable[[float], None] | None, seen: int,
    ) -> Facts:  # fmt: skip
        pairs, total = 0, len(self.filters) * len(numbers)

        def tick(count: int) -> None:
            nonlocal pairs
            pairs += count
            if progress is not None:
                progress((seen + len(numbers) * pairs / total) / len(self.images))

        return run_chunk(
            self.plan,
            _placed(images, self.network),
            targets.to(_placement(self.network)["device"]),
            self.filters,
            numbers=numbers,
            batch_size=self._rows(),
            tick=tick,
        )

    def _check_labels(self, targets: Tensor, chunk: list[int]) -> None:
        K = len(self.classes)
        if (targets >= K).any():
            bad = int(torch.nonzero(targets >= K)[0])
            raise ValueError(
                f"Labels number the network's {K} logits, 0 to {K - 1}; image {chunk[bad]} has "
                f"label {int(targets[bad])}. Check that data and network have the same classes."
            )


class _Gathered:
    """The reducer: facts of the chunks so far, merged in chunk order."""

    def __init__(self, measurement: Measurement) -> None:
        self._of = measurement
        self._parts: list[tuple[list[int], NDArray[np.int64], Facts]] = []
        F, K = len(measurement.filters), len(measurement.classes)
        self._drop = np.zeros((F, K))
        self._count = np.zeros(K)

    def add(self, numbers: list[int], targets: Tensor, facts: Facts) -> None:
        labels = targets.cpu().numpy()
        self._parts.append((numbers, labels, facts))
        np.add.at(self._drop.T, labels, facts.drop.T)
        np.add.at(self._count, labels, 1)

    def table(self) -> CarTable:
        numbers = np.concatenate([part[0] for part in self._parts])
        order = np.argsort(numbers)
        of = self._of
        mean = np.where(self._count > 0, self._drop / np.maximum(self._count, 1), np.nan)
        return CarTable(
            layer=of.layer,
            filters=of.filters,  # type: ignore[arg-type]
            classes=of.classes,
            images=numbers[order],
            total=len(of.images),
            targets=np.concatenate([part[1] for part in self._parts])[order].astype(np.int32),
            baseline=np.concatenate([part[2].baseline for part in self._parts])[order],
            predictions=np.concatenate([part[2].predictions for part in self._parts], 1)[:, order],
            log_prob_drop=mean,
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
    network: Network, plan: GraphPlan | HookPlan, images: Images, model: Any, data: Any, remark: str
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
        "normalization": None
        if found is None
        else {"mean": found.mean, "std": found.std, "source": found.source},
        "seed": SEED,
        "versions": versions(),
    }
