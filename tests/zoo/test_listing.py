"""The table of networks by name."""

import math

import pytest
import torchvision

import carviz
from carviz.zoo import list_models, listing


def test_every_network_is_listed_without_building_one(monkeypatch):
    monkeypatch.setattr(torchvision.models, "get_model", None)
    monkeypatch.setattr("torch.nn.Conv2d.__init__", None)
    frame = list_models()
    assert frame.name.is_unique
    assert frame.name[0] == "shapes"
    known = torchvision.models.list_models(module=torchvision.models)
    assert frame.name[frame.source == "torchvision"].tolist() == known
    assert frame.accuracy.dropna().between(0.3, 1).all()


def test_rows_say_what_is_known():
    frame = list_models().set_index("name")
    alexnet = frame.loc["alexnet"]
    assert alexnet.parameters == 61_100_840
    assert alexnet.accuracy == pytest.approx(0.56522)
    assert alexnet.image_size == 224
    assert frame.weights["resnet50"] == "IMAGENET1K_V2, IMAGENET1K_V1"
    assert frame.image_size["inception_v3"] == 299
    shapes = carviz.load_model("shapes")
    assert frame.parameters["shapes"] == sum(p.numel() for p in shapes.parameters())
    assert frame.accuracy["shapes"] == pytest.approx(0.981)


def test_a_network_without_weights_or_card_has_gaps(monkeypatch, tmp_path):
    monkeypatch.setattr(listing, "WEIGHTS", tmp_path)
    frame = list_models().set_index("name")
    assert frame.parameters.isna().tolist()[:2] == [True, True]
    assert math.isnan(frame.accuracy["tiny-alexnet"])
    (tmp_path / "tiny-alexnet.md").write_text("# card\n\nAccuracy: 0.3125 (top-1, plus or minus")
    assert list_models().set_index("name").accuracy["tiny-alexnet"] == 0.3125
