"""Folders of photographs find their class among the network's."""

import pytest
import torch
from photographs import folder_of_photographs
from torch import nn

import carviz
from carviz.evaluate import find_normalization
from carviz.zoo.folders import SYNSETS


class Named(nn.Conv2d):
    def __init__(self, classes):
        super().__init__(3, len(classes), 1)
        self.classes = classes


def test_the_synsets_are_imagenets_thousand_in_order():
    synsets = SYNSETS.read_text().split()
    assert len(synsets) == 1000 == len(set(synsets))
    assert synsets == sorted(synsets)
    assert synsets[0] == "n01440764"
    assert synsets[-1] == "n15075141"


def test_some_of_imagenets_folders_find_their_logits(tmp_path):
    folder = folder_of_photographs(tmp_path, ["n01443537", "n02123045", "n15075141"])
    model = carviz.load_model("squeezenet1_1", weights=None)
    data = carviz.load_data(folder, model=model)
    assert data.targets == [1, 1, 281, 281, 999, 999]
    assert [data.classes[i] for i in (1, 281, 999)] == ["goldfish", "tabby", "toilet tissue"]
    image, label = data[2]
    assert image.shape == (3, 224, 224)
    assert label == 281
    assert find_normalization(data).std == (0.229, 0.224, 0.225)


def test_folders_are_matched_by_name(tmp_path):
    folder = folder_of_photographs(tmp_path, ["Great_white-shark", "tench"])
    model = Named(("tench", "goldfish", "great white shark"))
    data = carviz.load_data(folder, model=model)
    assert data.targets == [2, 2, 0, 0]
    assert data.classes == model.classes


def test_without_a_network_folders_are_numbered(tmp_path):
    data = carviz.load_data(folder_of_photographs(tmp_path, ["b", "a"]))
    assert data.classes == ("a", "b")
    assert data.targets == [0, 0, 1, 1]
    assert data[0][0].min() >= 0
    assert data[0][0].shape == (3, 224, 224)
    assert find_normalization(data) is None


def test_folders_that_fit_no_class_are_told(tmp_path):
    folder = folder_of_photographs(tmp_path, ["cat", "unicorn"])
    with pytest.raises(ValueError, match=r"1 of 2 are not: unicorn.*model\.classes"):
        carviz.load_data(folder, model=Named(("cat", "dog")))


def test_limit_is_by_class_and_seeded(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a", "b"], each=6)
    first, again = (carviz.load_data(folder, limit=2) for _ in range(2))
    assert first.samples == again.samples
    assert first.targets == [0, 0, 1, 1]
    assert len(carviz.load_data(folder, limit=99)) == 12
    assert len(carviz.load_data("shapes", limit=3)) == 3 * 16
    for limit in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="images a class"):
            carviz.load_data(folder, limit=limit)


def test_folders_without_images_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        carviz.load_data(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="folder for each class"):
        carviz.load_data(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="folder for each class"):
        carviz.load_data(tmp_path)


def test_a_broken_photograph_is_named(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a", "b"])
    (folder / "b" / "0.jpg").write_bytes(b"no picture")
    data = carviz.load_data(folder)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match=r"b.0\.jpg\) is not: UnidentifiedImageError"):
        carviz.measure_car(model, data, "0", progress=False)


def test_measuring_a_folder(tmp_path):
    folder = folder_of_photographs(tmp_path, ["tench", "goldfish"])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(4, 2))  # fmt: skip
    table = carviz.measure_car(model, carviz.load_data(folder), "0", progress=False)
    assert table.classes == ("goldfish", "tench")
    assert table.targets.tolist() == [0, 0, 1, 1]
