"""`carviz lab`: copy the tutorial notebooks and open JupyterLab on the first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from carviz.cli.shell import app, console, errors
from carviz.results import write_whole

FIRST_NOTEBOOK = "1-explore.ipynb"
NOTIFICATIONS = "@jupyterlab/apputils-extension:notification"
"""What JupyterLab calls the settings of its news."""


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where your copies of the notebooks go.")] = Path(
        "carviz-notebooks"
    ),
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser; for servers.")
    ] = False,
    copy_only: Annotated[
        bool, typer.Option("--copy-only", help="Copy the notebooks and stop.")
    ] = False,
) -> None:
    """Copy the tutorial notebooks, overwriting nothing, and open JupyterLab on the first."""
    with errors():
        for path, new in _copy_notebooks(folder):
            console.print(f"{path}: {'copied' if new else '[yellow]kept as it was[/]'}")
        if not copy_only:
            console.print("Opening JupyterLab; Ctrl-C ends it.")
            raise typer.Exit(_run_lab(folder, no_browser))


def _shipped_notebooks() -> list[Path]:
    """Return the notebooks: in the package from a wheel, beside it in a clone of the repository."""
    package = Path(__file__).parent.parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / FIRST_NOTEBOOK).is_file():
            return sorted(folder.glob("*.ipynb"))
    raise FileNotFoundError(
        "The tutorial notebooks are installed with carviz; they are missing beside "
        f"{str(package)!r}. Install carviz again."
    )


def _copy_notebooks(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Copy what is not there yet; yield each notebook's path and whether it is new.

    Tables that a notebook reads lie in a folder of its name, and are copied with it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in _shipped_notebooks():
            target = folder / notebook.name
            yield target, _copy(notebook, target)
            for table in sorted(notebook.with_suffix("").glob("*.npz")):
                (folder / notebook.stem).mkdir(exist_ok=True)
                _copy(table, folder / notebook.stem / table.name)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ValueError(
            f"Notebooks are copied into a folder that can be written; {str(folder)!r} is not one "
            f"({error.strerror}). Name another: carviz lab FOLDER."
        ) from error


def _copy(source: Path, target: Path) -> bool:
    """Copy a file to where there is none; return whether there was none."""
    if os.path.lexists(target):
        return False
    write_whole(target, source.read_bytes())
    return True


def _run_lab(folder: Path, no_browser: bool) -> int:
    """Run JupyterLab on `folder` until it ends, and return its exit code.

    The server imports nothing that lies there, a user's own random.py for instance, which would
    stand in for Python's: -P keeps its own folder off its path, and that is Python's, for an empty
    part of PYTHONPATH means it too. Kernels start beside their notebook, and import what lies
    there, as ever.
    """
    command = [sys.executable, "-P", "-m", "jupyterlab", "-y"]
    command.append(f"--ServerApp.root_dir={folder.absolute()}")
    command.append(f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}")  # the printed address too
    if no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # who runs carviz as root, in a container, is there already
    # The explorer computes in a thread beside the notebook's own. Each has its team of torch
    # threads, and a team that spins while it waits takes the cores from the other.
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    with (
        _without_news(environment) as environment,
        subprocess.Popen(command, cwd=sys.prefix, env=environment) as server,
    ):
        # Whatever ends carviz ends the server too, with its kernels; -y spares the question.
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                server.terminate()


@contextmanager
def _without_news(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give an environment in which JupyterLab does not ask whether its news are wanted.

    A workshop would be asked on thirty screens. Whoever has answered keeps the answer.
    """
    with tempfile.TemporaryDirectory(prefix="carviz-lab-") as folder:
        settings = Path(folder) / "labconfig" / "default_setting_overrides.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({NOTIFICATIONS: {"fetchNews": "false"}}), encoding="utf-8")
        path = os.pathsep.join(filter(None, [folder, environment.get("JUPYTER_CONFIG_PATH")]))
        yield {**environment, "JUPYTER_CONFIG_PATH": path}
