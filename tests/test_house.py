"""The house stands: imports run downward only, and the front door stays light."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import carviz
import recipes

PACKAGE = Path(carviz.__file__).parent
FLOORS = {
    "interrupts": -1, "checks": -1, "version": -1,
    "results": 0, "evaluate": 0,
    "wording": 1, "banks": 1, "zoo": 1, "reference": 1,
    "ablation": 2, "pictures": 2, "class_lists": 2,
    "car": 3, "selectivity": 3, "siblings": 3,
    "pruning": 4, "compression": 4, "joint": 4,
    "plots": 5, "claims": 5,
    "session": 6,
    "screen": 7,
    "cli": 8, "explorer": 8,
}  # fmt: skip
"""Floor of each room; `carviz/__init__.py` is the door."""
MADE_BY = {
    "ActivationMaps": "activation_maps", "Explorer": "explore", "Session": "open_session",
    "Snapshot": "snapshot",
}  # fmt: skip
"""Classes that nobody makes by their name."""
HEAVY = ("ipywidgets", "matplotlib.pyplot", "torchvision", "pandas", "scipy", "skimage")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, package: str | None = "carviz") -> set[str]:
    """Return the modules of a package, or of all, that a file imports, also inside functions.

    With each of them, what is taken out of it: it may be a module.
    """
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {n for n in names if package in (None, n.split(".")[0])}


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]
RECIPES = sorted(Path(recipes.__file__).parent.glob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward_only(path):
    room = room_of(path)
    if room == "__main__":
        return
    assert room in FLOORS, f"{room!r} has no floor"
    for name in imported(path):
        parts = name.split(".")
        if len(parts) == 1 or (len(parts) == 2 and parts[1] not in FLOORS):
            assert FLOORS[room] == 8, f"{path} goes out by the front door"
            continue
        below = FLOORS.get(parts[1])
        assert below is not None, f"{path} imports {name}"
        assert parts[1] == room or below < FLOORS[room], f"{path} ({FLOORS[room]}) imports {name}"


WIDGETS = {"ipywidgets", "anywidget", "traitlets", "IPython"}


def roots(path: Path) -> set[str]:
    """Return the packages that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_widget_libraries_are_named_in_the_explorer_only():
    named = {str(path): roots(path) & WIDGETS for path in FILES if room_of(path) != "explorer"}
    assert {path: found for path, found in named.items() if found} == {}


def test_rooms_are_entered_by_their_face():
    """What another room uses stands in `__init__.py`; a room's files are its own affair."""
    past = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            parts = (getattr(node, "module", None) or "").split(".")
            own = parts[0] == "carviz" and parts[1:2] == [room_of(path)]
            if parts[0] == "carviz" and len(parts) > 2 and not own:
                past.append(f"{path.relative_to(PACKAGE)}: {node.module}")
    assert past == []


def test_above_the_figures_one_file_has_threads():
    high = [path for path in FILES if FLOORS.get(room_of(path), 8) >= 6]
    found = {path.relative_to(PACKAGE) for path in high if "threading" in roots(path)}
    assert found == {Path("session/worker.py")}


def test_the_explorer_is_one_widget_and_nobody_s_heir():
    from anywidget import AnyWidget

    assert carviz.Explorer.__bases__ == (AnyWidget,)


@pytest.mark.parametrize("room", ["session", "screen", "explorer"])
def test_tests_of_a_session_its_screen_and_its_explorer_know_only_what_is_public(room):
    """Nothing whose name begins with one `_`: neither as an attribute, nor imported or patched."""
    allowed = {"_instances"}  # ipywidgets has no other list of the widgets that live
    setters = {"setattr", "getattr", "delattr", "hasattr"}
    found = []
    for path in sorted((Path(__file__).parent / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Attribute):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names if alias.name not in allowed]
            elif isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
                called = called.id if isinstance(called, ast.Name) else called
                if called in setters:
                    words = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
                    names = [part for word in words for part in str(word).split(".")]
            found += [
                f"{path.name}:{node.lineno} {name}"
                for name in names
                if name.startswith("_") and not name.startswith("__")
            ]
    assert found == []


def test_recipes_stand_on_the_zoo_and_the_package_knows_nothing_of_them():
    for path in RECIPES:
        rooms = {name.split(".")[1] for name in imported(path)}
        assert all(FLOORS[room] <= FLOORS["zoo"] for room in rooms), f"{path} imports {rooms}"
    assert {path: found for path in FILES if (found := imported(path, "recipes"))} == {}


@pytest.mark.parametrize("files", [FILES, RECIPES], ids=["carviz", "recipes"])
def test_the_files_of_a_room_import_one_another_one_way_round(files):
    root = PACKAGE.parent
    modules = {".".join(p.relative_to(root).with_suffix("").parts): p for p in files}
    package = next(iter(modules)).split(".")[0]
    reads = {n: {m for m in imported(p, package) if m in modules} for n, p in modules.items()}
    done: set[str] = set()
    while ready := {n for n in reads if n not in done and reads[n] <= done}:
        done |= ready
    assert done == set(reads), f"a circle of imports among {sorted(set(reads) - done)}"


def test_no_test_module_is_imported():
    """What tests share lies in `tests/support/`."""
    assert len([p for p in TESTS if p.name.startswith("test_")]) > 100
    found = {
        str(path): named for path in TESTS
        if (named := [n for n in imported(path, None) if n.split(".")[-1].startswith("test_")])
    }  # fmt: skip
    assert found == {}


def test_contributing_tells_the_floor_of_every_room():
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (-?\d) [^|]*\| ([^|]*) \|", page, re.MULTILINE)
    told = {
        room.rstrip("/").removesuffix(".py"): int(floor)
        for floor, rooms in rows
        for room in re.findall(r"`([\w/.]+)`", rooms)
    }
    assert told == FLOORS


def test_importing_carviz_is_light_and_measuring_loads_no_compiler():
    found = f"print([m for m in {HEAVY} if m in sys.modules])"
    code = (
        f"import sys, carviz; carviz.CarTable; carviz.Run; carviz.measure_car; {found}; "
        f"carviz.load_model; {found}; data = carviz.load_data('shapes', limit=1); "
        "carviz.measure_car(carviz.load_model('shapes'), data, 'features.0', filters=[0]); "
        "print('torch._dynamo' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]", "[]", "False"]


LARGE = (
    "torchvision", "pandas", "scipy", "skimage", "matplotlib", "sympy", "triton", "torch_pruning",
    "torch._dynamo", "torch._inductor",
)  # fmt: skip
"""What takes 10 to 100 MiB of memory; IPython and ipywidgets are what an explorer stands on."""


@pytest.mark.slow
def test_opening_an_explorer_takes_150_mebibytes_and_a_first_number_no_more_libraries():
    """Beside torch, which is there before: Binder has little memory."""
    found = f"print([m for m in {LARGE} if m in sys.modules])"
    code = (
        "import sys, psutil, torch; held = lambda: psutil.Process().memory_info().rss; "
        "before = held(); import carviz; explorer = carviz.explore(); explorer.session.settle(); "
        f"print(held() - before); {found}; explorer.compute('filter'); explorer.wait(); {found}; "
        "print([m for m in ('scipy.stats', 'scipy.optimize') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held, opened, measured, scipy = out.stdout.splitlines()
    assert opened == "[]"
    assert set(ast.literal_eval(measured)) <= {"scipy", "skimage"}  # special functions, and grey
    assert scipy == "[]"
    if sys.platform == "linux":  # elsewhere what is held is counted otherwise
        assert int(held) < 0.15 * 2**30


def test_plain_import_pulls_in_nothing_at_all():
    code = "import sys, carviz; print('torch' in sys.modules, 'numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False False"


def test_every_public_name_is_there_and_documented():
    for name in carviz.__all__:
        assert getattr(carviz, name).__doc__, name
    assert set(carviz.__all__) <= set(dir(carviz))
    with pytest.raises(AttributeError, match="carviz attribute measure_cat"):
        carviz.measure_cat  # noqa: B018


def test_public_functions_have_one_progress_and_typed_models_and_data():
    for name in carviz.__all__:
        for parameter in inspect.signature(getattr(carviz, name)).parameters.values():
            if parameter.name == "progress" and parameter.annotation == "Progress":
                assert parameter.default is True, name
            if parameter.name in ("model", "data"):
                assert parameter.annotation != "Any", name


def test_no_room_is_a_lumber_room():
    assert not [p for p in FILES if re.search(r"utils|(?<!s)core|common|helpers", p.name)]


def test_no_class_is_named_twice():
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path.relative_to(PACKAGE)}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_file_has_more_than_four_hundred_lines():
    assert {p: n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > 400} == {}


def test_docstrings_run():
    from importlib import import_module

    tried = 0
    for path in FILES:
        if ">>>" in path.read_text():
            name = "carviz." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            failed, count = doctest.testmod(import_module(name))
            assert failed == 0, name
            tried += count
    assert tried >= 10


@pytest.mark.parametrize("name", carviz.__all__)
def test_every_public_name_has_an_example_that_runs_where_it_is_pasted(name):
    public = {n: getattr(carviz, n) for n in carviz.__all__}
    test = doctest.DocTestParser().get_doctest(public[name].__doc__, public, name, None, 0)
    call = MADE_BY.get(name, name)
    assert any(f"{call}(" in e.source and not e.options for e in test.examples)
    assert doctest.DocTestRunner().run(test).failed == 0
