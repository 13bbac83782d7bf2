"""Which images a DataLoader gives: those that its sampler names, where that is a fixed set."""

from __future__ import annotations

import copy
import operator
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from carviz.evaluate.modes import fork_rng
from carviz.interrupts import Whole, whole

READINGS = 3
"""How often an unknown sampler is asked which images it gives, each time from other random
numbers: what is drawn anew for each epoch shows."""
EMPTY_BATCHES = 1000
"""Batches without an image, one after another, from which on a sampler is said to have no end."""

RULE = "Of a DataLoader those images are measured that its sampler gives, each of a fixed set once"
WAY_OUT = (
    "Give a torch.utils.data.Subset(dataset, numbers) of the images to measure, or a DataLoader "
    "of it without sampler."
)


def sampled_numbers(loader: DataLoader[Any]) -> NDArray[np.int64] | None:
    """Return the numbers of the items that a DataLoader gives, ascending; None where all are.

    Sequential samplers, random ones over all items, SubsetRandomSampler, DistributedSampler
    (without the items that it repeats to make the ranks equally long) and batch samplers of these
    are known. Of any other a copy is asked several times, each time from other random numbers.
    The random state of torch, NumPy and Python, and that of the samplers, stay as they are.

    Parameters
    ----------
    loader
        A DataLoader of a map-style Dataset.

    Raises
    ------
    ValueError
        If the set is drawn anew for each epoch, an item comes twice, the sampler has no end, can
        be read once only, or names what the Dataset does not have; or if the DataLoader is of a
        class with an iteration of its own.
    """
    count = len(loader.dataset)  # type: ignore[arg-type]
    if type(loader).__iter__ is not DataLoader.__iter__:
        raise ValueError(
            "A DataLoader hands its Dataset's items on as they are; found a "
            f"{_kind(loader)}, which goes through them in a way of its own (__iter__), and may "
            "change them. Give a torch.utils.data.DataLoader of what it gives, or the Dataset."
        )
    batches = loader.batch_sampler
    if batches is not None and type(batches) is not BatchSampler:
        numbers, _ = _asked(batches, loader, in_batches=True)
    else:
        sampler = loader.sampler if batches is None else batches.sampler
        if _gives_all(sampler, count) and not (batches is not None and batches.drop_last):
            return None
        numbers, shuffled = _numbers_of(sampler, loader)
        over = len(numbers) % batches.batch_size if batches is not None else 0
        if batches is not None and batches.drop_last and over:
            if shuffled:
                raise _refusal(
                    f"a shuffled loader with drop_last=True, which leaves {over} of "
                    f"{len(numbers)} out, others each time",
                    way_out="Give drop_last=False.",
                )
            numbers = numbers[: len(numbers) - over]
    found = np.sort(np.asarray(numbers, dtype=np.int64))
    return None if len(found) == count else found


def loader_size(loader: DataLoader[Any]) -> int:
    """Return how many items a DataLoader takes at a time; 32 where batches have their own sizes."""
    size = getattr(loader.batch_sampler, "batch_size", None) or loader.batch_size
    return size if isinstance(size, int) and size > 0 else 32


def _gives_all(sampler: Any, count: int) -> bool:
    """Whether a sampler is known to give each of the Dataset's items once, unread."""
    if type(sampler) not in (SequentialSampler, RandomSampler):
        return False
    same = len(sampler.data_source) == count
    if type(sampler) is SequentialSampler:
        return same
    return same and not sampler.replacement and sampler.num_samples == count


def _numbers_of(sampler: Any, loader: DataLoader[Any]) -> tuple[list[int], bool]:
    """Return the items that a sampler gives, and whether their order is drawn."""
    kind, count = type(sampler), len(loader.dataset)  # type: ignore[arg-type]
    if kind in (RandomSampler, WeightedRandomSampler):
        if sampler.replacement:
            raise _refusal(f"a {kind.__name__} with replacement, which draws an image repeatedly")
        if kind is RandomSampler:
            able = len(sampler.data_source)
        else:
            able = int(torch.count_nonzero(torch.as_tensor(sampler.weights)))
        if sampler.num_samples != able:
            raise _refusal(
                f"a {kind.__name__} of num_samples={sampler.num_samples} for {able} images, which "
                "draws others each time"
            )
    if getattr(kind, "__iter__", None) is DistributedSampler.__iter__:  # MONAI's are a kind of it
        with _forked(0):
            given = [operator.index(number) for number in sampler]
        # A rank takes every so-manyth place; places behind the last image repeat the first ones.
        own = len(range(sampler.rank, len(sampler.dataset), sampler.num_replicas))
        over = len(sampler.dataset) % sampler.num_replicas
        if sampler.drop_last and sampler.shuffle and over:
            raise _refusal(
                f"a shuffled DistributedSampler with drop_last=True, which leaves {over} of "
                f"{len(sampler.dataset)} out, others in each epoch",
                way_out="Give drop_last=False.",
            )
        return _checked(given[:own], count, sampler), bool(sampler.shuffle)
    numbers, varied = _asked(sampler, loader, in_batches=False)
    return numbers, varied or kind in (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def _asked(sampler: Any, loader: DataLoader[Any], *, in_batches: bool) -> tuple[list[int], bool]:
    """Return what a copy of a sampler gives, the same set each time, and whether orders differ."""
    if isinstance(sampler, Iterator):
        raise _refusal(f"a {_kind(sampler)}, which can be read once only")
    asked, count = _copy(sampler, loader), len(loader.dataset)  # type: ignore[arg-type]
    readings = []
    for seed in range(READINGS):
        with _forked(seed):
            given = _flat(asked, sampler) if in_batches else iter(asked)
            readings.append(_checked(given, count, sampler))
    sets = {frozenset(numbers) for numbers in readings}
    if len(sets) > 1:
        raise _refusal(f"a {_kind(sampler)}, which gives others each time it is asked")
    return readings[0], any(numbers != readings[0] for numbers in readings)


def _flat(batches: Iterable[Any], sampler: Any) -> Iterator[Any]:
    empty = 0
    for batch in batches:
        empty = 0 if len(batch) else empty + 1
        if empty > EMPTY_BATCHES:
            raise _refusal(f"a {_kind(sampler)}, which gives batches without images")
        yield from batch


def _checked(given: Iterable[Any], count: int, sampler: Any) -> list[int]:
    """Return numbers as a list; the first repetition ends the reading, so one without end does."""
    numbers: dict[int, None] = {}
    for number in given:
        try:
            if isinstance(number, torch.Tensor):
                number = number.item()
            index = operator.index(number)
        except (TypeError, ValueError, RuntimeError) as error:
            raise _refusal(f"a {_kind(sampler)}, which gives {number!r}, no number") from error
        if not -count <= index < count:
            raise _refusal(f"a {_kind(sampler)}, which gives {index} for a Dataset of {count}")
        index %= count
        if index in numbers:
            raise _refusal(
                f"a {_kind(sampler)}, which gives image {index} twice (it draws with replacement, "
                "repeats, or has no end)"
            )
        numbers[index] = None
    return list(numbers)


def _copy(sampler: Any, loader: DataLoader[Any]) -> Any:
    """Return a copy to ask, so that a counter of epochs or a generator of its own stays."""
    kept: dict[int, Any] = {}
    for shared in (loader.dataset, getattr(sampler, "data_source", None)):
        if shared is not None:  # images are not copied along
            kept[id(shared)] = shared
    try:
        return copy.deepcopy(sampler, kept)
    except Exception:  # what cannot be copied is asked itself
        return sampler


def _forked(seed: int) -> Whole[None]:
    """Draw from other random numbers, and leave the random states as they were."""
    return whole(lambda: _forking(seed))


@contextmanager
def _forking(seed: int) -> Iterator[None]:
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (what old samplers draw from)
    with fork_rng():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed reaches every GPU
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def _kind(sampler: Any) -> str:
    return type(sampler).__name__


def _refusal(found: str, way_out: str = WAY_OUT) -> ValueError:
    return ValueError(f"{RULE}; found {found}. {way_out}")
