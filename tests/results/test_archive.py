"""Files that lie about themselves are refused before anything of them is read."""

import io
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from carviz.results import Archive, archive, pack, seal

ARRAYS = {
    "numbers": np.arange(6).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "nothing": np.zeros((0, 4), np.int32),
    "yes": np.array([True, False]),
    "text": np.array("größer, Ж"),
    "texts": np.array(["a", "bc"]),
    "empty": np.array(""),
    "one": np.array(7),
}


def opened(content):
    return Archive(io.BytesIO(content))


def header(text, length=None):
    text = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) if length is None else length) + text


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def test_what_is_packed_is_read():
    archive = opened(pack(ARRAYS))
    assert archive.names == tuple(ARRAYS)
    for name, array in ARRAYS.items():
        found = archive.read(name)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            header("{'descr': '<i8', 'fortran_order': False, 'shape': (9,), }\n") + bytes(16),
            r"\(9,\) of <i8, and has 84 bytes",
        ),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (), }\n") + bytes(8), "no array"),
        (header("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (), }\n"), "no array"),
        (header("{" * 900 + "\n"), "no array"),
        (header("9" * 900), "no array"),
        (header("", 60000), "no array"),
        (b"\x93NUMPY\x09\x00" + bytes(20), "no array"),
        (b"", "no array"),
        (
            header(f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({10**17},), }}\n"),
            "says that it is",
        ),
        (
            header("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }\n") + b"\x02",
            "neither",
        ),
        (
            header("{'descr': '<U1', 'fortran_order': False, 'shape': (), }\n")
            + b"\xff\xff\x1f\x00",
            "no letter",
        ),
        (
            header("{'descr': '<U1', 'fortran_order': False, 'shape': (), }\n")
            + b"\x00\xd8\x00\x00",
            "no letter",
        ),
    ],
)
def test_an_array_that_lies_about_itself_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        opened(zipped(a=content)).read("a")


def test_a_bomb_is_refused_unread():
    with pytest.raises(ValueError, match="promises"):
        opened(patched(zipped(a=bytes(10**6)), 20 * 2**30, 20 * 2**23))
    with pytest.raises(ValueError, match="cannot be as large"):
        opened(patched(zipped(a=bytes(10)), 2**30))


def patched(content, size, compressed=None):
    """Let the directory promise another size."""
    at = content.rindex(b"PK\x01\x02")
    content = bytearray(content)
    if size < 2**32:
        struct.pack_into("<I", content, at + 24, size)
    else:
        extra = struct.pack("<HHQQ", 1, 16, size, compressed)
        struct.pack_into("<II", content, at + 20, 0xFFFFFFFF, 0xFFFFFFFF)
        struct.pack_into("<H", content, at + 30, len(extra))
        end = content.rindex(b"PK\x05\x06")
        content[end:end] = extra
        (length,) = struct.unpack_from("<I", content, end + len(extra) + 12)
        struct.pack_into("<I", content, end + len(extra) + 12, length + len(extra))
    return bytes(content)


def test_what_inflates_beyond_its_promise_is_not_inflated():
    begin = header("{'descr': '|b1', 'fortran_order': False, 'shape': (9,), }\n")
    content = patched(zipped(a=begin + bytes(2 * 10**8)), len(begin) + 9)
    tracemalloc.start()
    begun = time.perf_counter()
    with pytest.raises(Exception, match="CRC"):
        opened(content).read("a")
    assert time.perf_counter() - begun < 1
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_file_that_is_no_archive_is_refused():
    good = pack({"a": np.arange(3)})
    crowded = zipped(**{f"m{i}": b"" for i in range(65)})
    for content, words in (
        (b"", "short"),
        (b"PK" * 20, "its end"),
        (good[:-1], "its end"),
        (good + b"more", "its end"),
        (crowded, "too long"),
        (zipped(**{"a" * 20_000: b""}), "too long"),
        (good[:-22] + b"PK\x06\x07" + bytes(16) + good[-22:], "second directory"),
    ):
        with pytest.raises(ValueError, match=words):
            opened(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", b"")
    with pytest.raises(ValueError, match="a name of its own"):
        opened(buffer.getvalue())
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("evil.pkl", b"")
    with pytest.raises(ValueError, match="a name of its own"):
        opened(buffer.getvalue())


@pytest.mark.parametrize("way", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_cannot_be_inflated_in_bits_is_not_inflated(way):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as file:
        file.writestr("a.npy", bytes(10**6))
    with pytest.raises(ValueError, match="compressed as carviz does not"):
        opened(buffer.getvalue())


def test_names_are_checked_before_anything_is_read():
    archive = opened(zipped(a=b"", later=b"", other=b""))
    archive.check_names(["a"], ["later", "other", "not there"])
    with pytest.raises(ValueError, match="b missing"):
        archive.check_names(["a", "b"])
    with pytest.raises(ValueError, match="'other' not a part"):
        archive.check_names(["a"], ["later"])


def test_a_seal_tells_every_change():
    base = {"a": np.arange(4, dtype=np.int32), "b": np.array("x")}
    others = [
        {**base, "a": np.arange(4, dtype=np.int64)},
        {**base, "a": np.arange(4, dtype=np.int32).reshape(2, 2)},
        {**base, "a": np.array([0, 1, 2, 4], np.int32)},
        {"a": base["b"], "b": base["a"]},
        {"a": base["a"]},
    ]
    seals = [seal(arrays) for arrays in (base, *others)] + [seal(base, 1), seal(base, "1")]
    assert len(set(seals)) == len(seals)
    assert seal(dict(reversed(base.items()))) == seals[0]


def test_more_than_may_be_read_is_not_written(monkeypatch):
    monkeypatch.setattr(archive, "MOST", 79)
    with pytest.raises(ValueError, match="79 bytes at most; found 80"):
        pack({"a": np.zeros(10)})
