"""The command line, as a person types it."""

import numpy as np
import pytest
from photographs import folder_of_photographs
from typer.testing import CliRunner

from carviz import CarTable
from carviz.cli import app


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "100"})
    assert result.exit_code == code, result.output
    return result.output


def test_demo_does_the_main_job(tmp_path):
    figure = tmp_path / "figure.png"
    out = run("demo", "--limit", 4, "--output", figure)
    assert "64 images of 16 classes" in out
    assert "16 of them select colour, 16 shape" in out
    assert out.count("Filter ") == 3
    assert out.count("most to") == out.count("least to") == 3
    assert "images lost" in out.replace("\n", " ")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_banks():
    out = run("banks")
    assert "features.0" in out
    assert "9 × 9" in out
    assert out.count("yes") == 1


def test_banks_leave_gates_out_unless_asked():
    assert "18 gates" in run("banks", "mobilenet_v3_small")
    assert "fc1" not in run("banks", "mobilenet_v3_small")
    assert "fc1" in run("banks", "mobilenet_v3_small", "--gates")


def test_car_saves_the_table(tmp_path):
    path = tmp_path / "table.npz"
    out = run("car", "--limit", 2, "--layer", "features.3", "--filters", "5,0", "--save", path)
    assert "features.3, 32 images" in out.replace("\n", " ")
    table = CarTable.load(path)
    assert table.filters.tolist() == [5, 0]
    assert table.complete


def test_car_on_a_folder_of_photographs(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n02123045"])
    path = tmp_path / "table.npz"
    out = run("car", "squeezenet1_1", folder, "--weights", "none", "--filters", "1", "--save", path)
    assert "4 images" in out
    table = CarTable.load(path)
    assert len(table.classes) == 1000
    assert {table.classes[c] for c in np.unique(table.targets)} == {"goldfish", "tabby"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["banks", "resnet19"], "there is no 'resnet19'"),
        (["car", "shapes", "nowhere"], "there is no folder 'nowhere'"),
        (["car", "--layer", "features.1", "--limit", "1"], "'features.1' is a ReLU"),
        (["car", "--layer", "feature.0", "--limit", "1"], "Nearest: 'features.0'"),
        (["car", "--filters", "a", "--limit", "1"], "0,3,8"),
        (["car", "--filters", "99", "--limit", "1"], "0 to 31; found 99"),
        (["car", "--save", "no/where.npz"], "does not"),
        (["car", "alexnet", "shapes", "--weights", "V9"], "found 'V9'"),
    ],
)
def test_errors_are_told_in_words(words, told):
    out = run(*words, code=2)
    assert told in out.replace("\n", " ")
    assert "Traceback" not in out
