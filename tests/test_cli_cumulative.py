"""`carviz cumulative`, and what stands beside a path of `carviz prune`, as a person types them."""

import numpy as np
import pytest
from support.command_line import run

import carviz
from carviz import CumulativeTable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of other images than the bundled ones: two classes of the same names."""
    made = tmp_path_factory.mktemp("images")
    data = carviz.load_data("shapes", limit=4)
    from torchvision.transforms.functional import to_pil_image

    for i in range(3, len(data), 4):
        image, label = data[i]
        place = made / data.classes[label]
        place.mkdir(exist_ok=True)
        to_pil_image((image * 0.5 + 0.5).clamp(0, 1)).save(place / f"{i}.png")
    return made


def test_cumulative_prints_areas_and_saves_what_the_library_finds(tmp_path):
    file, figure = tmp_path / "curves.npz", tmp_path / "curves.png"
    out = run(
        "cumulative", "--limit", 2, "--criterion", "log-prob", "--draws", 2, "--count", 3,
        "--save", file, "--figure", figure, "--checkpoint", tmp_path / "kept",
    )  # fmt: skip
    table = CumulativeTable.load(file)
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    same = carviz.measure_cumulative(
        model, data, "features.0", criterion="log-prob", draws=2, count=3, progress=False
    )
    assert table == same
    assert "3 of 32 filters removed by fall of log p" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["up"][1] == f"{table.curves.area_up:.1%}"
    assert "flatters it" in out
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "kept").iterdir())


def test_prune_tells_random_orders_and_held_out_images_and_draws_them(folder, tmp_path):
    figure = tmp_path / "curve.png"
    out = run(
        "prune", "--limit", 2, "--criterion", "l2", "--count", 3, "--draws", 2,
        "--held-out", folder, "--figure", figure,
    ).replace("\n", " ")  # fmt: skip
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    table = carviz.measure_cumulative(
        model, data, "features.0", criterion="l2", draws=2, count=3, progress=False
    )
    low, high = table.lowest[3], table.highest[3]
    assert f"2 random orders of as many: {low:.1%} to {high:.1%} after" in out
    assert "held-out images: accuracy" in out
    assert "curve of the accuracy" in out
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_random_criterion_has_a_seed(tmp_path):
    orders = []
    for seed in (0, 1):
        file = tmp_path / f"{seed}.npz"
        run("prune", "--limit", 1, "--criterion", "random", "--seed", seed, "--count", 4,
            "--save", file)  # fmt: skip
        orders.append(carviz.PruningPath.load(file).order)
    assert not np.array_equal(*orders)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cumulative", "--criterion", "l3"], "car, car-once"),
        (["cumulative", "--draws", "1"], "2 to 1000"),
        (["cumulative", "--held-out", "shapes"], "other images than data"),
        (["cumulative", "--save", "no/where.npz"], "The table of curves is saved"),
        (["cumulative", "--figure", "curves.xyz"], "A figure is a .png"),
        (["cumulative", "--seed", 2**63], "what a saved record can hold"),
        (["prune", "--held-out", "shapes", "--criterion", "l1", "--count", "1"], "found the same"),
        (["prune", "--draws", "1", "--criterion", "l1", "--count", "1"], "2 to 1000"),
    ],
)
def test_errors_are_told_in_words(words, told):
    out = run(*words, "--limit", 1, code=2)
    assert told in out.replace("\n", " ")
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--held-out", "shapes"], "found the same"),
        (["--held-out", "no/where"], "no/where"),
        (["--draws", 1], "2 to 1000"),
    ],
)
def test_prune_refuses_what_stands_beside_it_before_anything_is_pruned(words, told, monkeypatch):
    def prune_filters(*_, **__):
        raise AssertionError("pruned")

    monkeypatch.setattr("carviz.pruning.prune_filters", prune_filters)
    assert told in run("prune", *words, "--limit", 1, code=2)


def test_the_path_is_saved_before_what_stands_beside_it(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no room")

    monkeypatch.setattr("carviz.pruning.measure_band", fail)
    file = tmp_path / "path.npz"
    run(
        "prune", "--limit", 1, "--criterion", "l1", "--count", 2, "--draws", 2, "--save", file,
        code=2,
    )  # fmt: skip
    assert len(carviz.PruningPath.load(file)) == 2
