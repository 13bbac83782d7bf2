"""What benchmarks share that let builds take turns, each turn in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rows import settings_of


def turn_of(
    python: str, script: str, words: list[Any], threads: int, **variables: str
) -> dict[str, Any]:
    """Return what a script prints as JSON, run by an interpreter in a process of its own.

    `variables` are of its environment.
    """
    command = [python, str(Path(script).resolve()), *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **variables}
    if python != sys.executable:
        # It may name this build; of what lies beside carviz, the other build's turn needs tests/.
        environment["PYTHONPATH"] = str(Path(script).resolve().parents[1])
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    turn: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return turn


def print_about(**settings: Any) -> dict[str, Any]:
    """Print and return what the figures were taken with."""
    machine = platform.processor() or platform.machine()
    about = {"machine": machine, **settings, "date": time.strftime("%Y-%m-%d")}
    print(settings_of(about), flush=True)
    return about
