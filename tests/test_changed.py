"""`make fast` runs the tests that mirror what was changed, and ends in time."""

import subprocess
from pathlib import Path

import changed
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def clone(tmp_path):
    """A repository with one commit on main: two rooms, their tests, a page."""
    texts = {
        "carviz/banks/cut.py": "", "carviz/banks/units.py": "", "carviz/siblings.py": "",
        "carviz/zoo/models.py": "", "README.md": "", ".gitignore": "*.log\n",
        "tests/banks/test_cut.py": "",
        "tests/banks/test_units.py": "from support.woken import wake\n",
        "tests/zoo/test_models.py": "from recipes.train import main\n",
        "tests/recipes/test_train.py": "", "tests/test_siblings.py": "import rows\n",
        "tests/support/woken.py": "", "tests/benchmarks/rows.py": "",
        "tests/test_house.py": "", "tests/test_readme.py": "PAGE = 'README.md'\n",
        "tests/test_several_banks.py": "", "tests/test_audit.py": "from carviz.banks import cut\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    return tmp_path


def git(clone, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *words], cwd=clone, check=True, capture_output=True)


def commit(clone):
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "one")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "carviz/banks/units.py",
            ["banks/test_units.py", "banks/test_cut.py", "test_audit.py", "test_several_banks.py"],
        ),
        ("carviz/siblings.py", ["test_siblings.py"]),
        ("carviz/zoo/models.py", ["zoo/test_models.py"]),
        ("carviz/zoo/weights/new.md", ["zoo/test_models.py"]),
        ("carviz/claims.py", []),
        ("carviz/__init__.py", []),
        ("recipes/train.py", ["recipes/test_train.py", "zoo/test_models.py"]),
        ("tests/banks/conftest.py", ["banks/test_cut.py", "banks/test_units.py"]),
        ("tests/support/woken.py", ["banks/test_units.py"]),
        ("tests/benchmarks/rows.py", ["test_siblings.py"]),
        ("tests/test_audit.py", ["test_audit.py"]),
        ("README.md", ["test_readme.py"]),
        ("LICENSE", []),
    ],
)
def test_the_tests_that_mirror_a_file_come_first_then_its_room(clone, name, wanted):
    assert changed.tests_of(clone, [name]) == [
        "tests/test_house.py",
        *(f"tests/{test}" for test in wanted),
    ]


def test_changed_is_what_left_main_what_is_not_committed_and_what_is_new(clone):
    assert changed.changed_files(clone) == []
    git(clone, "checkout", "-q", "-b", "work")
    (clone / "carviz/banks/cut.py").write_text("a = 1\n")
    commit(clone)
    (clone / "README.md").write_text("more\n")
    (clone / "carviz/new.py").write_text("")
    (clone / "run.log").write_text("")
    assert changed.changed_files(clone) == ["README.md", "carviz/banks/cut.py", "carviz/new.py"]
    assert changed.changed_files(clone, since="HEAD") == ["README.md", "carviz/new.py"]
    with pytest.raises(SystemExit, match=r"told by git, which says: .*nowhere"):
        changed.changed_files(clone, since="nowhere")


def test_every_room_has_tests_that_are_found():
    rooms = {p.relative_to(ROOT).parts[1]: p for p in ROOT.glob("carviz/**/*.py")}
    names = {room: p.relative_to(ROOT).as_posix() for room, p in rooms.items()}
    del names["__init__.py"]  # the door: the house's own test
    assert len(names) > 15
    assert [n for n in names.values() if len(changed.tests_of(ROOT, [n])) < 2] == []


def test_no_test_begins_when_the_time_is_over(clone, monkeypatch, capsys):
    monkeypatch.setattr(changed, "ROOT", clone)
    (clone / "tests/test_house.py").write_text("def test_a(): pass\ndef test_b(): assert 0\n")
    assert changed.main([]) == 1
    assert "1 failed, 1 passed" in capsys.readouterr().out
    changed.main(["--seconds", "-1"])
    assert "-1 s are over: 2 of 2 tests did not run." in capsys.readouterr().out
    assert changed.main(["--list"]) == 0
    assert capsys.readouterr().out == "tests/test_house.py\n"
