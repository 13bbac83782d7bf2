"""A file is whole or not there: whatever carviz writes goes through here."""

from __future__ import annotations

import uuid
from pathlib import Path

from carviz.interrupts import uninterrupted


@uninterrupted()
def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole, or leave what was there as it was.

    Raises
    ------
    FileNotFoundError
        If the folder of `path` is not there.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"A file is saved into a folder that exists; {str(path.parent)!r} does not. "
            "Make it first, or choose another path."
        )
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
