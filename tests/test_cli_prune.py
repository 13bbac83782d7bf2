"""`carviz prune` and `carviz compress`, as a person types them."""

import numpy as np
import pytest
import torch
from support.command_line import run

import carviz
from carviz import CarTable
from carviz.pruning import prune_filters
from carviz.results import PruningPath


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """What `carviz prune` says and saves, of few images and few filters."""
    folder = tmp_path_factory.mktemp("pruned")
    path, figure, kept = folder / "path.npz", folder / "order.png", folder / "kept"
    out = run(
        "prune", "--limit", 4, "--count", 5, "--save", path, "--figure", figure,
        "--checkpoint", kept,
    )  # fmt: skip
    return out, path, figure, kept


def test_prune_saves_the_path_that_the_library_finds(pruned):
    _, path, _, _ = pruned
    data = carviz.load_data("shapes", limit=4)
    network = carviz.load_model("shapes")
    same = prune_filters(network, data, "features.0", count=5, progress=False)
    assert PruningPath.load(path).order.tolist() == same.order.tolist()
    assert np.array_equal(PruningPath.load(path).predictions, same.predictions)


def test_prune_tells_the_steps_and_what_they_cost(pruned):
    out, path, figure, kept = pruned
    steps = PruningPath.load(path)
    told = out.replace("\n", " ")
    assert "shapes features.0, 64 images of shapes" in told
    assert "Pruned 5 of 32 filters (16%) by CAR, greedy" in told
    assert f"{steps.accuracy[0]:.1%} before, {steps.accuracy[-1]:.1%} after" in told
    rows = [line.split() for line in out.splitlines()]
    for i, filter in enumerate(steps.order, 1):
        (row,) = [r for r in rows if r[:2] == [str(i), str(filter)]]
        assert row[2] in ("colour", "shape")
        assert row[3] == f"{steps.accuracy[i]:.1%}"
        assert ("tie" in row) is bool(steps.decided_by_tie[i - 1])
    assert "select colour" in told
    assert "chance: 16 of 32 (50%)" in told
    assert f"{steps.evaluated.sum():,} filters × images" in told
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert list(kept.iterdir())


def test_prune_resumes_and_goes_on(pruned, tmp_path):
    _, path, _, kept = pruned
    longer = tmp_path / "longer.npz"
    before = {file.name for file in kept.rglob("*") if file.is_file()}
    run("prune", "--limit", 4, "--count", 6, "--save", longer, "--checkpoint", kept)
    steps = PruningPath.load(longer)
    assert steps.prefix(5).order.tolist() == PruningPath.load(path).order.tolist()
    assert len({file.name for file in kept.rglob("*") if file.is_file()} - before) == 1


def test_prune_several_banks_by_a_rival_and_draw_the_curve(tmp_path):
    path, figure = tmp_path / "path.npz", tmp_path / "curve.pdf"
    out = run(
        "prune", "--layer", "features.0", "--layer", "features.3", "--criterion", "l1",
        "--count", 30, "--limit", 1, "--shown", 3, "--save", path, "--figure", figure,
    )  # fmt: skip
    steps = PruningPath.load(path)
    assert steps.banks == ("features.0", "features.3")
    assert "by L1 norm" in out
    assert "filters × images" not in out  # nothing is searched
    rows = [line.split() for line in out.splitlines()]
    places = [row[0] for row in rows if len(row) > 3 and row[1] in steps.banks and row[0].isdigit()]
    assert places == ["1", "2", "30"]
    assert ["…"] in rows
    assert "curve of the accuracy" in out
    assert figure.read_bytes().startswith(b"%PDF")


def test_a_floor_ends_the_path(tmp_path):
    path = tmp_path / "path.npz"
    run("prune", "--criterion", "l2", "--floor", 0.9, "--limit", 2, "--save", path)
    steps = PruningPath.load(path)
    assert 0 < len(steps) < 32
    assert steps.accuracy.min() >= 0.9


def test_compress_a_path_opens_without_carviz(pruned, tmp_path):
    _, path, _, _ = pruned
    file = tmp_path / "small.pt2"
    told = run("compress", "--path", path, "--count", 4, "--limit", 1, "--save", file)
    told = told.replace("\n", " ")
    steps = PruningPath.load(path)
    assert "4 filters of features.0" in told
    assert f"{steps.accuracy[0]:.1%} before, {steps.accuracy[4]:.1%} after" in told
    for cost in ("parameters", "multiply-adds", "latency"):
        assert cost in told
    small = torch.export.load(file).module()
    shapes = [tuple(p.shape) for p in small.parameters()]
    whole = carviz.load_model("shapes")
    assert shapes[0][0] == whole.get_submodule("features.0").out_channels - 4
    images, _ = next(iter(torch.utils.data.DataLoader(carviz.load_data("shapes", limit=4), 64)))
    assert (small(images).argmax(1).numpy() == steps.predictions[3]).mean() > 0.98


def test_compress_named_filters():
    out = run("compress", "--layer", "features.0", "--filters", "1,2,3", "--limit", 1)
    assert "3 filters of features.0" in out
    assert "latency" in out


def test_a_path_to_a_floor_is_compressed_that_far(pruned):
    _, path, _, _ = pruned
    steps = PruningPath.load(path)
    floor = float(steps.accuracy.min())
    kept = len(steps.at_or_above(floor))
    out = run("compress", "--path", path, "--floor", floor, "--limit", 1)
    assert f"{kept} filters of features.0" in out


ERRORS = [
    (["prune", "--criterion", "l3"], "car, car-once, log-prob, l1"),
    (["prune", "--count", "33"], "found 33"),
    (["prune", "--floor", "85"], "found 85"),
    (["prune", "--layer", "feature.0"], "Nearest: 'features.0'"),
    (["prune", "--save", "no/where.npz"], "does not"),
    (["prune", "--figure", "order.gnp"], "found 'order.gnp'"),
    (["compress"], "found neither"),
    (["compress", "--filters", "1", "--path", "p.npz"], "found both"),
    (["compress", "--filters", "1", "--count", "3"], "found no --path"),
    (["compress", "--path", "p.npz", "--layer", "features.0"], "names its own banks"),
    (["compress", "--path", "p.npz", "--count", "1", "--floor", "0.9"], "found both"),
    (["compress", "--path", "p.npz"], "no file 'p.npz'"),
    (["compress", "--filters", "99"], "99"),
    (["compress", "--filters", "1", "--save", "no/where.pt2"], "does not"),
    (["compress", "--filters", "1", "--save", "small.pt"], "'.pt2'"),
]


@pytest.mark.parametrize(("words", "told"), ERRORS)
def test_errors_are_told_in_words(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = run(*words, "--limit", 1, code=2)
    assert told in out.replace("\n", " ")
    assert "Traceback" not in out
    assert not list(tmp_path.iterdir())


def test_a_path_of_another_network_is_refused(pruned):
    _, path, _, _ = pruned
    out = run("compress", "alexnet", "--weights", "none", "--path", path, code=2)
    assert "another one" in out.replace("\n", " ")


def test_a_table_is_no_path(tmp_path):
    file = tmp_path / "table.npz"
    CarTable(
        "features.0", filters=[0], classes=("a", "b"), images=[0, 1], total=2, targets=[0, 1],
        baseline=[0, 1], predictions=[[0, 0]], log_prob_drop=[[0, 1]],
    ).save(file)  # fmt: skip
    assert "PruningPath" in run("compress", "--path", file, code=2)
