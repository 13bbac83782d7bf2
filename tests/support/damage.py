"""Saved records made anew with other contents, sealed as if carviz had saved them."""

import zipfile

import numpy as np

from carviz.results import pack, seal


def contents(path):
    """Return the arrays of a saved file, by name."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def rewrite(path, *left_out, sealed=True, **changes):
    """Replace arrays of a saved record; what it then says of itself is true unless told."""
    content = {k: v for k, v in contents(path).items() if k not in (*left_out, "digest")}
    content |= {name: np.asarray(value) for name, value in changes.items()}
    if sealed:
        content["digest"] = np.asarray(seal(content))
    path.write_bytes(pack(content))
    return path


def with_member(path, name, content):
    """Replace the bytes of one member, or add one."""
    with zipfile.ZipFile(path) as file:
        members = {info.filename: file.read(info) for info in file.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, old in {**members, name: content}.items():
            file.writestr(member, content if member == name else old)
    return path
