"""Networks by name, carrying what measuring needs to know."""

import pytest
import torch
import torchvision
from support.photographs import folder_of_photographs
from torch import nn

import carviz
from carviz.zoo.imagenet import SYNSETS
from carviz.zoo.matching import last_layer
from carviz.zoo.models import BUNDLED


@pytest.mark.parametrize(("name", "size"), [("shapes", 64), ("tiny-alexnet", 112)])
def test_the_bundled_networks(name, size):
    model = carviz.load_model(name, weights=None)
    assert not model.training
    assert len(model.classes) == model(torch.zeros(1, 3, size, size)).shape[1]
    assert model.synsets is None or len(model.synsets) == len(model.classes)
    assert (model.synsets is None) == (name == "shapes")


def test_the_bundled_weights_are_the_same_each_time():
    first, again = (carviz.load_model("shapes").features[0].weight for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_torchvision_networks_carry_names_and_preprocessing(name):
    model = carviz.load_model(name, weights=None)
    assert not model.training
    assert model.classes[:2] == ("tench", "goldfish")
    assert len(model.classes) == 1000
    assert model.synsets == SYNSETS
    assert model.normalize == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert model.transform.crop_size == [224]


@pytest.mark.parametrize(
    ("name", "weights", "kind", "words"),
    [
        ("resnet19", None, ValueError, "Nearest: resnet18"),
        ("shape", None, ValueError, "Nearest: shapes"),
        (3, None, TypeError, "found int"),
        ("alexnet", "V7", ValueError, "IMAGENET1K_V1; found 'V7'"),
        ("alexnet", 7, TypeError, "a file's path; found int"),
        ("alexnet", nn.Linear(1, 1).state_dict(), TypeError, "loaded from its file"),
        ("shapes", "V7", ValueError, "V7"),
    ],
)
def test_unknown_names_are_told(name, weights, kind, words):
    with pytest.raises(kind, match=words):
        carviz.load_model(name, weights=weights)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torch's, into which weights are fetched by file:// addresses."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def offer(monkeypatch, tmp_path, spoilt=False):
    """Let torchvision's weights of SqueezeNet be fetched from a file of ours; return them."""
    import hashlib

    import torchvision

    entry = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    network = torchvision.models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), tmp_path / "weights")
    digest = hashlib.sha256((tmp_path / "weights").read_bytes()).hexdigest()[:8]
    path = tmp_path / f"squeezenet1_1-{'0' * 8 if spoilt else digest}.pth"
    (tmp_path / "weights").rename(path)
    monkeypatch.setattr(entry.value, "url", path.as_uri())
    return entry, network.state_dict()


@pytest.mark.parametrize("how", ["default", "name", "full name", "entry"])
def test_weights_are_fetched_once_and_named_in_any_way(monkeypatch, tmp_path, cache, how):
    entry, state = offer(monkeypatch, tmp_path)
    asked = {"default": "DEFAULT", "name": entry.name, "full name": repr(entry), "entry": entry}
    model = carviz.load_model("squeezenet1_1", weights=asked[how])
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())
    assert len(list(cache.iterdir())) == 1


def test_an_entry_of_another_network_is_refused():
    from torchvision.models import ResNet18_Weights

    with pytest.raises(ValueError, match=r"IMAGENET1K_V1; found ResNet18_Weights"):
        carviz.load_model("alexnet", weights=ResNet18_Weights.DEFAULT)


def test_a_failed_download_tells_what_where_and_how_to_go_on(monkeypatch, cache, tmp_path):
    import urllib.error

    entry, _ = offer(monkeypatch, tmp_path)
    monkeypatch.setattr(entry.value, "url", "file:///nowhere/squeezenet1_1-00000000.pth")
    with pytest.raises(FileNotFoundError, match=r"squeezenet1_1-0+\.pth could not be fetched") as e:
        carviz.load_model("squeezenet1_1")
    assert str(cache) in str(e.value)
    assert isinstance(e.value.__cause__, urllib.error.URLError)


def test_a_download_that_came_out_wrong_is_told_and_not_kept(monkeypatch, cache, tmp_path):
    offer(monkeypatch, tmp_path, spoilt=True)
    with pytest.raises(FileNotFoundError, match=r"could not be fetched .invalid hash value"):
        carviz.load_model("squeezenet1_1")
    assert list(cache.iterdir()) == []


def test_a_broken_file_in_the_cache_is_told(monkeypatch, cache, tmp_path):
    entry, _ = offer(monkeypatch, tmp_path)
    cache.mkdir(parents=True)
    (cache / entry.url.rsplit("/", 1)[1]).write_bytes(b"half of a file")
    with pytest.raises(ValueError, match=r"cannot be read .*Delete it"):
        carviz.load_model("squeezenet1_1")


FAMILIES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s"),
    *("googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small"),
    *(
        "resnet18",
        "shufflenet_v2_x0_5",
        "squeezenet1_0",
        "swin_t",
        "swin_v2_t",
        "vgg11",
        "vgg11_bn",
    ),
    "vit_b_16",
)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layer_of_every_kind_of_classifier_gives_its_classes(name):
    import torchvision

    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, num_classes=7, **options)
    assert last_layer(model)[1] == 7


def test_every_bundled_network_is_listed():
    assert list(BUNDLED) == carviz.zoo.list_models().query("source == 'bundled'").name.tolist()


def test_a_file_of_one_logit_tells_two_classes_apart(tmp_path):
    torch.save(torchvision.models.resnet18(num_classes=1).state_dict(), tmp_path / "one.pth")
    model = carviz.load_model("resnet18", weights=str(tmp_path / "one.pth"))
    assert model.classes == ("0", "1")
    folder = folder_of_photographs(tmp_path, ["cats", "dogs"])
    data = carviz.load_data(folder, model=model, limit=1, progress=False)
    assert data.targets == [0, 1]
    with pytest.warns(UserWarning, match="class 1 is predicted above 0"):
        table = carviz.measure_car(model, data, "conv1", filters=[0], progress=False)
    assert len(table.classes) == 2
