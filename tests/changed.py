"""Run the tests of what was changed, in under a minute: `make fast`.

Changed is what differs from the commit where this branch left main, and what git does not know
yet. The tests that mirror a changed module run first, then those of its room, so that what a minute
does not reach is what is least likely to fail. Everything is what `pytest` runs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 40.0
"""No test begins later. The last one may take a while, and the whole stays under a minute."""
ALWAYS = "tests/test_house.py"
"""The floors, whatever was changed."""
ELSEWHERE = {"claims": "tests/test_cli_paper.py"}
"""Rooms that are tested by what runs them."""


def changed_files(root: Path, since: str | None = None) -> list[str]:
    """Return the paths in a clone that differ from a commit, those that git ignores left out.

    Parameters
    ----------
    since
        The commit; without it, the one where the branch left main, or the last one on main itself
        and where there is no main.
    """
    if since is None:
        fork = _git(root, "merge-base", "HEAD", "main", check=False)
        since = fork[0] if fork else "HEAD"
    known = _git(root, "diff", "--name-only", since)
    return sorted({*known, *_git(root, "ls-files", "--others", "--exclude-standard")})


def tests_of(root: Path, changed: Iterable[str]) -> list[str]:
    """Return the test modules of changed files: those that mirror them, then those of their rooms.

    `carviz/ROOM/NAME.py` is mirrored by `tests/ROOM/test_NAME.py`. Its room's tests are the others
    in that folder, and modules in `tests/` that have the room in their name or import from it. What
    tests import, a conftest, or a page that they name brings the tests that do.
    """
    modules = {p.relative_to(root).as_posix(): p for p in sorted(root.glob("tests/**/test_*.py"))}
    near: list[str] = []
    far: list[str] = []
    for name in changed:
        path = Path(name)
        if name in modules:
            near.append(name)
        elif path.parts[0] == "carviz":
            room = path.parts[1].removesuffix(".py")
            mirrors = (
                f"tests/{room}/test_{path.stem}.py", f"tests/test_{room}.py", ELSEWHERE.get(room)
            )  # fmt: skip
            near += [mirror for mirror in mirrors if mirror in modules]
            module = ".".join(path.with_suffix("").parts)
            near += [m for m, at in modules.items() if _imports(at, module)]
            far += [m for m in modules if m.startswith(f"tests/{room}/")]
            far += [
                m for m, at in modules.items()
                if at.parent.name == "tests" and (room in at.stem or _imports(at, f"carviz.{room}"))
            ]  # fmt: skip
        elif path.parts[0] == "recipes":
            near += [m for m in modules if m.startswith("tests/recipes/")]
            near += [m for m, at in modules.items() if _imports(at, f"recipes.{path.stem}")]
        elif path.name == "conftest.py":
            near += [m for m in modules if m.startswith(f"{path.parent.as_posix()}/")]
        elif path.parts[0] == "tests" and path.suffix == ".py":
            module = ".".join(path.relative_to("tests").with_suffix("").parts)
            # A folder of scripts may be a test's own search path: they are imported by their names.
            near += [
                m for m, at in modules.items() if _imports(at, module) or _imports(at, path.stem)
            ]
        else:
            near += [m for m, at in modules.items() if path.name in at.read_text("utf-8")]
    found = dict.fromkeys([ALWAYS, *near, *far])
    return [name for name in found if name in modules]


def _imports(test: Path, module: str) -> bool:
    """Whether a test module imports a module or something of it; imports stand a line each."""
    above, _, name = module.rpartition(".")
    ways = [rf"(?:from|import) {re.escape(module)}\b"]
    ways += [rf"from {re.escape(above)} import .*\b{re.escape(name)}\b"] if above else []
    return bool(re.search(rf"^\s*(?:{'|'.join(ways)})", test.read_text("utf-8"), re.MULTILINE))


def _git(root: Path, *words: str, check: bool = True) -> list[str]:
    out = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if check and out.returncode:
        raise SystemExit(f"What was changed is told by git, which says: {out.stderr.strip()}")
    return out.stdout.splitlines() if out.returncode == 0 else []


class Deadline:
    """A plugin of pytest that lets no test begin once the time is over, and says so."""

    def __init__(self, end: float) -> None:
        self.end, self.ran, self.there = end, 0, 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.there = len(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if time.monotonic() > self.end:
            return True  # told as done: it neither runs nor counts
        self.ran += 1
        return None


def main(words: list[str] | None = None) -> int:
    """Run the tests, and return pytest's exit status."""
    end = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--since", help="a commit; else where the branch left main")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no test begins later")
    parser.add_argument("--list", action="store_true", help="say which test modules, and stop")
    options = parser.parse_args(words)
    end += options.seconds
    found = tests_of(ROOT, changed_files(ROOT, options.since))
    print(*found, sep="\n")
    if options.list:
        return 0
    deadline = Deadline(end)
    status = int(pytest.main(["-q", *(str(ROOT / name) for name in found)], plugins=[deadline]))
    left = deadline.there - deadline.ran
    if left:
        print(f"{options.seconds:g} s are over: {left} of {deadline.there} tests did not run.")
    return status


if __name__ == "__main__":
    sys.exit(main())
