"""A folder that keeps finished chunks, so that the same measurement can go on where it was."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from carviz.ablation.run import Facts
from carviz.results import write_whole

NAMES = [field.name for field in dataclasses.fields(Facts)]


class Checkpoint:
    """Finished chunks of one measurement, each a file that is whole or not there.

    Parameters
    ----------
    folder
        Where checkpoints are kept; each bank gets a folder of its own in it.
    layer
        The bank.
    identity
        What makes a measurement the same one: fingerprints and settings, as JSON can hold them.

    Raises
    ------
    ValueError
        If the folder keeps chunks of another measurement; what differs is named.
    """

    def __init__(self, folder: Path, layer: str, identity: Mapping[str, Any]) -> None:
        self.folder = folder / quote(layer, safe="")
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
        return self.folder / f"chunk-{place:06d}.npz"

    def load(self, place: int) -> Facts | None:
        """Return the facts of a chunk that was finished before, or None."""
        try:
            with np.load(self._file(place), allow_pickle=False) as file:
                return Facts(**{name: file[name] for name in NAMES})
        except (FileNotFoundError, KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
            return None  # a damaged chunk is measured again

    def save(self, place: int, facts: Facts) -> None:
        """Keep the facts of a finished chunk."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(facts, name) for name in NAMES})
        write_whole(self._file(place), buffer.getvalue())


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"
