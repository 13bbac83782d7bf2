"""Folders of photographs: where the classes are, and which images are drawn."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.photographs import folder_of_photographs
from torch import nn
from torchvision.datasets import ImageFolder

import carviz
from carviz import CarTable
from carviz.evaluate import find_normalization
from carviz.zoo.folders import find_layout, open_folder


def load(folder, **options):
    return carviz.load_data(folder, progress=False, **options)


def files(root: Path, *names: str) -> Path:
    """Empty files: enough to find out what is where."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["cat/1.jpg", "dog/1.png"], "."),
        (["cat/a/1.jpg", "dog/b/1.png"], "."),
        (["train/cat/1.jpg", "val/cat/1.jpg"], "val"),
        (["train/cat/1.jpg", "Validation/cat/1.jpg", "test/cat/1.jpg"], "Validation"),
        (["train/cat/1.jpg", "test/cat/1.jpg"], "test"),
        (["train/cat/1.jpg", "test/1.jpg"], "train"),
        (["train/cat/1.jpg", "val/readme.txt"], "train"),
        (["train/cat/1.jpg"], "train"),
        (["some/train/n01440764/1.JPEG", "some/val/n01440764/1.JPEG"], "some/val"),
        (["pets/cat/1.jpg", "pets/dog/1.jpg", "readme.txt"], "pets"),
        (["cat/images/1.jpg"], "."),
        (["cat/1.jpg"], "."),
        (["train/1.jpg", "test/1.jpg"], "."),
        (["train/1.jpg", "car/1.jpg"], "."),
        (["pets/cat/1.jpg", "pets/dog/1.jpg", "cars/vw/1.jpg"], "."),
        (["pets/cat/1.jpg", "pets/dog/1.jpg", "__MACOSX/pets/cat/._1.jpg", ".a/b/1.jpg"], "pets"),
    ],
)  # fmt: skip
def test_the_classes_are_found(tmp_path, names, found):
    assert find_layout(files(tmp_path, *names)) == tmp_path / found


def test_hidden_files_are_no_images(tmp_path):
    folder = files(
        tmp_path, "cat/1.jpg", "cat/._1.jpg", "cat/.ipynb_checkpoints/1-checkpoint.jpg",
        "dog/2.JPEG", "dog/notes.txt", ".git/3.jpg",
    )  # fmt: skip
    source = open_folder(folder)
    assert [Path(place).name for place in source.places] == ["1.jpg", "2.JPEG"]
    assert [found.name for found in source.classes] == ["cat", "dog"]


def test_files_come_in_the_order_of_torchvision(tmp_path):
    folder = files(tmp_path, "b/2.jpg", "b/10.jpg", "B/1.png", "a/z/1.jpg", "a/b.webp", "a/a.bmp")
    source = open_folder(folder)
    assert list(zip(source.places, source.labels, strict=True)) == ImageFolder(str(folder)).samples


def test_some_of_imagenets_folders_find_their_logits(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n02123045", "n15075141"])
    model = carviz.load_model("squeezenet1_1", weights=None)
    data = load(folder, model=model)
    assert data.targets == [1, 1, 281, 281, 999, 999]
    assert [data.classes[i] for i in (1, 281, 999)] == ["goldfish", "tabby", "toilet tissue"]
    image, label = data[2]
    assert image.shape == (3, 224, 224)
    assert label == 281
    assert find_normalization(data).std == (0.229, 0.224, 0.225)
    assert "3 of 1,000 classes" in repr(data)
    assert str(folder) in repr(data)


def test_some_of_tiny_imagenets_folders_find_their_logits(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n12267677"])
    model = carviz.load_model("tiny-alexnet", weights=None)
    data = load(folder, model=model)
    assert [data.classes[i] for i in sorted(set(data.targets))] == ["goldfish", "acorn"]
    assert data[0][0].shape == (3, 112, 112)
    folder_of_photographs(tmp_path, ["n01440764"])
    with pytest.raises(ValueError, match="1 of 3 are not: 'n01440764'"):
        load(folder, model=model)
    assert load(folder, model=model, classes={"*": None}).targets == data.targets


def test_a_mapping_labels_and_leaves_out(tmp_path):
    folder = folder_of_photographs(tmp_path, ["cat", "dog", "other"])
    model = nn.Conv2d(3, 3, 1)
    model.classes = ("beagle", "tabby", "lorry")
    data = load(folder, model=model, classes={"cat": "tabby", "dog": 0, "other": None})
    assert data.targets == [1, 1, 0, 0]
    assert data.classes == model.classes
    with pytest.raises(ValueError, match="leaves out all"):
        load(folder, model=model, classes={"*": None})
    with pytest.raises(ValueError, match="Leave classes out"):
        carviz.load_data("shapes", classes={"circle": 0})


def test_without_a_network_folders_are_numbered(tmp_path):
    data = load(folder_of_photographs(tmp_path, ["b", "a"]))
    assert data.classes == ("a", "b")
    assert data.targets == [0, 0, 1, 1]
    assert data[0][0].min() >= 0
    assert data[0][0].shape == (3, 224, 224)
    assert find_normalization(data) is None


def test_a_network_that_reads_grey_gets_grey(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a"])
    assert load(folder, model=nn.Sequential(nn.Conv2d(1, 2, 3))).classes == ("a",)
    assert load(folder, model=nn.Sequential(nn.Conv2d(1, 2, 3)))[0][0].shape == (1, 224, 224)


def test_limit_is_by_class_and_seeded(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a", "b"], each=6)
    first, again = (load(folder, limit=2) for _ in range(2))
    assert first.samples == again.samples
    assert first.targets == [0, 0, 1, 1]
    assert len(load(folder, limit=99)) == 12
    assert len(carviz.load_data("shapes", limit=3)) == 3 * 16
    for limit in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="images a class"):
            load(folder, limit=limit)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(small=st.integers(1, 6), more=st.integers(0, 6))
def test_a_draw_depends_on_its_class_alone_and_grows(tmp_path, small, more):
    both, one = tmp_path / "both", tmp_path / "one"
    if not both.exists():
        for root, names in ((both, ["ant", "bee"]), (one, ["bee"])):
            folder_of_photographs(root, names, each=9)

    def drawn(root, limit):
        data = load(root / "photographs", limit=limit, memory=0)
        return {Path(place).name for place, label in data.samples if data.classes[label] == "bee"}

    assert drawn(both, small) == drawn(one, small) <= drawn(both, small + more)
    assert len(drawn(both, small)) == small


def test_folders_without_images_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="folder for each class"):
        load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="folder for each class"):
        load(tmp_path)
    with pytest.raises(TypeError, match="found int"):
        load(3)


def test_measuring_a_folder(tmp_path):
    folder = folder_of_photographs(tmp_path, ["tench", "goldfish"])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(4, 2))  # fmt: skip
    table = carviz.measure_car(model, load(folder), "0", progress=False)
    assert table.classes == ("goldfish", "tench")
    assert table.targets.tolist() == [0, 0, 1, 1]


def test_gifs_count_and_what_is_left_out_is_said(tmp_path):
    from PIL import Image

    for name in ("a/1.gif", "a/2.png", "b/3.GIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    data = carviz.load_data(tmp_path, progress=False)  # nothing to warn of
    assert [Path(place).name for place, _ in data.samples] == ["1.gif", "2.png", "3.GIF"]
    assert data[0][0][:, 0, 0].tolist() == [1, 0, 0]
    for name in ("a/4.heic", "b/5.heic", "b/notes", "b/Thumbs.db", "b/.hidden"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(
        UserWarning, match=r"no images by their names \(\.heic: 2, without an ending: 1\)"
    ):
        assert len(carviz.load_data(tmp_path, progress=False)) == 3


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_folder_whose_name_is_no_text_is_read(tmp_path):
    from PIL import Image

    for name in (b"caf\xe9", b"cat"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        for number in range(2):
            Image.new("RGB", (8, 8), "red").save(os.path.join(os.fsdecode(folder), f"{number}.png"))
    data = load(tmp_path, limit=1)
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(2, 2), nn.LogSoftmax(1))  # fmt: skip
    table = carviz.measure_car(network, data, "0", progress=False)
    assert table.classes == ("caf\N{REPLACEMENT CHARACTER}", "cat")
    assert CarTable.load(table.save(tmp_path / "table.npz")) == table
