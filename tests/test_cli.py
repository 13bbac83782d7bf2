"""The command line, as a person types it."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from support.command_line import run
from support.photographs import folder_of_photographs

import carviz
from carviz import CarTable, CarTables
from carviz.cli import printing
from carviz.cli.shell import save_figure
from carviz.wording import NONE, NOT_APART, points


def test_demo_does_the_main_job(tmp_path):
    figure = tmp_path / "figure.png"
    out = run("demo", "--limit", 4, "--output", figure)
    assert "64 images of 16 classes" in out
    assert "16 of them select colour, 16 shape" in out
    assert out.count("Filter ") == 3
    assert out.count("most to") == out.count("least to") == 3
    assert " lost, " in out.replace("\n", " ")
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


@pytest.mark.parametrize(("value", "kept"), [("mean", "mean"), ("0.5", 0.5), ("-1", -1.0)])
def test_car_with_another_value(tmp_path, value, kept):
    path = tmp_path / "table.npz"
    out = run(
        "car", "--limit", 1, "--layer", "features.3", "--value", value, "--top", 2,
        "--save", path,
    )  # fmt: skip
    assert "in a filter's place: " in out
    assert "replacing one costs" in out.replace("\n", " ")
    assert "removing" not in out
    assert CarTable.load(path).passport["value"]["set"] == kept


@pytest.mark.parametrize("layer", ["features.3", "all"])
def test_car_keeps_parts(tmp_path, layer):
    kept = tmp_path / "kept"
    for _ in range(2):  # the second is read
        run("car", "--limit", 1, "--layer", layer, "--shown", 0, "--checkpoint", kept)
    assert list(kept.rglob("*.npz"))


def test_car_of_all_banks_is_a_table_of_them_and_a_folder(tmp_path):
    folder = tmp_path / "all"
    out = run("car", "--limit", 2, "--layer", "all", "--save", folder)
    assert "all banks, 32 images" in out.replace("\n", " ")
    tables = CarTables.load(folder)
    assert list(tables) == carviz.list_banks(carviz.load_model("shapes")).layer.tolist()
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith("feat")}
    for layer, table in tables.items():
        best = int(table.order[0])
        most = points(table.car.max(), unit=False)
        nothing = str((table.car <= 0).sum())
        shown = str(best) if table.tells_apart() else NONE
        assert rows[layer] == [layer, str(len(table.filters)), most, shown, nothing]
    assert f"{NONE} for a filter: {NOT_APART}." in out.replace("\n", " ")
    assert "Filter " not in out
    again = run("car", "--layer", "all", "--save", next(folder.iterdir()), code=2)
    assert "is a file" in again
    assert "numbers in one bank" in run(
        "car", "--limit", 1, "--layer", "all", "--filters", "1", code=2
    )


def test_car_on_a_folder_of_photographs(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n02123045"])
    path = tmp_path / "table.npz"
    out = run("car", "squeezenet1_1", folder, "--weights", "none", "--filters", "1", "--save", path)
    assert "4 images" in out
    table = CarTable.load(path)
    assert len(table.classes) == 1000
    assert {table.classes[c] for c in np.unique(table.targets)} == {"goldfish", "tabby"}


def test_models_are_listed():
    out = run("models")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "98.1%" in lines["shapes"]
    assert "61.1 M" in lines["alexnet"]
    assert "IMAGENET1K_V2, IMAGENET1K_V1" in lines["resnet50"]
    assert len(lines) > 80


def test_unreadable_files_are_told_or_left_out(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n02123045"])
    (folder / "n02123045" / "1.jpg").write_bytes(b"no picture")
    words = ["car", "squeezenet1_1", folder, "--weights", "none", "--filters", "1"]
    assert "--unreadable skip" in run(*words, code=2)
    out = run(*words, "--unreadable", "skip").replace("\n", " ")
    assert "1 of 4 cannot be read" in out
    assert "3 images" in out


def test_weights_may_be_a_file(tmp_path):
    model = carviz.load_model("shapes")
    model.features[0].weight.data.zero_()
    model.features[0].bias.data.zero_()
    torch.save(model.state_dict(), tmp_path / "shapes.pt")
    words = ["--limit", 2, "--filters", "0,1", "--weights", tmp_path / "shapes.pt"]
    assert "costs 0.0 to 0.0 points" in " ".join(run("car", *words).split())


@pytest.mark.parametrize("command", ["car", "prune", "compress"])
def test_data_sets_of_torchvision_are_looked_for_where_told(command, tmp_path):
    words = ["squeezenet1_1", "cifar10", "--weights", "none", "--root", tmp_path / "nowhere"]
    if command == "compress":
        words += ["--filters", "1"]
    out = run(command, *words, code=2).replace("\n", " ")
    assert "torchvision.datasets.CIFAR10" in out
    assert "--download" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["banks", "resnet19"], "there is no 'resnet19'"),
        (["car", "shapes", "nowhere"], "there is no folder 'nowhere'"),
        (["car", "--layer", "features.1", "--limit", "1"], "'features.1' is a ReLU"),
        (["car", "--layer", "feature.0", "--limit", "1"], "Nearest: 'features.0'"),
        (["car", "--layer", "feature.0", "--limit", "1"], "`carviz banks MODEL` lists them all"),
        (["car", "--filters", "a", "--limit", "1"], "0,3,8"),
        (["car", "--filters", "99", "--limit", "1"], "0 to 31; found 99"),
        (["car", "--value", "median", "--limit", "1"], "finite number; found 'median'"),
        (["car", "--save", "no/where.npz"], "does not"),
        (["car", "alexnet", "shapes", "--weights", "V9"], "found 'V9'"),
    ],
)
def test_errors_are_told_in_words(words, told):
    out = run(*words, code=2)
    assert told in out.replace("\n", " ")
    assert "Traceback" not in out


def test_any_name_is_printed_as_it_is(capsys):
    table = CarTable(
        "[/]", filters=[0, 1], classes=("[bold]a[/]", "[/red]", "[/red]"), images=[0, 1, 2],
        total=3, targets=[0, 1, 2], baseline=[0, 1, 2], predictions=[[1, 1, 1], [0, 1, 2]],
        log_prob_drop=np.zeros((2, 3)),
    )  # fmt: skip
    printing.print_bank(table, None)
    printing.print_filter(table, 0, None)
    out = capsys.readouterr().out
    for words in ("Bank [/]", "[bold]a[/]", "[/red] (1)", "[/red] (2)"):
        assert words in out


def test_a_full_disk_is_told_in_words(tmp_path):
    full = tmp_path / "full.npz"
    full.symlink_to("/dev/full")
    out = run("car", "--filters", "0", "--limit", "1", "--save", full, code=2)
    assert "No space left on device; it was not saved" in out.replace("\n", " ")
    assert full.is_symlink()


def test_figures_are_written_whole_in_the_format_of_their_name(tmp_path):
    figure = Figure()
    for name, begin in (("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a", b"\x89PNG")):
        save_figure(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)
    with pytest.raises(ValueError, match="xyz"):
        save_figure(figure, tmp_path / "a.xyz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.pdf", "a.svg"]


def test_car_tells_the_first_classes(tmp_path):
    path = tmp_path / "car.npz"
    words = ("car", "--limit", "1", "--filters", "0,1", "--top", "3", "--save", str(path))
    assert "The class is among the 3 first on" in " ".join(run(*words).split())
    assert CarTable.load(path).top == 3
