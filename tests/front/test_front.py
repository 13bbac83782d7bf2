"""The front end: its bundle is of its sources, its parts run in Node, it words as Python does."""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from carviz import wording
from carviz.screen import SCRIPT, STYLE, phrases

FRONT = SCRIPT.parent / "front"
MOST = 150_000
"""Bytes of the bundle: each explorer, each page and each saved notebook holds a copy."""
HERE = Path(__file__).parent
node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")


def test_the_bundle_is_one_module_and_small():
    script = SCRIPT.read_text(encoding="utf-8")
    assert len(script.encode()) < MOST
    assert "export{" in script
    assert not re.search(r"\bimport\s*[({\"'*]|sourceMappingURL|https?://(?!www\.w3\.org/)", script)
    assert "@import" not in STYLE.read_text()


def test_the_browser_s_table_is_that_of_python():
    assert phrases.FILE.read_text(encoding="utf-8") == phrases.script()


@pytest.mark.skipif(
    not (FRONT / "node_modules" / ".bin" / "esbuild").exists(), reason="`make front` installs it"
)
def test_the_bundle_is_what_the_sources_give(tmp_path):
    package = json.loads((FRONT / "package.json").read_text())
    made = tmp_path / "carviz.js"
    command = package["scripts"]["build"].replace("--outfile=../carviz.js", f"--outfile={made}")
    program, *options = command.split()
    path = FRONT / "node_modules" / ".bin" / program
    subprocess.run([path, *options], cwd=FRONT, check=True, capture_output=True)
    assert made.read_bytes() == SCRIPT.read_bytes(), "sources have changed: run `make front`"


def test_the_tools_are_of_exact_versions():
    package = json.loads((FRONT / "package.json").read_text())
    versions = package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    lock = json.loads((FRONT / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in versions} == versions


@node
def test_the_pure_parts_in_node():
    done = subprocess.run(
        ["node", "--test", HERE / "front.test.mjs"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def shares(rng):
    """Fractions of all sizes, those that fall between two words among them."""
    counts = [
        (k, n)
        for n in (1, 3, 8, 16, 50, 64, 800, 1000, 4096, 50_000)
        for k in range(0, n, max(n // 40, 1))
    ]
    exact = [sign * k / n for k, n in counts for sign in (1, -1)]
    small = (rng.choice([-1, 1], 500) * 10.0 ** rng.uniform(-9, 0, 500)).tolist()
    edges = [0.0, -0.0, 1.0, -1.0, 0.000994, 0.000995, 0.000996, 0.0005, 0.00015, 0.00025, 1e-5,
             1.5e-6, 9.5e-7, math.nan]  # fmt: skip
    return [*exact, *small, *edges]


@node
def test_thousands_of_numbers_are_worded_as_python_words_them():
    rng = np.random.default_rng(0)
    found = shares(rng)
    assert len(found) > 1000
    asked, expected = [], []

    def ask(name, words, *given):
        asked.append(
            [name, *("nan" if isinstance(g, float) and math.isnan(g) else g for g in given)]
        )
        expected.append(words)

    for share in found:
        ask("points", wording.points(share), share)
        ask("points", wording.points(share, unit=False), share, False)
        ask("index", wording.index_words(abs(share)), abs(share))
        ask("share", wording.share_words(abs(share)), abs(share))
        if not math.isnan(share):
            ask("percent", wording.percent(abs(share)), abs(share))
    for low, high in rng.uniform(-1, 1, (200, 2)).tolist():
        ask("interval", wording.interval_words(low, high), low, high)
    for number in [0, 1, 2, 999, 1000, 12_345, 1_234_567]:
        ask("counted", wording.counted(number, "image"), number, "image")
    for lost, gained, images in rng.integers(0, 2000, (200, 3)).tolist():
        ask("counts", wording.counts_words(lost, gained, images), lost, gained, images)
    for step in (0.5, 1, 2, 5, 10, 0.05):
        for i in range(-5, 6):
            ask("tick", wording.tick_words(i * step), i * step)
    for kind, letter in wording.KIND_LETTERS.items():
        ask("kind", wording.kind_words(kind), letter)
    done = subprocess.run(
        ["node", HERE / "words.mjs"], input=json.dumps(asked), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    got = json.loads(done.stdout)
    wrong = [(a, w, g) for a, w, g in zip(asked, expected, got, strict=True) if w != g]
    assert not wrong, wrong[:10]
