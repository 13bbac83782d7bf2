"""The notebooks run, and what is committed of them is executed, clean and small."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from execute_notebooks import NOTEBOOKS, WIDGET, clean, execute
from nbclient.exceptions import CellExecutionError

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
by_name = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@by_name
def test_runs_from_top_to_bottom(path, tmp_path):
    """A copy, in a folder of its own, as `carviz lab` makes it; it says what is committed."""
    tables = path.with_suffix("")
    if tables.is_dir():
        shutil.copytree(tables, tmp_path / tables.name)
    executed = clean(execute(path, tmp_path))
    committed = nbformat.read(path, as_version=4)
    for cell in code_cells(executed):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output
    kinds = [
        [[(o.output_type, sorted(o.get("data", {}))) for o in c.outputs] for c in code_cells(n)]
        for n in (executed, committed)
    ]
    assert kinds[0] == kinds[1], "run `make notebooks`: the committed outputs are of another kind"


@by_name
def test_is_committed_executed_and_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert clean(notebook) == notebook, "run `make notebooks`"
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert WIDGET not in path.read_text()


@by_name
def test_is_small_and_of_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 500_000
    words = re.sub(r'"image/png": "[^"]*"', "", text)
    for part in (Path.home(), Path.cwd(), NOTEBOOKS.parent, "/tmp/", "/home/", "site-packages"):
        assert str(part) not in words
    assert not re.search(r"0x[0-9a-f]{6,}", words), "an address in memory differs in every run"


@by_name
def test_pictures_are_there(path):
    outputs = [o for c in code_cells(nbformat.read(path, as_version=4)) for o in c.outputs]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2


def test_what_is_car_has_three_questions_and_ends_with_the_truth():
    notebook = nbformat.read(NOTEBOOKS / "2-what-is-car.ipynb", as_version=4)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert len(re.findall(r"\*\*Question \d\.\*\*", prose)) == 3
    assert prose.count("<details>") == prose.count("</details>") == 3
    (said,) = code_cells(notebook)[-1].outputs
    assert "planted truth was read back" in said.text


def test_prune_and_compress_checks_its_claims_and_ends_with_exercises():
    notebook = nbformat.read(NOTEBOOKS / "3-prune-and-compress.ipynb", as_version=4)
    *_, saved, check = code_cells(notebook)
    assert check.source.count("assert") >= 5
    assert "what these numbers say" in check.outputs[0].text
    (tuned,) = [c for c in code_cells(notebook) if c.source.startswith("networks =")]
    right = saved.outputs[0].text.split()[-1].removesuffix("%")
    assert tuned.outputs[0].data["text/plain"].split()[-1] == right  # what opens is what was saved
    assert len(re.findall(r"^\d\. \*\*", notebook.cells[-1].source, re.MULTILINE)) == 3


def test_what_a_filter_sees_asks_checks_and_stands_beside_chance():
    notebook = nbformat.read(NOTEBOOKS / "5-what-a-filter-sees.ipynb", as_version=4)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    sections = re.findall(r"^## \d\. (.+)$", prose, re.MULTILINE)
    assert len(sections) == 9
    assert all(title.endswith("?") for title in sections)
    shares, *_ = [c for c in code_cells(notebook) if c.source.startswith("shares =")]
    assert "chance" in shares.outputs[0].data["text/plain"]
    check = code_cells(notebook)[-1]
    assert check.source.count("assert") >= 5
    assert "what these numbers say" in check.outputs[0].text
    assert len(re.findall(r"^\d\. \*\*", notebook.cells[-1].source, re.MULTILINE)) == 3


def test_the_paper_again_puts_every_claim_beside_chance():
    notebook = nbformat.read(NOTEBOOKS / "4-the-paper-again.ipynb", as_version=4)
    *_, claims, check = code_cells(notebook)
    assert check.source.count("assert") >= 10
    assert "what these numbers say" in check.outputs[0].text
    told = claims.outputs[0].data["text/plain"]
    for words in ("17", "14", "26 points", "20 points", "chance gives", "14 of 20"):
        assert words in told
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert "carviz paper tiny-alexnet" in prose
    assert len(re.findall(r"^\d\. \*\*", notebook.cells[-1].source, re.MULTILINE)) == 3
    tables = [path.stat().st_size for path in (NOTEBOOKS / "4-the-paper-again").iterdir()]
    assert sum(tables) < 2_500_000


def test_code_cells_are_short():
    for path in PATHS:
        for cell in code_cells(nbformat.read(path, as_version=4)):
            assert len(cell.source.splitlines()) <= 20, cell.source


def test_a_failing_cell_fails_the_notebook(tmp_path):
    path = tmp_path / "bad.ipynb"
    cells = [nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path, tmp_path)


def test_cleaning_takes_widgets_and_machines_away():
    view = {WIDGET: {"model_id": "1"}, "text/plain": "Box()"}
    outputs = [
        nbformat.v4.new_output("display_data", data=dict(view)),
        nbformat.v4.new_output("display_data", data={**view, "text/html": "<p>in words</p>"}),
        nbformat.v4.new_output("stream", text="kept"),
    ]
    cell = nbformat.v4.new_code_cell(
        "1", outputs=outputs, metadata={"execution": {"iopub.execute_input": "2026-01-01"}}
    )
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {}, "language_info": {"name": "python", "version": "9"}}
    )
    cleaned = clean(notebook)
    (shown, said) = cleaned.cells[0].outputs
    assert shown.data == {"text/html": "<p>in words</p>", "text/plain": "Box()"}
    assert said.text == "kept"
    assert cleaned.cells[0].metadata == {}
    assert set(cleaned.metadata) == {"kernelspec", "language_info"}
    assert cleaned.metadata.language_info == {"name": "python"}
    assert clean(cleaned) == cleaned


def test_what_a_cell_printed_is_one_output():
    new = nbformat.v4.new_output
    cell = nbformat.v4.new_code_cell("print()")
    cell.outputs = [
        new("stream", name="stdout", text="a\n"), new("stream", name="stdout", text="b\n"),
        new("stream", name="stderr", text="c\n"), new("display_data", {"text/plain": "d"}),
        new("stream", name="stdout", text="e\n"),
    ]  # fmt: skip
    (cell,) = clean(nbformat.v4.new_notebook(cells=[cell])).cells
    assert [o.get("text") for o in cell.outputs] == ["a\nb\n", "c\n", None, "e\n"]
