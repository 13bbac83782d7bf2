"""NumPy's ``.npz`` out of a file that may be damaged: nothing is read before it is found to fit.

What a file says of itself is believed nowhere: its directory may promise what is not there, the
header of an array more than its directory, and a few compressed bytes more than any memory holds.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Collection, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MOST = 16 * 2**30
"""Bytes that all arrays of a file have together, at most."""
DENSEST = 1032
"""Bytes that deflate makes of one, at most."""
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MEMBERS, DIRECTORY = 64, 2**14
"""Arrays in a file, and bytes of its directory, at most."""
HEADER = 1024
"""Bytes of an array's header, at most."""
LARGE = 2**31
"""Bytes from which on a zip file has a second, larger directory."""

_END = struct.Struct("<4s4H2LH")
_MAGIC = b"\x93NUMPY\x01\x00"
# What NumPy writes, to the letter: evaluating it, as NumPy does, may take any time and memory.
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18},? ?)*)\), \} *\n"
)


class Header(NamedTuple):
    """What an array says of itself: type, shape, memory order, and where its numbers begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str
    start: int

    @property
    def size(self) -> int:
        """Bytes that the array takes."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """The arrays in an opened file, by name.

    Parameters
    ----------
    file
        A file opened for reading bytes.

    Raises
    ------
    ValueError
        If it is no zip file of arrays. Others may come of what a damaged file holds: whoever reads
        one takes any exception for damage.
    """

    def __init__(self, file: BinaryIO) -> None:
        _check_end(file)
        self._zip = zipfile.ZipFile(file)
        infos = self._zip.infolist()
        self._infos = {info.filename.removesuffix(".npy"): info for info in infos}
        if len(self._infos) < len(infos) or not all(i.filename.endswith(".npy") for i in infos):
            raise ValueError("it is no file of arrays, each with a name of its own")
        for name, info in self._infos.items():
            if info.compress_type not in COMPRESSIONS:  # others are not decompressed bit by bit
                raise ValueError(f"{name!r} is compressed as carviz does not")
            if info.file_size > DENSEST * info.compress_size + HEADER:
                raise ValueError(f"{name!r} cannot be as large as its directory says")
        if (size := sum(info.file_size for info in infos)) > MOST:
            raise ValueError(f"its directory promises {size:,} bytes")

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays' names."""
        return tuple(self._infos)

    def check_names(self, needed: Collection[str], other: Collection[str] = ()) -> None:
        """Refuse a file that has other arrays than it should; none is read."""
        if missing := sorted(set(needed) - set(self._infos)):
            raise ValueError(f"{', '.join(missing)} missing")
        if unknown := sorted(set(self._infos) - set(needed) - set(other)):
            raise ValueError(f"{', '.join(map(repr, unknown))[:200]} not a part of it")

    def header(self, name: str) -> Header:
        """Return what an array says of itself, where that is what its directory promises."""
        info = self._infos[name]
        with self._zip.open(info) as member:
            magic, length = member.read(len(_MAGIC)), member.read(2)
            size = int.from_bytes(length, "little")
            if magic != _MAGIC or len(length) < 2 or size > HEADER:
                raise ValueError(f"{name!r} is no array")
            found = _HEADER.fullmatch(member.read(size))
        if found is None:
            raise ValueError(f"{name!r} is no array of numbers or text")
        descr, fortran, shape = found.groups()
        header = Header(
            np.dtype(descr.decode()),
            tuple(int(n) for n in re.findall(rb"\d+", shape)),
            "F" if fortran == b"True" else "C",
            len(_MAGIC) + 2 + size,
        )
        if header.start + header.size != info.file_size:
            raise ValueError(
                f"{name!r} says that it is {header.shape} of {header.dtype.str}, and has "
                f"{info.file_size:,} bytes"
            )
        return header

    def read(self, name: str) -> Array:
        """Return an array, read-only."""
        header = self.header(name)
        with self._zip.open(self._infos[name]) as member:
            member.read(header.start)
            # To the byte: what comes after it is never decompressed, whatever it may become.
            content = member.read(header.size)
        if len(content) != header.size:
            raise ValueError(f"{name!r} ends early")
        if not header.size:
            return np.zeros(header.shape, header.dtype)
        array: Array = np.frombuffer(content, header.dtype)
        _check_values(name, array)
        return array.reshape(header.shape, order="F" if header.order == "F" else "C")


def pack(arrays: Mapping[str, Any]) -> bytes:
    """Return the content of a file of arrays; ValueError for more than a file may have."""
    buffer = io.BytesIO()
    plain: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    if (size := sum(array.nbytes for array in plain.values())) > MOST:
        raise ValueError(f"A file holds {MOST:,} bytes at most; found {size:,}. Save a part of it.")
    np.savez_compressed(buffer, **plain)
    return buffer.getvalue()


def seal(arrays: Mapping[str, Any], *said: Any) -> str:
    """Return a digest of arrays, of their names, types and shapes, and of what is said beside.

    Arrays that do not belong together, each of them whole, are told by it.
    """
    found = hashlib.sha256(json.dumps(said).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        found.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _check_end(file: BinaryIO) -> None:
    """See that a file ends as a zip file, and that its directory is short; it is read whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - 20))
    tail = file.read()
    if len(tail) < _END.size:
        raise ValueError("it is too short")
    mark, _, _, _, count, length, _, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\x05\x06" or comment:
        raise ValueError("its end is not that of a zip file")
    if count > MEMBERS or length > DIRECTORY:
        raise ValueError(f"its directory is too long, of {count:,} parts and {length:,} bytes")
    if tail.startswith(b"PK\x06\x07") and size < LARGE:  # it would count instead of the first
        raise ValueError("it has a second directory")


def _check_values(name: str, array: Array) -> None:
    """See that bytes are what their type can hold."""
    if array.dtype.kind == "b" and array.view(np.uint8).max() > 1:
        raise ValueError(f"{name!r} has what is neither true nor false")
    if array.dtype.kind == "U":
        letters = array.view(array.dtype.byteorder.replace("|", "=") + "u4")
        if letters.max() > 0x10FFFF or ((letters >= 0xD800) & (letters <= 0xDFFF)).any():
            raise ValueError(f"{name!r} has what is no letter")
