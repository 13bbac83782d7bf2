"""The version is written once, and everything that tells it tells the same."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import lazy_loader

import carviz
from carviz.evaluate.fingerprints import versions

ROOT = Path(__file__).parent.parent


def test_the_version_is_told_alike_by_package_passport_and_citation():
    assert re.fullmatch(r"\d+\.\d+\.\d+", carviz.__version__)
    assert versions()["carviz"] == carviz.__version__
    assert f"\nversion: {carviz.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_the_build_reads_it_from_where_it_is_written():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in config["project"]
    assert config["project"]["dynamic"] == ["version"]
    text = (ROOT / config["tool"]["hatch"]["version"]["path"]).read_text("utf-8")
    assert re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE) == [carviz.__version__]


def test_a_copied_tree_that_nobody_has_installed_knows_it(tmp_path):
    # -S leaves out site-packages, where an installed carviz would be; of them, the door needs this.
    shutil.copytree(Path(lazy_loader.__file__).parent, tmp_path / "lazy_loader")
    code = "import carviz; print(carviz.__version__)"
    out = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert out.stdout.strip() == carviz.__version__
