"""A folder that keeps finished parts, so that the same measurement can go on where it was."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from carviz.results import UNFINISHED, Archive, pack, seal, write_whole

Part = TypeVar("Part")
SEAL = "seal"
"""The digest in a part's file."""
ABANDONED = 3600
"""Seconds after which nobody is still writing a file."""


class Checkpoint(Generic[Part]):
    """Finished parts of one measurement, each a file that is whole or not there.

    A part is sealed: with the measurement, with its place, and with what its user says that it
    belongs to. What was damaged, or copied from elsewhere, is not there, and is measured again.

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

    Attributes
    ----------
    last
        The seal of the part that was last loaded or saved; empty before.

    Raises
    ------
    ValueError
        If the folder keeps parts of another measurement; what differs is named, also what one
        of the two does not say ("none"). Or if what says of which measurement it is is damaged.
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
        self.last = ""
        self._own = json.loads(json.dumps(dict(identity)))
        kept = self.folder / "measurement.json"
        if kept.is_file():
            self._compare(_read(kept))
            self._clear()
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(self._own, indent=1).encode())

    def _compare(self, kept: dict[str, Any]) -> None:
        own = self._own
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

    def _clear(self) -> None:
        """Remove what a run that was killed while it wrote has left; another may write just now."""
        for file in self.folder.glob(f"{UNFINISHED}*"):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()

    def _file(self, place: int) -> Path:
        return self.folder / f"{self.part}-{place:06d}.npz"

    def _names(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self.kind)]  # type: ignore[arg-type]

    def _seal(self, arrays: Mapping[str, Any], place: int, of: Any) -> str:
        return seal(arrays, self._own, self.part, place, of)

    def load(self, place: int, of: Any = None) -> Part | None:
        """Return a part that was finished before, or None.

        Parameters
        ----------
        of
            What the part belongs to, as JSON can hold it: the numbers of its images, say.
        """
        try:
            with self._file(place).open("rb") as file:
                archive = Archive(file)
                archive.check_names([*self._names(), SEAL])
                arrays = {name: archive.read(name).copy() for name in archive.names}
            found = str(arrays.pop(SEAL))
            if found != self._seal(arrays, place, of):
                return None
            self.last = found
            return self.kind(**arrays)
        except Exception:  # a damaged file may bring about any; it is measured again
            return None

    def save(self, place: int, part: Part, of: Any = None) -> None:
        """Keep a finished part; `of` as in `load`."""
        arrays = {name: getattr(part, name) for name in self._names()}
        self.last = self._seal(arrays, place, of)
        write_whole(self._file(place), pack({**arrays, SEAL: self.last}))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        problem = f"it holds a {type(found).__name__}"
    except (ValueError, RecursionError) as error:
        problem = str(error)
    raise ValueError(
        f"{str(path)!r} says of which measurement a checkpoint is; it is damaged ({problem}). "
        "Remove that file, and the finished parts that are of this measurement go on; or take "
        "another folder."
    )


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"
