"""binder/ fits the package. A real launch cannot be tried without Docker and a network."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
CONDA = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
"""Names that differ: the CPU build of torch, and matplotlib without its desktop windows."""


def conda_lines():
    text = (BINDER / "environment.yml").read_text()
    _, dependencies = text.split("dependencies:\n")
    lines = (line.split("#")[0].strip() for line in dependencies.splitlines())
    return [line.removeprefix("- ") for line in lines if line and line != "- pip:"]


def test_every_dependency_has_its_line():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = []
    for text in project["dependencies"]:
        requirement = Requirement(text)
        wanted.append(f"{CONDA.get(requirement.name, requirement.name)}{requirement.specifier}")
    lines = conda_lines()
    assert sorted(lines) == sorted([*wanted, "python=3.12", "pip"])
    assert "python=3.12" in lines


def test_the_channel_is_conda_forge_alone():
    text = (BINDER / "environment.yml").read_text()
    channels = re.search(r"channels:\n((?:  - \S+\n)+)", text).group(1).split()
    assert [c for c in channels if c != "-"] == ["conda-forge", "nodefaults"]


def test_carviz_is_installed_without_touching_the_environment():
    assert "pip install --no-cache-dir --no-deps ." in (BINDER / "postBuild").read_text()


@pytest.mark.parametrize("name", ["start", "postBuild"])
def test_scripts_can_be_run(name):
    assert os.access(BINDER / name, os.X_OK)
    assert (BINDER / name).read_bytes().startswith(b"#!/usr/bin/env bash\n")
    assert subprocess.run(["bash", "-n", BINDER / name]).returncode == 0


@pytest.mark.parametrize(
    ("limit", "threads"),
    [("2", "2"), ("2.0", "2"), ("1.5", "2"), ("0.5", "1"), ("0", "1"), (None, "64"), ("", "64")],
)
def test_start_keeps_to_the_cores_that_binder_grants(limit, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": "64"}
    environment.pop("CPU_LIMIT", None)
    if limit is not None:
        environment["CPU_LIMIT"] = limit
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[1:])"
    out = subprocess.run(
        [BINDER / "start", sys.executable, "-c", code, "a b", "*"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert out.stdout.strip() == f"{threads} ['a b', '*']"
    assert out.stderr == ""


@pytest.mark.parametrize(("own", "policy"), [(None, "passive"), ("active", "active")])
def test_start_lets_idle_threads_sleep(own, policy):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if own is not None:
        environment["OMP_WAIT_POLICY"] = own
    command = [BINDER / "start", "bash", "-c", "echo $OMP_WAIT_POLICY"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == policy


def test_start_gives_way_to_the_command():
    out = subprocess.run([BINDER / "start", "bash", "-c", "exit 3"], env={**os.environ})
    assert out.returncode == 3


def test_repo2docker_reads_it(tmp_path):
    command = shutil.which("jupyter-repo2docker", path=Path(sys.executable).parent)
    if command is None:
        pytest.skip("jupyter-repo2docker is not installed (it is in the dev extra)")
    # What it reads, and not the whole clone: it would copy that.
    shutil.copytree(BINDER, tmp_path / "binder")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    out = subprocess.run(
        [command, "--no-build", "--debug", "."], cwd=tmp_path, capture_output=True, text=True
    )
    said = out.stdout + out.stderr
    assert out.returncode == 0, said
    assert "conda environment for python=3.12" in said
    assert "binder/environment.yml" in said
    assert "binder/postBuild" in said
    assert "binder/start" in said
