"""`carviz lab`: the notebooks travel with the package, and JupyterLab opens on the first."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carviz.cli import app, tutorials

ROOT = Path(__file__).parent.parent
NAMES = [
    "1-explore.ipynb",
    "2-what-is-car.ipynb",
    "3-prune-and-compress.ipynb",
    "4-the-paper-again.ipynb",
    "5-what-a-filter-sees.ipynb",
]
TABLES = sorted(
    str(path.relative_to(ROOT / "notebooks")) for path in (ROOT / "notebooks").glob("*/*.npz")
)


def run(*words, code=0):
    result = CliRunner().invoke(app, ["lab", *map(str, words)], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def test_copies_the_notebooks(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert run(folder, "--copy-only").count("copied") == len(NAMES)
    assert sorted(p.name for p in folder.glob("*.ipynb")) == NAMES
    assert sorted(str(p.relative_to(folder)) for p in folder.glob("*/*")) == TABLES
    for name in NAMES + TABLES:
        assert (folder / name).read_bytes() == (ROOT / "notebooks" / name).read_bytes()


def test_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("--copy-only")
    assert sorted(p.name for p in (tmp_path / "carviz-notebooks").glob("*.ipynb")) == NAMES


def test_overwrites_nothing_and_says_so(tmp_path):
    (tmp_path / NAMES[0]).write_text("my own work")
    lines = run(tmp_path, "--copy-only").splitlines()
    assert (tmp_path / NAMES[0]).read_text() == "my own work"
    assert (tmp_path / NAMES[1]).exists()
    assert [line.split(": ")[1] for line in lines] == ["kept as it was", *["copied"] * 4]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        out = run(path, "--copy-only", code=2)
        assert "Name another" in out
        assert "Traceback" not in out


def test_missing_notebooks_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tutorials, "__file__", str(tmp_path / "carviz" / "cli" / "tutorials.py"))
    assert "Install carviz again" in run(tmp_path / "x", "--copy-only", code=2)


def test_finds_the_notebooks_of_an_installed_wheel(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "carviz"
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / NAMES[0]).write_text("{}")
    monkeypatch.setattr(tutorials, "__file__", str(package / "cli" / "tutorials.py"))
    run(tmp_path / "x", "--copy-only")
    assert (tmp_path / "x" / NAMES[0]).read_text() == "{}"


@pytest.mark.parametrize("words", [[], ["--no-browser"]])
def test_starts_jupyterlab_there(tmp_path, monkeypatch, words):
    started, news = [], []

    class Server:
        def __init__(self, command, cwd, env):
            settings = Path(env["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0], "labconfig")
            news.append(json.loads((settings / "default_setting_overrides.json").read_text()))
            started.append((command, Path(cwd), env))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def wait(self):
            return 7

    monkeypatch.setattr(tutorials.subprocess, "Popen", Server)
    monkeypatch.setattr(tutorials.signal, "signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    out = run("here", *words, code=7)  # JupyterLab's own exit code
    ((command, folder, environment),) = started
    assert command[:4] == [sys.executable, "-P", "-m", "jupyterlab"]
    assert f"--LabApp.default_url=/lab/tree/{NAMES[0]}" in command
    assert f"--ServerApp.root_dir={tmp_path / 'here'}" in command
    assert news == [{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}]
    assert ("--no-browser" in command) is bool(words)
    assert folder == Path(sys.prefix)
    assert environment["OMP_WAIT_POLICY"] == os.environ.get("OMP_WAIT_POLICY", "passive")
    assert environment["PATH"] == os.environ["PATH"]
    # Kernels import what lies beside their notebook, as ever.
    assert environment.get("PYTHONSAFEPATH") == os.environ.get("PYTHONSAFEPATH")
    assert "Ctrl-C" in out


SHADOWS = ["random", "torch", "jupyterlab", "json", "tornado", "IPython", "jupyter_server_config"]
"""Names that a user's files may have; each would be imported by a server that looks there."""


def lay_shadows(folder):
    """Lay files into a folder that write down, beside it, that they were imported."""
    for name in SHADOWS:
        mark = folder.parent / f"imported-{name}"
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")


def shadows_imported(folder):
    return sorted(p.name for p in folder.parent.glob("imported-*"))


@pytest.mark.parametrize(
    "path", [":", *(pytest.param(path, marks=pytest.mark.slow) for path in (None, ""))]
)
def test_the_server_imports_nothing_of_the_notebooks_folder(tmp_path, monkeypatch, path):
    """The real command, asked for its version only, from within the folder."""
    outputs, real = [], subprocess.Popen

    class Server:
        def __init__(self, command, cwd, env):
            self.process = real(
                [*command, "--version"], cwd=cwd, env=env, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def wait(self):
            outputs.extend(self.process.communicate())
            return self.process.returncode

    folder = tmp_path / "nb"
    folder.mkdir()
    lay_shadows(folder)
    monkeypatch.chdir(folder)
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(tutorials.subprocess, "Popen", Server)
    monkeypatch.setattr(tutorials.signal, "signal", lambda *_: None)
    run(".", code=0)
    assert outputs[0].strip()[0].isdigit(), outputs[1]
    assert shadows_imported(folder) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path, how):
    """The real server starts, and ends with the command, whether or not it hears Ctrl-C itself."""
    log = tmp_path / "log"
    (tmp_path / "nb").mkdir()
    lay_shadows(tmp_path / "nb")
    private = {
        f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from carviz.cli import main; main()",
             "lab", str(tmp_path / "nb"), "--no-browser"],
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **private, "JUPYTER_PORT": "0"},
            # A shell's background jobs are deaf to Ctrl-C, and so are their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while "/lab/tree/1-explore.ipynb" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        os.kill(process.pid, how)
        process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in log.read_text()
    assert shadows_imported(tmp_path / "nb") == []
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(process.pid, 0)


def test_the_wheel_carries_the_notebooks(tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (path,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(path) as file:
        held = {n for n in file.namelist() if "notebooks" in n}
        assert held == {f"carviz/notebooks/{name}" for name in NAMES + TABLES}
        for name in NAMES + TABLES:
            shipped = file.read(f"carviz/notebooks/{name}")
            assert shipped == (ROOT / "notebooks" / name).read_bytes()
        assert {n.split("/")[0].split("-")[0] for n in file.namelist()} == {"carviz"}
        assert {"carviz/__init__.pyi", "carviz/py.typed"} <= set(file.namelist())


def test_every_notebook_ships():
    assert sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb")) == NAMES
