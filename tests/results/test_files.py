"""Whatever carviz writes is whole, goes where it should, and says so where it cannot."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from carviz.results import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "r.npz"
    for content in (b"one", b"two"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]


def test_it_is_on_the_disk_before_the_old_one_goes(tmp_path, monkeypatch):
    path, done = tmp_path / "r.npz", []
    path.write_bytes(b"old")
    fsync, replace = os.fsync, Path.replace

    def synced(number):
        fsync(number)
        done.append(
            "folder" if stat.S_ISDIR(os.fstat(number).st_mode) else os.fstat(number).st_size
        )

    def replaced(self, target):
        done.append("replaced")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_whole(path, b"whole")
    assert done == [5, "replaced", "folder"]


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"through")
    reader.join()
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    write_whole(null, b"away")
    assert null.is_symlink()
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "r.npz", tmp_path / "far" / "real.npz"
    link.symlink_to(target)
    for content in (b"new", b"newer"):  # there is nothing at first
        write_whole(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert [p.name for p in (tmp_path / "far").iterdir()] == ["real.npz"]


def test_who_may_read_a_file_stays(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_is_told_with_the_path(tmp_path, monkeypatch):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device; it was not saved.*full") as caught:
        write_whole(full, b"content")
    assert caught.value.errno == errno.ENOSPC
    path = tmp_path / "r.npz"
    path.write_bytes(b"old")

    def fail(_number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device; it was not saved.*r\.npz"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "r.npz"]


def test_where_nothing_can_be_written_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not"):
        write_whole(tmp_path / "no" / "r.npz", b"")
    with pytest.raises(IsADirectoryError, match="it was not saved"):
        write_whole(tmp_path, b"")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=r"it was not saved.*loop"):
        write_whole(loop, b"")
    name = "n" * 255  # the longest that there may be
    write_whole(tmp_path / name, b"whole")
    assert (tmp_path / name).read_bytes() == b"whole"
