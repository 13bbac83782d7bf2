"""A private JupyterLab and a headless Chromium that looks at one of its notebooks.

Nothing but this machine can be reached: Chromium is told that no other host exists, so a page that
fetched something from a network would fail here.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LAPTOP = {"width": 1440, "height": 900}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True,
    },
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}  # fmt: skip
NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"


def chromium_path() -> str | None:
    """Return where a Chromium is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


APPS = {"jupyterlab": "lab/tree/{path}?reset&", "notebook": "notebooks/{path}?"}
"""Where a notebook is at each application that shows notebooks by JupyterLab's parts."""


@contextlib.contextmanager
def lab_server(
    folder: Path,
    home: Path,
    theme: str = "JupyterLab Light",
    *,
    app: str = "jupyterlab",
    settings: dict[str, Any] | None = None,
) -> Iterator[str]:
    """Serve `folder` with a JupyterLab that keeps its settings in `home`; yield its address.

    `app` is "jupyterlab" or "notebook".
    """
    chosen = {**SETTINGS, "@jupyterlab/apputils-extension/themes": {"theme": theme}}
    for name, content in (chosen | (settings or {})).items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    token = secrets.token_hex(12)
    command = [
        "-m", app, "--no-browser", "--ip=127.0.0.1",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
        "--ServerApp.port_retries=0", "--expose-app-in-browser", "--allow-root",
    ]  # fmt: skip
    with served(command, home, f"api?token={token}") as address:
        yield f"{address}/{APPS[app]}token={token}"


@contextlib.contextmanager
def served(command: list[str], home: Path, path: str = "") -> Iterator[str]:
    """Run a server of notebooks, its own files in `home`, until it answers at a path.

    Yield its address. The command is Python's, and is told a free port.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "server.log"
    with log.open("w") as sink:
        server = subprocess.Popen(
            [sys.executable, *command, f"--port={port}"],
            env=private(home), stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for_server(f"http://127.0.0.1:{port}/{path}", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def private(home: Path) -> dict[str, str]:
    """Return an environment in which Jupyter and marimo keep all that is theirs in a folder."""
    return os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def _wait_for_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=30)
            return
        time.sleep(0.2)
    raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Start a headless Chromium; yield Playwright's browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


class Notebook:
    """One notebook in JupyterLab, at a laptop's size, with the file browser open."""

    def __init__(self, chromium: Any, address: str, path: str) -> None:
        self.context = chromium.new_context(viewport=LAPTOP)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.outside: list[str] = []
        host = urllib.parse.urlsplit(address).netloc
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None
                if host in request.url or request.url.startswith(("data:", "blob:", "about:"))
                else self.outside.append(request.url)
            ),
        )
        self.page.goto(address.format(path=path), wait_until="domcontentloaded")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        self.wait(lambda: self.kernel() == "idle", "an idle kernel", 90)

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def inside(self, script: str, argument: Any = None) -> Any:
        """Run JavaScript on ``notebook``, JupyterLab's notebook panel, and ``argument``."""
        code = f"argument => {{ const notebook = {NOTEBOOK}; {script} }}"
        return self.page.evaluate(code, argument)

    def kernel(self) -> str:
        """Return the kernel's status as JupyterLab shows it."""
        script = "return notebook?.sessionContext?.session?.kernel?.status ?? 'none';"
        return str(self.inside(script))

    def wait(self, true: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Poll until something is true, letting the browser's events flow; return it."""
        end = time.monotonic() + seconds
        while not (value := true()):
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain for {what}")
            self.page.wait_for_timeout(50)
        return value

    def run(self, cell: int) -> None:
        """Start a cell; it need not have ended when this returns."""
        script = (
            "notebook.content.activeCellIndex = argument;"
            "window.jupyterapp.commands.execute('notebook:run-cell');"
        )
        self.inside(script, cell)

    def add(self, source: str) -> int:
        """Add a code cell at the end and return its number."""
        script = (
            "const model = notebook.content.model.sharedModel;"
            "model.addCell({cell_type: 'code', source: argument}); return model.cells.length;"
        )
        return int(self.inside(script, source)) - 1

    def text(self, cell: int) -> str:
        """Return what a cell has printed and returned, as text."""
        outputs = self.inside(
            "return notebook.content.widgets[argument].model.outputs.toJSON();", cell
        )
        parts = [
            out.get("text") or out.get("data", {}).get("text/plain") or out.get("traceback", "")
            for out in outputs
        ]
        return "".join("".join(p) if isinstance(p, list) else p for p in parts)

    def ask(self, expression: str, seconds: float = 60) -> str:
        """Run an expression in a new cell and return what it prints."""
        mark = secrets.token_hex(4)
        cell = self.add(f"print({expression}, '{mark}')")
        self.run(cell)
        self.wait(lambda: mark in self.text(cell), f"{expression}: {self.text(cell)}", seconds)
        return self.text(cell).split(mark)[0].strip()

    def theme(self, name: str) -> None:
        """Switch to JupyterLab's theme "Light" or "Dark"."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
            f"JupyterLab {name}",
        )
        light = str(name == "Light").lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
        self.page.wait_for_timeout(1500)  # colours fade over

    def close(self) -> None:
        """Close the page."""
        self.context.close()
