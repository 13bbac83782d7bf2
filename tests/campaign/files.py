"""Damage saved records in many ways, and load them: ``make campaign``.

Whatever a file has become, loading it gives a ValueError that names it, or the record that was
saved, and within a second; one that was sealed anew may also give another record, that works. It
runs outside the tests; each case is drawn from the seed and its
number, so that one that fails can be drawn again.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
from support.results_examples import (
    car_table,
    cumulative_table,
    exciting,
    pruning_path,
    selectivity_table,
    sibling_table,
)

from carviz.results import Record, seal

RECORDS = (
    car_table(), exciting(), pruning_path(), pruning_path().prefix(0), selectivity_table(),
    sibling_table(), cumulative_table(),
)  # fmt: skip
SLOWEST = 1.0
"""Seconds."""
VALUES = (
    "x", "", "[1]", "{}", "[" * 5000, -5, -1, 0, 2**31, 2**63, 0.9, 1.5, np.nan, np.inf, True, [],
    [0, 0], [1, 2], [[0.5]], ["a", "b"], "\U0010ffff", 10**6, [np.nan] * 3, b"raw",
)  # fmt: skip
"""What arrays are replaced by."""


def flip_bits(content: bytes, draw: np.random.Generator) -> bytes:
    """Flip one bit to eight."""
    damaged = bytearray(content)
    for _ in range(int(draw.integers(1, 9))):
        damaged[int(draw.integers(len(damaged)))] ^= 1 << int(draw.integers(8))
    return bytes(damaged)


def truncate(content: bytes, draw: np.random.Generator) -> bytes:
    """Cut off the end, the beginning, or a piece out of the middle."""
    start, end = sorted(draw.integers(0, len(content) + 1, 2))
    return (content[:start], content[end:], content[:start] + content[end:])[draw.integers(3)]


def overwrite(content: bytes, draw: np.random.Generator) -> bytes:
    """Overwrite a run of bytes with noise, zeros, or what stands elsewhere in the file."""
    start, length = int(draw.integers(len(content))), int(draw.integers(1, 65))
    other = int(draw.integers(len(content)))
    run = (draw.bytes(length), bytes(length), content[other : other + length])[draw.integers(3)]
    return content[:start] + run + content[start + len(run) :]


def members_of(path: Path) -> dict[str, bytes]:
    """Return the members of a zip file."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(members: dict[str, bytes], path: Path) -> None:
    """Write a zip file of members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def swap(path: Path, draw: np.random.Generator) -> None:
    """Swap two members, or take one from a record of another kind, or leave one out."""
    members = members_of(path)
    one, two = (str(n) for n in draw.choice(sorted(members), 2, replace=False))
    kind = draw.integers(3)
    if kind == 0:
        members[one], members[two] = members[two], members[one]
    elif kind == 1:
        del members[one]
    else:
        other = path.with_suffix(".other")
        RECORDS[draw.integers(len(RECORDS))].save(other)
        others = members_of(other)
        members[one] = others[str(draw.choice(sorted(others)))]
    zipped(members, path)


def damage_member(path: Path, draw: np.random.Generator) -> None:
    """Damage the bytes of one member, and let the directory tell of them as they are."""
    members = members_of(path)
    name = str(draw.choice(sorted(members)))
    way = (flip_bits, truncate, overwrite)[draw.integers(3)]
    zipped({**members, name: way(members[name], draw)}, path)


def replace_value(path: Path, draw: np.random.Generator, resealed: bool = False) -> None:
    """Replace an array, a number in it, or add an array, in a file made anew."""
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    fields = [name for name in content if name != "digest"]
    name = str(draw.choice([*fields, "digest", "other"]))
    value = VALUES[draw.integers(len(VALUES))]
    old = content.get(name)
    if old is not None and old.size and old.dtype.kind in "if" and draw.random() < 0.5:
        new = old.copy()
        new.flat[draw.integers(new.size)] = draw.choice([-1, 0, 1, 2, 7, 1000])
        value = new
    content[name] = np.asarray(value)
    if resealed:
        content["digest"] = np.asarray(seal({k: v for k, v in content.items() if k != "digest"}))
    np.savez_compressed(path, **content)


def contradict(path: Path, draw: np.random.Generator) -> None:
    """Replace an array, and seal the file as if carviz had saved it."""
    replace_value(path, draw, resealed=True)


def damage(path: Path, draw: np.random.Generator) -> str:
    """Damage a file in a way that is drawn, and return the way's name."""
    ways = (flip_bits, truncate, overwrite, swap, damage_member, replace_value, contradict)
    way = ways[draw.integers(len(ways))]
    if way in ways[:3]:
        path.write_bytes(way(path.read_bytes(), draw))  # type: ignore[arg-type]
    else:
        way(path, draw)
    return way.__name__


def try_one(record: Record, path: Path, draw: np.random.Generator) -> tuple[str, str, float]:
    """Return the way of damage, what loading gave, and how long that took."""
    record.save(path)
    way = damage(path, draw)
    begun = time.perf_counter()
    loaded: Record | None = None
    try:
        loaded = type(record).load(path)
        found = "as saved" if loaded == record else "OTHER NUMBERS"
    except ValueError as error:
        found = "refused" if path.name in str(error) else f"UNNAMED {error}"
    except BaseException as error:
        found = f"{type(error).__name__.upper()} {error}"
    took = time.perf_counter() - begun
    if way == "contradict" and found == "OTHER NUMBERS":  # then a record as good as any
        repr(loaded)
        getattr(loaded, "to_frame", str)()
        found = "another"
    return way, found if took < SLOWEST else f"SLOW, {took:.1f} s", took


def main() -> int:
    """Run the campaign, print counts, and return 1 if anything fell short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    order = parser.parse_args()
    warnings.simplefilter("error")
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    short, slowest = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.npz"
        for number in range(order.first, order.first + order.mutations):
            record = RECORDS[number % len(RECORDS)]
            way, found, took = try_one(record, path, np.random.default_rng([order.seed, number]))
            slowest = max(slowest, took)
            counts[way, found.split()[0]] += 1
            if found not in ("refused", "as saved", "another"):
                short.append(f"{number}: {type(record).__name__}, {way}: {found}")
    for (way, found), count in sorted(counts.items()):
        print(f"{way:>14} {found:<12} {count:>6,}")
    print(f"{order.mutations:,} damaged files, {len(short)} fell short; slowest {slowest:.3f} s")
    print("\n".join(short[:20]))
    return bool(short)


if __name__ == "__main__":
    sys.exit(main())
