"""Sections are JSON and bytes, the same for the same snapshot, and a browser reads all of them."""

import dataclasses
import json
import re

import numpy as np
from support.paths import CRITERIA, random_path
from support.selectivity_tables import kinds_of
from support.snapshots import snapshot_of
from support.tables import known_table, random_table

from carviz.results import RandomBand
from carviz.screen import SECTIONS, sections
from carviz.screen.scripts import HERE


def plain(value) -> bool:
    """Whether a browser gets a value as it is: JSON without NaN, and bytes."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(part) for key, part in value.items())
    if isinstance(value, list):
        return all(plain(part) for part in value)
    return type(value) in (str, bytes, bool, int, type(None)) or (
        type(value) is float and value == value
    )


def test_they_are_plain_and_the_same_twice(measured, deep, pruned):
    for shown in (measured, deep, pruned):
        found = sections(shown)
        assert {name for name, content in found.items() if not plain(content)} == set()
        assert found == sections(shown)
        assert list(found) == list(SECTIONS)


def size_of(value) -> int:
    """Return the bytes of a value in a notebook that is saved."""
    if isinstance(value, bytes):
        return 4 * len(value) // 3
    if isinstance(value, dict):
        return 2 + sum(len(json.dumps(name)) + 2 + size_of(part) for name, part in value.items())
    if isinstance(value, list):
        return 2 + sum(1 + size_of(part) for part in value)
    return len(json.dumps(value))


def test_all_of_384_filters_and_1000_classes_stays_below_200_kilobytes():
    names = [f"n{number:08d} a class with quite a long name" for number in range(1000)]
    table = random_table(count=384, names=names, n=1, strength=9.0)
    paths = tuple(
        random_path(criterion, sizes=(384,), names=names, n=1) for criterion in CRITERIA[:6]
    )
    right = np.random.default_rng(0).integers(0, 1000, (10, 385))
    shown = snapshot_of(
        table=table, kinds=kinds_of(384), path=paths[0], paths=paths, count=200, own_data=True,
        band=RandomBand(right, images=1000), held_out=paths[1],
    )  # fmt: skip
    looks = shown.looks.changed(view="bank", siblings=True, opened=5)
    found = sections(dataclasses.replace(shown, looks=looks))
    assert len(found["names"]["classes"]) == 1000
    assert len(found["pruning"]["lines"]) == 6
    assert 100_000 < size_of(found) < 200_000
    assert size_of(found["numbers"]) < 18_000


def test_half_a_letter_in_a_name_is_sent_as_a_sign_for_it():
    shown = snapshot_of(table=known_table(), data="caf\udce9", status="lone \ud800", limit=3)
    found = sections(shown)
    assert (found["head"]["data"], found["work"]["status"]) == ("caf\ufffd", "lone \ufffd")
    str(found).encode()


def test_the_browser_hears_of_every_section():
    code = (HERE / "front" / "live.js").read_text("utf-8")
    heard = re.search(r"SECTIONS = \[(.*?)\]", code, re.DOTALL)[1]
    assert set(re.findall(r'"(\w+)"', heard)) == {*SECTIONS, "models"}
