"""A folder that keeps finished parts, so that the same measurement can go on where it was."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import numpy as np

from carviz.results import write_whole

Part = TypeVar("Part")


class Checkpoint(Generic[Part]):
    """Finished parts of one measurement, each a file that is whole or not there.

    Parameters
    ----------
    folder
        Where checkpoints are kept; each measurement gets a folder of its own in it.
    name
        What the measurement is of: the bank.
    identity
        What makes a measurement the same one: fingerprints and settings, as JSON can hold them.
    kind
        What a part is: a dataclass of arrays.
    part
        How a part's file is called.

    Raises
    ------
    ValueError
        If the folder keeps parts of another measurement; what differs is named, also what one
        of the two does not say ("none").
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        identity: Mapping[str, Any],
        kind: type[Part],
        part: str = "chunk",
    ) -> None:
        self.folder = folder / quote(name, safe="")
        self.kind = kind
        self.part = part
        own = json.loads(json.dumps(dict(identity)))
        kept = self.folder / "measurement.json"
        if kept.is_file():
            self._compare(json.loads(kept.read_text()), own)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(own, indent=1).encode())

    def _compare(self, kept: dict[str, Any], own: dict[str, Any]) -> None:
        different = [name for name in {**kept, **own} if kept.get(name) != own.get(name)]
        if different:
            what = "; ".join(
                f"{name} was {_short(kept.get(name))}, is {_short(own.get(name))}"
                for name in different
            )
            raise ValueError(
                "A checkpoint is resumed by the measurement that began it; "
                f"{str(self.folder)!r} is of another: {what}. "
                "Take another folder, or remove this one."
            )

    def _file(self, place: int) -> Path:
        return self.folder / f"{self.part}-{place:06d}.npz"

    def _names(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self.kind)]  # type: ignore[arg-type]

    def load(self, place: int) -> Part | None:
        """Return a part that was finished before, or None."""
        try:
            with np.load(self._file(place), allow_pickle=False) as file:
                return self.kind(**{name: file[name] for name in self._names()})
        except (FileNotFoundError, KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
            return None  # a damaged part is measured again

    def save(self, place: int, part: Part) -> None:
        """Keep a finished part."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(part, name) for name in self._names()})
        write_whole(self._file(place), buffer.getvalue())


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"
