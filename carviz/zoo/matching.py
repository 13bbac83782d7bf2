"""Which of the network's logits each class of the data belongs to."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from carviz.zoo import imagenet
from carviz.zoo.sources import NamedClass

REST = "*"
"""In a mapping: every class that nothing else fits."""
NAMED = 5
"""Unmatched classes that an error names."""
APART = ("animal", "bird", "machine", "person", "vehicle")
"""Words that only tell one meaning of a name from another: a "crane bird" is a crane, too."""

Mapped = Mapping[str, str | int | None]
"""From classes of the data to the network's: a name, a logit's number, or None to leave it out."""


@dataclass(frozen=True)
class LogitNames:
    """What a network calls its logits.

    Parameters
    ----------
    classes
        A name for each.
    synsets
        A WordNet number for each, or nothing.
    """

    classes: tuple[str, ...]
    synsets: tuple[str, ...] = ()

    def find(self, name: str) -> list[int]:
        """Return the logits that go by a name: one, as a rule."""
        if name in self._numbers:
            return [self._numbers[name]]
        return self._exact.get(name) or self._folded.get(plain(name), [])

    def known_as(self, one: NamedClass) -> str | None:
        """Return the first of a class's names that a logit has; a WordNet number counts first."""
        names = [*(n for n in one.others if n in self._numbers), one.name, *one.others]
        return next((name for name in names if self.find(name)), None)

    def spelt(self, name: str) -> bool:
        """Whether a logit has a name with the same capital letters; _ and - do not count."""
        return name in self._numbers or _spaced(name) in self._spaced

    def rivals(self, name: str, cased: bool) -> set[int]:
        """Return the logits that a name could mean beside those of `find`.

        They are those that ImageNet calls so, although the network adds a word; those whose name
        is this one and what tells it apart, as in "crane bird", "crane (bird)" and "crane, bird";
        and where the data's capital letters say nothing (not `cased`), those spelt otherwise.
        """
        if name in self._numbers:
            return set()
        found, own = set(self._told_apart.get(plain(name), ())), set(self.find(name))
        shared = imagenet.SHARED_NAMES.get(plain(name), ())
        called = {self._numbers[synset] for synset in shared if synset in self._numbers}
        if called & own:  # else it is another network of as many classes
            found |= called
        if not cased:
            found |= set(self._folded.get(plain(name), ()))
        return found - own

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {synset: number for number, synset in enumerate(self.synsets)}

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        """The logits of each name. ImageNet has two cranes."""
        return _places(self.classes)

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        """The logits of each folded name. ImageNet has a Cardigan, a dog, and a cardigan."""
        return _places([plain(name) for name in self.classes])

    @cached_property
    def _spaced(self) -> set[str]:
        return {_spaced(name) for name in self.classes}

    @cached_property
    def _told_apart(self) -> dict[str, list[int]]:
        """The logits whose name is a folded one and what tells it apart, by the folded one."""
        places: dict[str, list[int]] = {}
        for number, name in enumerate(self.classes):
            words = plain(re.sub(r"\s*(\(.*\)|[,;/].*)$", "", name)).split()
            if len(words) > 1 and words[-1] in APART:
                words.pop()
            if (bare := " ".join(words)) != plain(name):
                places.setdefault(bare, []).append(number)
        return places

    def nearest(self, name: str) -> list[str]:
        """Return the names of classes that a name may have meant."""
        word = plain(name)
        whole = [c for c in self.classes if word and word in plain(c).split()]
        folded = {plain(c): c for c in self.classes}
        close = [folded[near] for near in difflib.get_close_matches(word, folded, n=3)]
        return list(dict.fromkeys([*whole, *close]))[:3]

    @property
    def unnamed(self) -> bool:
        """Whether the names are nothing but the logits' numbers."""
        return self.classes == tuple(str(number) for number in range(len(self.classes)))


def match_classes(
    found: Sequence[NamedClass],
    model: nn.Module | None,
    mapped: Mapped | None,
    *,
    filled: Container[int] | None = None,
) -> tuple[list[int | None], tuple[str, ...]]:
    """Return the logit of each class of the data, None to leave it out, and all logits' names.

    In this order: what `mapped` says; a WordNet number; a name, where case, _ and - do not count.
    Without a network that names its logits, classes are numbered as the data has them. `filled`
    are the places in `found` of classes that have images, None for all: others need fit nothing.

    Raises
    ------
    TypeError
        If `mapped` is no mapping, or holds something else than names, numbers and None.
    ValueError
        If a class fits none of the network's, or several (ImageNet calls a bird and a machine
        crane), or `mapped` names what is not there.
    """
    mapped = _checked(mapped, found)
    known = known_of(model, found)
    if known is None:
        return _number(found, mapped)
    labels: list[int | None] = []
    unmatched: list[tuple[NamedClass, list[int]]] = []
    fits = _fits(found, known)
    for place, (one, fitting) in enumerate(zip(found, fits, strict=True)):
        if one.name in mapped:
            labels.append(_logit(one.name, mapped[one.name], known))
            continue
        labels.append(fitting[0] if len(fitting) == 1 else None)
        if len(fitting) != 1 and (filled is None or place in filled):
            unmatched.append((one, fitting))
    if unmatched and not mapped and known.unnamed and len(found) == len(known.classes):
        return list(range(len(found))), tuple(one.name for one in found)
    if unmatched and REST not in mapped:
        count = len(found) if filled is None else sum(n in filled for n in range(len(found)))
        raise ValueError(_unmatched(count, len(found), unmatched, known))
    if unmatched and mapped[REST] is not None:
        rest, names = _logit(REST, mapped[REST], known), {one.name for one, _ in unmatched}
        labels = [rest if o.name in names else n for o, n in zip(found, labels, strict=True)]
    return labels, known.classes


def _fits(found: Sequence[NamedClass], known: LogitNames) -> list[list[int]]:
    """Return the logits that each class of the data could be: one, as a rule."""
    names = [known.known_as(one) for one in found]
    own = [[] if name is None else known.find(name) for name in names]
    # Where one name fits only with other capital letters, the data has its own way of writing.
    cased = all(known.spelt(name) for name in names if name is not None)
    fits = []
    for place, (name, logits) in enumerate(zip(names, own, strict=True)):
        if name is not None and len(logits) == 1:
            # What another class of the data is for certain, this one is not.
            taken = {n[0] for i, n in enumerate(own) if i != place and len(n) == 1}
            logits = sorted({*logits, *(known.rivals(name, cased) - taken)})
        fits.append(logits)
    return fits


def known_of(model: nn.Module | None, found: Sequence[NamedClass]) -> LogitNames | None:
    """Return what a network calls its logits, or None where it does not say."""
    classes = getattr(model, "classes", None)
    if isinstance(classes, (tuple, list)):
        names = tuple(str(name) for name in classes)
        synsets = tuple(getattr(model, "synsets", None) or ())
        if len(synsets) != len(names):
            synsets = imagenet.SYNSETS if len(names) == len(imagenet.SYNSETS) else ()
        return LogitNames(names, synsets)
    if model is not None and _are_imagenet(found) and last_outputs(model) == len(imagenet.SYNSETS):
        return LogitNames(imagenet.imagenet_names(), imagenet.SYNSETS)
    return None


def last_outputs(model: nn.Module) -> int | None:
    """Return how many outputs the last linear layer or convolution has that a network holds."""
    last = last_layer(model)
    return None if last is None else last[1]


def last_layer(model: nn.Module) -> tuple[str, int] | None:
    """Return that layer's name, and its outputs."""
    found = None
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            outputs = module.out_features if isinstance(module, nn.Linear) else module.out_channels
            found = name, outputs
    return found


def plain(name: str) -> str:
    """Return a class name as it is compared: case, _ and - do not count."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _spaced(name: str) -> str:
    """Return a class name as it is compared where capital letters count."""
    return " ".join(name.replace("_", " ").replace("-", " ").split())


def _places(names: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(name, []).append(number)
    return places


def _are_imagenet(found: Sequence[NamedClass]) -> bool:
    numbers = set(imagenet.SYNSETS)
    return all(numbers & {one.name, *one.others} for one in found)


def _checked(mapped: Mapped | None, found: Sequence[NamedClass]) -> dict[str, Any]:
    if mapped is None:
        return {}
    if not isinstance(mapped, Mapping):
        raise TypeError(
            'classes maps the data\'s classes to the network\'s, e.g. {"cat": "tabby", "dog": 207, '
            f'"rest": None}}; found {type(mapped).__name__}.'
        )
    names = [one.name for one in found]
    for key in mapped:
        if key not in names and key != REST:
            near = difflib.get_close_matches(str(key), names, n=3) or names[:3]
            raise ValueError(
                f"classes maps classes that the data has; there is no {key!r}. "
                f"Nearest: {', '.join(near)}."
            )
    return dict(mapped)


def _logit(name: str, value: Any, known: LogitNames) -> int | None:
    """Return the logit that a mapping means."""
    if value is None:
        return None
    rule = f"classes maps {name!r} to a class name of the network, a logit's number, or None"
    if isinstance(value, str):
        fitting = known.find(value)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ValueError(f"{rule}; {value!r} are logits {_and(fitting)}. Give a number.")
        near = known.nearest(value)
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        raise ValueError(f"{rule}; the network has no class {value!r}.{nearest}")
    number = _whole(value, rule)
    if not 0 <= number < len(known.classes):
        raise ValueError(f"{rule}; numbers are 0 to {len(known.classes) - 1}, found {number}.")
    return number


def _whole(value: Any, rule: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError as error:
        raise TypeError(f"{rule}; found {type(value).__name__}.") from error


def _number(
    found: Sequence[NamedClass], mapped: dict[str, Any]
) -> tuple[list[int | None], tuple[str, ...]]:
    """Return logits without a network's names: as classes come, or as the mapping says."""
    if not mapped:
        return list(range(len(found))), tuple(one.name for one in found)
    rule = (
        "Without a network that names its logits (model=…), classes maps every class of the data "
        "to a logit's number, or to None"
    )
    labels: list[int | None] = []
    for one in found:
        if one.name not in mapped and REST not in mapped:
            raise ValueError(f"{rule}; {one.name!r} is missing.")
        value = mapped.get(one.name, mapped.get(REST))
        if isinstance(value, str):
            raise ValueError(f"{rule}; {one.name!r} is mapped to the name {value!r}.")
        labels.append(None if value is None else _whole(value, rule))
        if value is not None and value < 0:
            raise ValueError(f"{rule}; {one.name!r} is mapped to {value}.")
    last = max((label for label in labels if label is not None), default=-1)
    names = {label: one.name for one, label in zip(found, labels, strict=True)}
    return labels, tuple(names.get(number, str(number)) for number in range(last + 1))


def _unmatched(
    total: int, all_classes: int, unmatched: list[tuple[NamedClass, list[int]]], known: LogitNames
) -> str:
    some = ", ".join(_told(one.name, fitting, known) for one, fitting in unmatched[:NAMED])
    more = f", … {len(unmatched)} in all" if len(unmatched) > NAMED else ""
    first, meant = unmatched[0][0].name, unmatched[0][1]
    count = len(known.classes)
    why = (
        f" None of the {total} classes fits: a network of {count:,} other classes cannot tell "
        "them apart, and one that was trained on them is needed, unless a mapping helps."
        if len(unmatched) == total and not any(fitting for _, fitting in unmatched)
        else ""
    )
    if known.unnamed and all_classes != count:
        why = (
            f" The network's classes have no names, and go by the data's where these are {count:,} "
            f"as well; found {all_classes:,} (classes without images count)."
        )
    example: str | int = (meant or known.nearest(first) or list(known.classes))[0]
    return (
        f"Each class of the data is one of the network's {count:,} "
        f"({', '.join(known.classes[:3])}, …), by name or WordNet number; {len(unmatched)} of "
        f"{total} are not: {some}{more}.{why} Say which is which with "
        f"carviz.load_data(…, classes={{{first!r}: {example!r}}}): a class name, a logit's number, "
        f"or None to leave a class out; {{{REST!r}: None}} leaves out all that fit nothing."
    )


def _told(name: str, fitting: list[int], known: LogitNames) -> str:
    if fitting:
        if len({known.classes[number] for number in fitting}) == 1:
            return f"{name!r} (logits {_and(fitting)} go by that name)"
        each = _and([f"{number}, {known.classes[number]!r}," for number in fitting])
        return f"{name!r} (logits {each} may go by that name)"
    near = known.nearest(name)
    return f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else "")


def _and(several: Sequence[int | str]) -> str:
    return " and ".join(str(one) for one in several)
