"""Networks by name, carrying what measuring needs to know."""

import pytest
import torch

import carviz


def test_the_bundled_network():
    model = carviz.load_model("shapes")
    assert not model.training
    assert len(model.classes) == model(torch.zeros(1, 3, 64, 64)).shape[1]
    assert torch.equal(carviz.load_model("shapes").features[0].weight, model.features[0].weight)


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_torchvision_networks_carry_names_and_preprocessing(name):
    model = carviz.load_model(name, weights=None)
    assert not model.training
    assert model.classes[:2] == ("tench", "goldfish")
    assert len(model.classes) == 1000
    assert model.normalize == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert model.transform.crop_size == [224]


@pytest.mark.parametrize(
    ("name", "weights", "kind", "words"),
    [
        ("resnet19", None, ValueError, "Nearest: resnet18"),
        ("shape", None, ValueError, "Nearest: shapes"),
        (3, None, TypeError, "found int"),
        ("alexnet", "V7", ValueError, "IMAGENET1K_V1; found 'V7'"),
        ("shapes", "V7", ValueError, "V7"),
    ],
)
def test_unknown_names_are_told(name, weights, kind, words):
    with pytest.raises(kind, match=words):
        carviz.load_model(name, weights=weights)


def test_a_failed_download_tells_what_where_and_how_to_go_on(monkeypatch, tmp_path):
    import urllib.error

    def fail(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"squeezenet1_1-\w+\.pth could not be fetched"
    ) as e:
        carviz.load_model("squeezenet1_1")
    assert str(tmp_path) in str(e.value)
    assert isinstance(e.value.__cause__, urllib.error.URLError)
