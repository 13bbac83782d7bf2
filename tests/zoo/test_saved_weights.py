"""Weights from a file: whole and fitting, or told by name; never unpickled."""

import json
import pickle

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import carviz


def network(classes=1000, name="squeezenet1_1"):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=classes).eval()


def same(model, other):
    one, two = model.state_dict(), other.state_dict()
    return list(one) == list(two) and all(torch.equal(one[k], two[k]) for k in one)


SAVED = {
    "state.pt": lambda state: state,
    "checkpoint.pth": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
    "model.pth": lambda state: {"model": state, "args": ["--lr", "0.1"]},
    "parallel.pt": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled.pt": lambda state: {f"_orig_mod.{k}": tensor for k, tensor in state.items()},
    "lightning.ckpt": lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}},
}


@pytest.mark.parametrize("file", SAVED)
def test_a_state_dict_is_found_in_what_people_save(tmp_path, file):
    wanted = network()
    torch.save(SAVED[file](wanted.state_dict()), tmp_path / file)
    for path in (tmp_path / file, str(tmp_path / file)):
        model = carviz.load_model("squeezenet1_1", weights=path)
        assert same(model, wanted)
        assert not model.training
        assert model.classes[1] == "goldfish"
        assert model.synsets[1] == "n01443537"
        assert model.transform.crop_size == [224]


@pytest.mark.parametrize("name", ["checkpoint.pth.tar", "weights", "epoch=3", "w.PTH", "a.bin.old"])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_any_name_loads_by_content(tmp_path, monkeypatch, name, kind):
    wanted = network()
    if kind == "safetensors":
        save_file(wanted.state_dict(), tmp_path / name)
    else:
        checkpoint = {"epoch": 3, "arch": "squeezenet1_1", "state_dict": wanted.state_dict()}
        torch.save(checkpoint, tmp_path / name, _use_new_zipfile_serialization=kind == "zip")
    monkeypatch.chdir(tmp_path)
    for weights in (tmp_path / name, str(tmp_path / name), name):
        assert same(carviz.load_model("squeezenet1_1", weights=weights), wanted)


def test_what_torch_saved_under_the_name_of_safetensors(tmp_path):
    wanted = network()
    torch.save(wanted.state_dict(), tmp_path / "w.safetensors")
    assert same(carviz.load_model("squeezenet1_1", weights=tmp_path / "w.safetensors"), wanted)


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.complex64]
)
def test_weights_that_are_no_real_numbers_are_refused(tmp_path, dtype):
    state = network().state_dict()
    state["features.0.weight"] = (state["features.0.weight"] * 100).to(dtype)
    torch.save(state, tmp_path / "w.pt")
    named = rf"features\.0\.weight is {str(dtype)[6:]} and should be float32"
    with pytest.raises(ValueError, match=f"1 of another kind, quantised perhaps .{named}"):
        carviz.load_model("squeezenet1_1", weights=tmp_path / "w.pt")


@pytest.mark.filterwarnings("ignore")  # torch's own, of what it will no longer do
def test_quantised_tensors_are_refused(tmp_path):
    state = network().state_dict()
    weight = state["features.0.weight"]
    state["features.0.weight"] = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"features\.0\.weight is qint8 and should be float32"):
        carviz.load_model("squeezenet1_1", weights=tmp_path / "w.pt")


def test_half_precision_safetensors_become_float(tmp_path):
    wanted = network()
    save_file({k: v.half() for k, v in wanted.state_dict().items()}, tmp_path / "w.safetensors")
    model = carviz.load_model("squeezenet1_1", weights=tmp_path / "w.safetensors")
    assert same(model, wanted.half().float())
    assert model.features[0].weight.dtype == torch.float32


def test_a_file_says_how_many_classes_and_which(tmp_path):
    wanted, path = network(3), tmp_path / "w.safetensors"
    save_file(wanted.state_dict(), path)
    model = carviz.load_model("squeezenet1_1", weights=path)
    assert same(model, wanted)
    assert (model.classes, model.synsets) == (("0", "1", "2"), None)
    save_file(wanted.state_dict(), path, metadata={"classes": json.dumps(["cat", "dog", "cow"])})
    assert carviz.load_model("squeezenet1_1", weights=path).classes == ("cat", "dog", "cow")
    torch.save({"state_dict": wanted.state_dict(), "classes": ["a", "b", "c"]}, tmp_path / "w.pt")
    model = carviz.load_model("squeezenet1_1", weights=tmp_path / "w.pt")
    assert model.classes == ("a", "b", "c")
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(image), wanted(image))


def test_one_logit_tells_two_classes_apart(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(network(1).state_dict(), path)
    assert carviz.load_model("squeezenet1_1", weights=path).classes == ("0", "1")
    save_file(network(1).state_dict(), path, metadata={"classes": json.dumps(["cat", "dog"])})
    assert carviz.load_model("squeezenet1_1", weights=path).classes == ("cat", "dog")
    save_file(network(1).state_dict(), path, metadata={"classes": json.dumps(["dog"])})
    with pytest.raises(ValueError, match="1 names for 2 classes"):
        carviz.load_model("squeezenet1_1", weights=path)


@pytest.mark.parametrize("stated", ['["cat"]', "cat and dog", "[1, 2, 3]", '{"cat": 0}'])
def test_class_names_that_do_not_name_the_logits_are_refused(tmp_path, stated):
    path = tmp_path / "w.safetensors"
    save_file(network(3).state_dict(), path, metadata={"classes": stated})
    with pytest.raises(ValueError, match='metadata "classes"'):
        carviz.load_model("squeezenet1_1", weights=path)


@pytest.mark.parametrize("name", ["regnet_y_400mf", "shufflenet_v2_x0_5"])
def test_networks_are_built_whole_without_the_global_generator(tmp_path, name):
    wanted = network(5, name)
    torch.save(wanted.state_dict(), tmp_path / "w.pt")
    before = torch.get_rng_state()
    assert same(carviz.load_model(name, weights=tmp_path / "w.pt"), wanted)
    assert torch.equal(torch.get_rng_state(), before)


def test_files_of_before_batches_were_counted(tmp_path):
    wanted = network(5, "shufflenet_v2_x0_5")
    state = {k: v for k, v in wanted.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "w.pt")
    assert same(carviz.load_model("shufflenet_v2_x0_5", weights=tmp_path / "w.pt"), wanted)


def test_densenets_old_names(tmp_path):
    wanted = network(2, "densenet121")
    state = wanted.state_dict()
    old = {
        k.replace("norm1", "norm.1").replace("norm2", "norm.2")
        .replace("conv1", "conv.1").replace("conv2", "conv.2")
        if "denselayer" in k else k: v
        for k, v in state.items()
    }  # fmt: skip
    assert set(old) != set(state)
    torch.save(old, tmp_path / "w.pth")
    assert same(carviz.load_model("densenet121", weights=tmp_path / "w.pth"), wanted)


@pytest.mark.parametrize("heads", [True, False])
def test_an_inception_is_as_torchvision_makes_it_of_trained_weights(tmp_path, heads):
    wanted = torchvision.models.googlenet(
        weights=None, num_classes=4, init_weights=False, transform_input=True, aux_logits=heads
    ).eval()
    torch.save(wanted.state_dict(), tmp_path / "w.pth")
    model = carviz.load_model("googlenet", weights=tmp_path / "w.pth")
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(image), wanted(image))
    assert model.transform_input
    assert "aux1.fc1.weight" not in model.state_dict()


@pytest.mark.parametrize("name", ["shapes", "tiny-alexnet"])
def test_a_bundled_network_from_a_file(tmp_path, name):
    wanted = carviz.load_model(name, weights=None)
    with torch.no_grad():
        wanted.features[0].weight.mul_(2)
    save_file(wanted.state_dict(), tmp_path / "w.safetensors")
    model = carviz.load_model(name, weights=tmp_path / "w.safetensors")
    assert same(model, wanted)
    assert model.classes == wanted.classes
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    with pytest.raises(
        ValueError, match=r"missing \(features\.0\.weight.*not the network's \(weight"
    ):
        carviz.load_model(name, weights=tmp_path / "other.pt")


def test_what_does_not_fit_is_named(tmp_path):
    state = network().state_dict()
    path = tmp_path / "w.pt"
    weight = state.pop("features.3.squeeze.bias")
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"1 missing \(features\.3\.squeeze\.bias\)"):
        carviz.load_model("squeezenet1_1", weights=path)
    torch.save({**state, "features.3.squeeze.bias": weight, "head.bias": weight}, path)
    with pytest.raises(ValueError, match=r"1 not the network's \(head\.bias\)"):
        carviz.load_model("squeezenet1_1", weights=path)
    torch.save({**state, "features.3.squeeze.bias": weight[:3]}, path)
    with pytest.raises(ValueError, match=r"features\.3\.squeeze\.bias is \(3,\) and should be"):
        carviz.load_model("squeezenet1_1", weights=path)
    with pytest.raises(ValueError, match="does not fit AlexNet"):
        carviz.load_model("alexnet", weights=path)


class Trap:
    """Pickled, it would write a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))
    torch.save(nn.Linear(1, 1), tmp_path / "whole.pt")
    for name in ("w.pt", "old.pth", "whole.pt"):
        with pytest.raises(ValueError, match=r"safetensors\.torch\.save_file"):
            carviz.load_model("squeezenet1_1", weights=tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_no_weights_are_told(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"lr": 0.1}, tmp_path / "settings.pt")
    for name, words in (
        ("text.pt", "not opened|cannot be read"),
        ("empty.pt", "cannot be read"),
        ("text.safetensors", "cannot be read"),
        ("list.pt", "holds a list"),
        ("settings.pt", "holds a dict of lr"),
    ):
        with pytest.raises(ValueError, match=words):
            carviz.load_model("squeezenet1_1", weights=tmp_path / name)
    for name in ("nowhere.pth", "checkpoint.pth.tar", "no/where"):
        with pytest.raises(FileNotFoundError, match="there is none"):
            carviz.load_model("squeezenet1_1", weights=name)
