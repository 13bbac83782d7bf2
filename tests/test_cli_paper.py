"""`carviz paper`, as a person types it: everything that notebook 4 reads, resumed where it was."""

import numpy as np
import pytest
from PIL import Image
from support.command_line import run

import carviz
from carviz.results import CarTable, PruningPath, SelectivityTable, SiblingTable

BANKS = ["features.0", "features.3", "features.8"]
LAYERS = [word for bank in BANKS for word in ("--layer", bank)]
pytestmark = pytest.mark.slow
FEW = ["--choosing", 2, "--held-out", 1, "--images", 4, "--steps", 2, *LAYERS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "paper"
    run("paper", "shapes", "shapes", "--folder", folder, *FEW)
    return folder


def test_every_order_is_chosen_on_some_images_and_judged_on_others(folder):
    for bank, size in zip(BANKS[:2], (32, 48), strict=True):
        for criterion in ("car", "car-once", "taylor", "l1", "l2", "apoz", "random"):
            chosen = PruningPath.load(folder / f"{bank}-{criterion}.npz")
            judged = PruningPath.load(folder / f"{bank}-{criterion}-held-out.npz")
            assert chosen.criterion == judged.criterion == criterion
            assert (len(chosen.targets), len(judged.targets)) == (32, 16)
            assert chosen.order[: len(judged)].tolist() == judged.order.tolist()
            if criterion != "car":
                # Where greedy CAR goes some steps only, its rivals go no further.
                assert len(chosen) == len(judged) == (size // 2 if bank == BANKS[0] else 2)
    assert len(PruningPath.load(folder / "features.0-car.npz")) == 32
    assert len(PruningPath.load(folder / "features.3-car.npz")) == 2


def test_the_images_are_others(folder):
    data = carviz.load_data("shapes", limit=4)
    chosen = PruningPath.load(folder / "features.0-l1.npz")
    judged = PruningPath.load(folder / "features.0-l1-held-out.npz")
    model = carviz.load_model("shapes")
    predicted = model(data.images).argmax(dim=1).numpy()
    places = np.array([sum(data.targets[:i] == data.targets[i]) for i in range(len(data))])
    np.testing.assert_array_equal(chosen.baseline, predicted[places < 2])
    np.testing.assert_array_equal(judged.baseline, predicted[places == 2])


def test_filters_are_described_and_classes_told(folder):
    for bank in BANKS[:2]:
        table = SelectivityTable.load(folder / f"{bank}-selectivity.npz")
        assert set(table.kind) <= {"color", "shape", "dead"}
        assert SiblingTable.load(folder / f"{bank}-siblings.npz").layer == bank
    with np.load(folder / "features.3-pictures.npz") as file:
        assert file["filters"].tolist() == [*PruningPath.load(folder / "features.3-car.npz").order]
        assert file["pictures"].dtype == np.uint8
        assert file["pictures"].shape[0] == 2
        assert file["pictures"].shape[-1] == 3
    few = CarTable.load(folder / "features.8-car-of-all.npz")
    table = CarTable.load(folder / "features.8-classes.npz")
    assert len(few.filters) == 64
    assert sorted(few.order[:12]) == table.filters.tolist()
    assert len(table.targets) == 64


def test_what_is_there_is_kept_and_nothing_else_is_left(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    out = run("paper", "shapes", "shapes", "--folder", folder, *FEW)
    assert out.count("kept as it was") == len(before)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert all(path.suffix == ".npz" for path in before)


def test_tables_of_another_network_are_not_mixed_in(folder):
    out = run("paper", "shapes", "shapes", "--weights", "none", "--folder", folder, *FEW, code=2)
    assert "another network" in out
    assert "Name another --folder" in out


def test_nor_those_of_other_images_or_of_fewer_steps(folder):
    other = ["--choosing", 1, "--held-out", 1, "--images", 4, "--steps", 2, *LAYERS]
    assert "other images" in run("paper", "shapes", "shapes", "--folder", folder, *other, code=2)
    more = [*FEW, "--steps", 3]  # the last one counts
    out = run("paper", "shapes", "shapes", "--folder", folder, *more, code=2)
    assert "features.3-car.npz' is of 2 steps, not 3" in out.replace("\n", "")


def test_the_claims_are_about_three_banks(tmp_path):
    out = run("paper", "shapes", "shapes", "--folder", tmp_path, "--layer", "features.0", code=2)
    assert "three banks" in out


def test_images_to_judge_on_must_be_left(tmp_path, photographs):
    words = ["--folder", tmp_path / "paper", "--choosing", 2, "--weights", "none"]
    out = run("paper", "tiny-alexnet", photographs, *words, code=2)
    assert "Choose on fewer with --choosing" in out
    assert not (tmp_path / "paper").exists()


@pytest.fixture
def photographs(tmp_path):
    """Two images of each of two classes."""
    for synset in ("n01443537", "n01629819"):
        (tmp_path / "photographs" / synset).mkdir(parents=True)
        for number in range(2):
            picture = Image.new("RGB", (64, 64), (80 * number, 90, 100))
            picture.save(tmp_path / "photographs" / synset / f"{number}.jpg")
    return tmp_path / "photographs"
