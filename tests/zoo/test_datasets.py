"""torchvision's data sets by name, read from small files as torchvision keeps them."""

import hashlib
import inspect
import json
import pickle
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms

import carviz
from carviz.evaluate import Images
from carviz.zoo.datasets import DATASETS, default_root, find_name

SMALL = transforms.Compose(
    [transforms.Resize(16), transforms.CenterCrop(16), transforms.ToTensor()]
)


class Network(nn.Conv2d):
    """A network that names its logits."""

    def __init__(self, *classes, synsets=None):
        super().__init__(3, len(classes), 1)
        self.classes, self.synsets, self.transform = classes, synsets, SMALL


def load(name, root, **options):
    return carviz.load_data(name, root=root, progress=False, **options)


def picture(seed, size=(20, 24)):
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))


def save(path, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, **options).save(path)


# -- small files, as each data set keeps them: (label, class name) of each picture is returned


def mnist(root, monkeypatch):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 0x803, *pixels.shape) + pixels.tobytes()
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, 4) + bytes([7, 0, 9, 7])
        )
    return [(7, "7 - seven"), (0, "0 - zero"), (9, "9 - nine"), (7, "7 - seven")]


def cifar10(root, monkeypatch):
    names = [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ]
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
    contents = {
        "test_batch": {"data": pixels, "labels": [3, 8, 3]},
        "batches.meta": {"label_names": names},
    }
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [])
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["batches.meta"]})
    return [(3, "cat"), (8, "ship"), (3, "cat")]


def eurosat(root, monkeypatch):
    for name in ("AnnualCrop", "Forest"):
        save(root / "eurosat" / "2750" / name / f"{name}_1.jpg", size=(64, 64))
    return [(0, "AnnualCrop"), (1, "Forest")]


def imagenette(root, monkeypatch):
    for synset in ("n01440764", "n02102040"):
        for part in ("train", "val"):
            save(root / "imagenette2" / part / synset / "1.JPEG")
    return [(0, "tench"), (1, "English springer")]


def dtd(root, monkeypatch):
    folder = root / "dtd" / "dtd"
    for name in ("banded", "dotted"):
        save(folder / "images" / name / f"{name}_1.jpg")
    (folder / "labels").mkdir()
    (folder / "labels" / "test1.txt").write_text("dotted/dotted_1.jpg\nbanded/banded_1.jpg\n")
    return [(1, "dotted"), (0, "banded")]


def food101(root, monkeypatch):
    folder = root / "food-101"
    for name in ("hot_dog", "pizza"):
        save(folder / "images" / name / "1.jpg")
    (folder / "meta").mkdir()
    (folder / "meta" / "test.json").write_text(
        json.dumps({n: [f"{n}/1"] for n in ("hot_dog", "pizza")})
    )
    return [(0, "hot_dog"), (1, "pizza")]


def pets(root, monkeypatch):
    folder = root / "oxford-iiit-pet"
    for name in ("Abyssinian_1", "great_pyrenees_2"):
        save(folder / "images" / f"{name}.jpg")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "test.txt").write_text("Abyssinian_1 1 1 1\ngreat_pyrenees_2 2 2 1\n")
    return [(0, "Abyssinian"), (1, "Great Pyrenees")]


def gtsrb(root, monkeypatch):
    folder = root / "gtsrb"
    save(folder / "GTSRB" / "Final_Test" / "Images" / "00000.ppm")
    save(folder / "GTSRB" / "Final_Test" / "Images" / "00001.ppm")
    (folder / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;2\n00001.ppm;0\n")
    return [(2, "2"), (0, "0")]


def caltech101(root, monkeypatch):
    folder = root / "caltech101" / "101_ObjectCategories"
    (folder / "BACKGROUND_Google").mkdir(parents=True)
    for name in ("ant", "wild_cat"):
        save(folder / name / "image_0001.jpg")
    return [(0, "ant"), (1, "wild_cat")]


def rendered(root, monkeypatch):
    for name in ("negative", "positive"):
        save(root / "rendered-sst2" / "test" / name / "1.png")
    return [(0, "negative"), (1, "positive")]


def aircraft(root, monkeypatch):
    data = root / "fgvc-aircraft-2013b" / "data"
    save(data / "images" / "77.jpg")
    (data / "variants.txt").write_text("707-320\n727-200\n")
    (data / "images_variant_test.txt").write_text("77 727-200\n")
    return [(1, "727-200")]


KEPT = {
    "MNIST": mnist, "CIFAR10": cifar10, "EuroSAT": eurosat, "Imagenette": imagenette, "DTD": dtd,
    "Food101": food101, "OxfordIIITPet": pets, "GTSRB": gtsrb, "Caltech101": caltech101,
    "RenderedSST2": rendered, "FGVCAircraft": aircraft,
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_the_held_out_part_is_read(tmp_path, monkeypatch, name):
    wanted = KEPT[name](tmp_path, monkeypatch)
    data = load(name, tmp_path)
    assert [(label, data.classes[label]) for label in data.targets] == wanted
    assert len(data.samples) == len(wanted)
    images, labels = Images(data).read(range(len(wanted)))
    assert labels.tolist() == data.targets
    assert images.shape[1] == 3
    assert data.kept
    assert name in repr(data)


@pytest.mark.parametrize("name", ["CIFAR10", "Imagenette"])
def test_pictures_are_torchvisions_own(tmp_path, monkeypatch, name):
    KEPT[name](tmp_path, monkeypatch)
    data = load(name, tmp_path, model=Network("no matter"), classes={"*": 0})
    theirs = getattr(torchvision.datasets, name)(str(tmp_path), **DATASETS[name], transform=SMALL)
    for memory in (None, 0):
        again = load(name, tmp_path, model=Network("x"), classes={"*": 0}, memory=memory)
        for (image, _), (wanted, _) in zip(again, theirs, strict=True):
            assert torch.equal(image, wanted)
    assert len(data) == len(theirs)


def test_small_pictures_keep_their_size(tmp_path, monkeypatch):
    mnist(tmp_path, monkeypatch)
    assert load("MNIST", tmp_path)[0][0].shape == (3, 28, 28)
    grey = nn.Sequential(nn.Conv2d(1, 4, 3))
    image = load("MNIST", tmp_path, model=grey)[0][0]
    pixels = torchvision.datasets.MNIST(str(tmp_path), train=False).data[0]
    assert torch.equal(image, pixels[None] / 255)


def test_names_count_whatever_their_case_and_folders_do_not_hide_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [find_name(w) for w in ("cifar10", "CIFAR-10", "oxford_iiit_pet", "cifar")] == [
        "CIFAR10", "CIFAR10", "OxfordIIITPet", None,
    ]  # fmt: skip
    save(tmp_path / "eurosat" / "cat" / "1.jpg")
    save(tmp_path / "EuroSAT" / "cat" / "1.jpg")
    assert carviz.load_data("eurosat", progress=False).classes == ("cat",)
    assert carviz.load_data("./EuroSAT", progress=False).classes == ("cat",)
    with pytest.raises(FileNotFoundError, match=r"torchvision\.datasets\.EuroSAT"):
        load("EuroSAT", tmp_path / "elsewhere")


def test_imagenettes_classes_find_imagenets_logits(tmp_path, monkeypatch):
    imagenette(tmp_path, monkeypatch)
    model = carviz.load_model("squeezenet1_1", weights=None)
    model.transform = SMALL
    data = load("Imagenette", tmp_path, model=model)
    assert data.targets == [0, 217]
    assert [data.classes[label] for label in data.targets] == ["tench", "English springer"]
    folder = carviz.load_data(tmp_path / "imagenette2", model=model, progress=False)
    assert folder.targets == data.targets
    assert folder.samples == data.samples


def test_names_of_a_data_set_find_the_networks(tmp_path, monkeypatch):
    cifar10(tmp_path, monkeypatch)
    names = tuple(torchvision.datasets.CIFAR10(str(tmp_path), train=False).classes)
    data = load("CIFAR10", tmp_path, model=Network(*reversed(names)))
    assert [data.classes[label] for label in data.targets] == ["cat", "ship", "cat"]
    mnist(tmp_path, monkeypatch)
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    data = load("MNIST", tmp_path, model=Network(*sorted(digits)))
    assert [data.classes[label] for label in data.targets] == ["seven", "zero", "nine", "seven"]


def test_a_network_of_other_classes_is_told(tmp_path, monkeypatch):
    cifar10(tmp_path, monkeypatch)
    model = carviz.load_model("squeezenet1_1", weights=None)
    with pytest.raises(ValueError, match=r"a network of 1,000 other classes") as error:
        load("CIFAR10", tmp_path, model=model)
    assert "2 of 2 are not: 'cat' (nearest: tiger cat" in str(error.value)


def test_a_limit_is_by_class(tmp_path, monkeypatch):
    cifar10(tmp_path, monkeypatch)
    data = load("CIFAR10", tmp_path, limit=1)
    assert sorted(data.targets) == [3, 8]
    assert all("CIFAR10, picture" in place for place, _ in data.samples)


def test_an_unreadable_picture_is_named(tmp_path, monkeypatch):
    dtd(tmp_path, monkeypatch)
    broken = tmp_path / "dtd" / "dtd" / "images" / "banded" / "banded_1.jpg"
    broken.write_text("no picture")
    with pytest.raises(ValueError, match="1 of 2 cannot be read") as error:
        load("DTD", tmp_path)
    assert str(broken) in str(error.value)
    with pytest.warns(UserWarning, match="banded_1"):
        assert load("DTD", tmp_path, unreadable="skip").skipped == (str(broken),)


# -- what is not there


def test_what_is_missing_is_told_with_the_call_to_make(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"load_data\('CIFAR10', download=True\)") as error:
        load("cifar10", tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in str(error.value)
    assert "root=" in str(error.value)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load("CIFAR10", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileNotFoundError, match="Nearest data sets: CIFAR10"):
        load("CIFA10", tmp_path)


def test_the_default_is_a_folder_beside_torchs_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    assert default_root() == tmp_path / "hub" / "datasets"
    cifar10(tmp_path / "hub" / "datasets", monkeypatch)
    assert len(carviz.load_data("CIFAR10", progress=False)) == 3


@pytest.mark.parametrize("name", ["ImageNet", "StanfordCars"])
def test_what_torchvision_cannot_fetch_is_not_tried(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="torchvision cannot download it"):
        load(name, tmp_path, download=True)


def test_a_download_that_fails_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", "file:///nowhere/cifar-10.tar.gz")
    with pytest.raises(FileNotFoundError, match=r"file:///nowhere/cifar-10\.tar\.gz into") as error:
        load("CIFAR10", tmp_path / "new", download=True)
    assert "copy the files there" in str(error.value)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def served():
    """Serve a folder to this machine; the address is given."""
    servers = []

    def serve(folder):
        quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_download_is_torchvisions(tmp_path, monkeypatch, served):
    import tarfile

    wanted = cifar10(tmp_path / "there", monkeypatch)
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "there" / "cifar-10-batches-py", "cifar-10-batches-py")
    address = served(tmp_path)
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "url", f"{address}/cifar.tar.gz")
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    data = load("CIFAR10", tmp_path / "here", download=True)
    assert [(label, data.classes[label]) for label in data.targets] == wanted
    archive.unlink()
    assert len(load("CIFAR10", tmp_path / "here", download=True)) == 3


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_asked_as_torchvision_knows(name):
    kind = getattr(torchvision.datasets, name)
    options = dict(DATASETS[name]) | ({} if name == "ImageNet" else {"download": False})
    known = set()
    for base in kind.__mro__:
        if "__init__" in vars(base):
            known |= set(inspect.signature(base.__init__).parameters)
    inspect.signature(kind).bind("root", **options)
    assert set(options) <= known
