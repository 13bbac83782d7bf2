"""What all records share: frozen arrays, a passport, and a file that is whole or not there.

A file is NumPy's ``.npz`` without pickles: loading never executes what it holds.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from carviz.results.archive import Archive, pack, seal
from carviz.results.casting import NUMBERS, PLAIN, UnfitError, cast, plain
from carviz.results.files import write_whole

SCHEMA = 3
"""Number of the file format; a file with a higher one is refused."""
SEALED = 3
"""From this schema on a file has a digest of all that it holds."""
KIND = 100
"""Letters that the kind of a record has, at most."""


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """A frozen result. Arrays are made read-only; `passport` says where the numbers come from.

    Parameters
    ----------
    passport
        Fingerprints of model and data, settings, versions, seed: values that JSON can hold.
    """

    passport: Mapping[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    _dtypes: ClassVar[Mapping[str, type]] = {}
    """Array fields and the type each is stored with."""
    _later: ClassVar[frozenset[str]] = frozenset()
    """Fields that files of earlier versions lack; each has a default."""

    def __post_init__(self) -> None:
        if not isinstance(self.passport, Mapping):
            raise self._reject("a passport is a mapping", f"a {type(self.passport).__name__}")
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "passport":
                kept: Any = MappingProxyType(self._as_json(value))
            else:
                kept = self._kept(name, value, field.type)
            object.__setattr__(self, name, kept)

    def _as_json(self, passport: Mapping[str, Any]) -> Any:
        try:
            return json.loads(json.dumps(dict(passport)))
        except (TypeError, ValueError, RecursionError) as error:
            raise self._reject("a passport is what JSON can hold", str(error)) from error

    def _kept(self, name: str, value: Any, annotation: Any) -> Any:
        """Return a field's value in the type that it is stored with."""
        try:
            dtype = self._dtypes.get(name)
            return plain(value, annotation) if dtype is None else cast(value, dtype)
        except UnfitError as error:
            rule, found = error.args
            raise self._reject(f"`{name}` is {rule}", found) from error

    def _reject(self, rule: str, found: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {rule}; found {found}.")

    def _check_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse arrays that do not fit together."""
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise self._reject(f"`{name}` has shape {shape}", str(getattr(self, name).shape))

    def _check_within(self, what: str, name: str, low: float, high: float | None = None) -> None:
        """Refuse numbers outside a range; NaN is let pass."""
        values = np.asarray(getattr(self, name))
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if not known.size:
            return
        least, most = known.min(), known.max()
        if least < low or (high is not None and most > high):
            to = "or more" if high is None else f"to {high}"
            found = least if least < low else most
            raise self._reject(f"`{name}` {what} {low} {to}", f"{found:.15g}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, and records travel between processes.
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _rebuild, (type(self), {**values, "passport": dict(self.passport)})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to `path` (``.npz`` by custom), whole or not at all, and return it.

        Raises
        ------
        FileNotFoundError
            If the folder of `path` is not there.
        OSError
            If it cannot be written, because the disk is full, say; the path is told.
        ValueError
            If it is larger than a file that is read may be.
        """
        content: dict[str, Any] = {"record": type(self).__name__, "schema": SCHEMA}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            content[field.name] = json.dumps(dict(value)) if field.name == "passport" else value
        content["digest"] = seal(content)
        path = Path(path)
        write_whole(path, pack(content))
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a record that `save` wrote; nothing in the file is executed.

        Raises
        ------
        FileNotFoundError
            If `path` is not there.
        ValueError
            If the file is no record, another kind of record, of a later carviz, damaged, or
            contradicts itself; the file is named.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no file {str(path)!r} to load a {cls.__name__} from."
            )
        with path.open("rb") as file:
            try:
                archive = Archive(file)
                kind, schema = kind_of(archive), _schema(archive)
                if kind == cls.__name__ and schema <= SCHEMA:
                    return cls(**cls._parse(cls._read(archive, schema)))
            except Exception as error:  # a damaged file may bring about any
                raise ValueError(
                    f"A {cls.__name__} is loaded from a file that carviz saved; {str(path)!r} is "
                    f"not one, or is damaged: {str(error) or type(error).__name__}"
                ) from error
        if kind != cls.__name__:
            raise ValueError(f"{str(path)!r} holds {kind}, not a {cls.__name__}.")
        raise ValueError(
            f"{str(path)!r} was written by a later carviz (this one reads schema {SCHEMA}). "
            "Upgrade carviz to read it."
        )

    @classmethod
    def _read(cls, archive: Archive, schema: int) -> dict[str, Any]:
        """Return the fields' arrays; names, types and sizes are checked before any is read."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        sealed = {"digest"} if schema >= SEALED else set()
        archive.check_names({"record", "schema", *sealed, *fields} - cls._later, cls._later)
        for name in set(archive.names) & set(fields):
            header, dtype = archive.header(name), cls._dtypes.get(name)
            annotation = "str" if name == "passport" else fields[name].type
            kinds = PLAIN[str(annotation)] if dtype is None else NUMBERS[np.dtype(dtype).kind]
            several = str(annotation).startswith("tuple")
            empty = 0 in header.shape  # NumPy has no type for what is not there
            if (header.dtype.kind not in kinds and not empty) or (
                dtype is None and len(header.shape) != several
            ):
                raise ValueError(
                    f"{name!r} is {header.shape} of {header.dtype.name}, which it cannot be"
                )
        content = {name: archive.read(name) for name in archive.names}
        digest = content.pop("digest", None)
        if sealed and str(digest) != seal(content):
            raise ValueError("its parts do not belong together")
        return {name: content[name] for name in content if name in fields}

    @classmethod
    def _parse(cls, content: dict[str, Any]) -> dict[str, Any]:
        """Turn the arrays of a file into the constructor's arguments."""
        parsed = dict(content)
        for name, array in content.items():
            if name == "passport":
                parsed[name] = _with_definition(json.loads(str(array)))
            elif name not in cls._dtypes:
                parsed[name] = array.item() if array.ndim == 0 else tuple(array.tolist())
        return parsed


def kind_of(archive: Archive) -> str:
    """Return which record a file says that it holds; ValueError if that is no name."""
    if "record" not in archive.names:
        return "no carviz record"
    header = archive.header("record")
    if header.dtype.kind != "U" or header.shape or header.size > 4 * KIND:
        raise ValueError("'record' is no name")
    return str(archive.read("record"))


def _schema(archive: Archive) -> int:
    if "schema" not in archive.names:
        return 0
    header = archive.header("schema")
    if header.dtype.kind not in "iu" or header.shape:
        raise ValueError("'schema' is no number")
    return int(archive.read("schema"))


FIRST_DEFINITION = (
    "Measured by carviz's first definition of removing a filter, which knew one call of a "
    "convolution at a time, and BatchNorm2d alone as its normalisation; for networks with "
    "convolutions called side by side, rows that are no images, or other normalisations, measure "
    "anew."
)


def _with_definition(passport: Any) -> Any:
    """Let a passport of the first definition of removal, which had no number, say so."""
    if not isinstance(passport, dict) or "ablation" not in passport or "definition" in passport:
        return passport
    remark = " ".join(filter(None, [str(passport.get("remark") or ""), FIRST_DEFINITION]))
    return {**passport, "definition": 1, "remark": remark}


def same_measurement(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two passports are of one measurement.

    What audits found and cost may differ, and by which name the images came.
    """
    aside = dict.fromkeys(("audit", "precision_audit", "opened"))
    return {**a, **aside} == {**b, **aside}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return same_measurement(a, b) if isinstance(a, Mapping) else bool(a == b)


def _rebuild(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
