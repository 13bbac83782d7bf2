"""README and CONTRIBUTING say what is so, and stay short."""

import ast
import builtins
import re
import shutil
import subprocess
from pathlib import Path

import draw_cut
import public_names
import pytest

import carviz
from carviz.banks import DEFINITION

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "docs/design.md", "docs/guide.md", "docs/science.md"]


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def targets():
    """Return what `make help` tells: a line for each target."""
    return dict(re.findall(r"^([a-z-]+):.*## (.*)$", text_of("Makefile"), re.MULTILINE))


def test_the_readme_lists_every_public_name_by_its_docstring():
    text = text_of("README.md")
    assert public_names.with_names(text) == text, "make names writes it"
    made = public_names.listed()
    assert [n for n in carviz.__all__ if made.count(f"| `{n}` | ") != 1] == []
    assert "| `load_model` | Return a network by name, in evaluation mode. |" in made
    with pytest.raises(ValueError, match="once between"):
        public_names.with_names("no place for it")


def test_it_opens_with_two_lines_to_copy_and_ci_runs_the_second():
    install, develop = re.search(r"```\n(.*\n)(.*\n)```", text_of("README.md")).groups()
    assert install == "pip install . && carviz lab\n"
    assert develop == 'pip install -e ".[test]" && pytest\n'
    assert develop in text_of(".ci/run")


def test_its_picture_is_the_one_that_the_script_draws():
    assert draw_cut.drawn() == draw_cut.PICTURE.read_text("utf-8"), "make picture draws it"
    assert draw_cut.drawn().count("stroke-dasharray") == 1


@pytest.mark.parametrize(("name", "most"), [("README.md", 212), ("CONTRIBUTING.md", 90)])
def test_pages_are_short(name, most):
    assert len(text_of(name).splitlines()) <= most


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_files_that_are_there(name):
    text = text_of(name)
    links = [m for m in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in m]
    assert [m for m in links if not (ROOT / name).parent.joinpath(m).exists()] == []
    written = re.findall(r"`((?:carviz|tests|docs|notebooks|binder)/[\w./-]+)`", text)
    assert [m for m in written if not (ROOT / m).exists()] == []


def test_the_guide_s_blocks_use_only_names_that_it_has_defined():
    known, unknown = set(dir(builtins)), []
    for block in re.findall(r"^```python\n(.*?)^```", text_of("docs/guide.md"), re.M | re.S):
        names = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Name)]
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
        unknown += [node.id for node in names if node.id not in known]
    assert unknown == []


def test_contributing_tells_each_target_of_make_with_its_minutes():
    told = dict(
        re.findall(r"^\| `make ([a-z-]+)` \| ([\d.]+) \|", text_of("CONTRIBUTING.md"), re.M)
    )
    minutes = {name: line.split(" min: ")[0] for name, line in targets().items()}
    assert told == minutes
    named = re.search(r"\.PHONY: ([^\n\\]*)\\\n(.*)", text_of("Makefile"))
    assert set(minutes) == {*named.group(1).split(), *named.group(2).split()}


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_help_prints_a_line_for_each_target():
    out = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = [
        re.fullmatch(r"make ([a-z-]+) +(.*)", line).groups() for line in out.stdout.splitlines()
    ]
    assert dict(said) == targets()
    assert all(re.match(r"[\d.]+ min: ", line) for _, line in said)


def test_the_definition_that_the_pages_tell_is_the_engine_s():
    for name in ("README.md", "docs/science.md"):
        assert f"definition {DEFINITION}" in text_of(name), name
