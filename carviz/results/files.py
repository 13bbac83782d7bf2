"""A file is whole or not there: whatever carviz writes goes through here."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path

from carviz.checks import check_home
from carviz.interrupts import uninterrupted

UNFINISHED = ".carviz-"
"""How the name of a file begins that is not whole yet."""


@uninterrupted()
def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole, or leave what was there as it was.

    It is on the disk before the old file goes: neither a kill nor a cut of the power leaves half of
    it. A link stays one, and the file that it names is replaced; what is no regular file, such as
    /dev/null or a pipe, is written to and never replaced.

    Raises
    ------
    FileNotFoundError
        If the folder of `path` is not there.
    OSError
        If it cannot be written, because the disk is full, say; the path is told.
    """
    check_home(path)
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except OSError as error:
        words = f"{error.strerror or error}; it was not saved"
        raise OSError(error.errno, words, str(path)) from error


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(UNFINISHED + uuid.uuid4().hex)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):  # whoever may not read it still may not
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    # The file is there; that its folder says so after a cut of the power, not all systems offer.
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
