"""What all records share: frozen arrays, a passport, and a file that is whole or not there.

A file is NumPy's ``.npz`` without pickles: loading never executes what it holds.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from carviz.results.files import write_whole

SCHEMA = 2
"""Number of the file format; a file with a higher one is refused."""


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
        for name, dtype in self._dtypes.items():
            array: np.ndarray[Any, Any] = np.array(getattr(self, name), dtype=dtype, copy=True)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        plain = json.loads(json.dumps(dict(self.passport)))
        object.__setattr__(self, "passport", MappingProxyType(plain))

    def _reject(self, rule: str, found: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {rule}; found {found}.")

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
        """
        content: dict[str, Any] = {"record": type(self).__name__, "schema": SCHEMA}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            content[field.name] = json.dumps(dict(value)) if field.name == "passport" else value
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in content.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        path = Path(path)
        write_whole(path, buffer.getvalue())
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a record that `save` wrote; nothing in the file is executed.

        Raises
        ------
        FileNotFoundError
            If `path` is not there.
        ValueError
            If the file is no record, another kind of record, or of a later carviz.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no file {str(path)!r} to load a {cls.__name__} from."
            )
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"A {cls.__name__} is loaded from a file that carviz saved; "
                f"{str(path)!r} is not one, or is damaged: {error}"
            ) from error
        kind = str(content.pop("record", "no carviz record"))
        if kind != cls.__name__:
            raise ValueError(f"{str(path)!r} holds {kind}, not a {cls.__name__}.")
        if int(content.pop("schema", 0)) > SCHEMA:
            raise ValueError(
                f"{str(path)!r} was written by a later carviz (this one reads schema {SCHEMA}). "
                "Upgrade carviz to read it."
            )
        missing = ({f.name for f in dataclasses.fields(cls)} ^ set(content)) - (
            cls._later - set(content)
        )
        if missing:
            raise ValueError(f"{str(path)!r} is damaged: {', '.join(sorted(missing))} do not fit.")
        return cls(**cls._parse(content))

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
    """Whether two passports are of one measurement; what its audit cost may differ."""
    return {**a, "audit": None} == {**b, "audit": None}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return same_measurement(a, b) if isinstance(a, Mapping) else bool(a == b)


def _rebuild(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
