"""A saved network opens without carviz, whole or not at all."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.compression_networks import Dense, Depthwise, example
from torch import nn

from carviz.compression import compress, save_compressed

ALONE = """
import sys
import torch
from safetensors.torch import load_file, save_file

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("carviz", "torch_pruning", "support"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
for folder in sys.argv[1:]:
    network = torch.export.load(f"{folder}/small.pt2").module()
    images = load_file(f"{folder}/images.safetensors")["images"]
    with torch.no_grad():
        save_file({"logits": network(images), "one": network(images[:1])}, f"{folder}/out")
assert not any(name.startswith(("carviz", "torch_pruning")) for name in sys.modules)
"""


def test_a_fresh_process_without_carviz_computes_the_same(tmp_path):
    kept = {}
    for kind, plan in ((Dense, {"a": [0], "b": [1, 2]}), (Depthwise, {"expand": [0, 3]})):
        model, data = example(kind)
        small = compress(model, plan, data).train()
        folder = tmp_path / kind.__name__
        folder.mkdir()
        save_compressed(small, folder / "small.pt2", data)
        assert small.training
        assert all(p.requires_grad for p in small.parameters())
        save_file({"images": data[0]}, folder / "images.safetensors")
        with torch.no_grad():
            kept[folder] = small.eval()(data[0])
    subprocess.run([sys.executable, "-c", ALONE, *kept], check=True, cwd=tmp_path)
    for folder, expected in kept.items():
        found = load_file(folder / "out")
        torch.testing.assert_close(found["logits"], expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found["one"], expected[:1], rtol=1e-5, atol=1e-5)


def test_the_file_carries_no_image_of_the_data(tmp_path):
    model, (images, labels) = example(Dense)
    path = save_compressed(model, tmp_path / "small.pt2", (images, labels))
    assert images[0].numpy().tobytes()[:64] not in path.read_bytes()
    assert model.stem.weight.detach().numpy().tobytes() in path.read_bytes()


class Talkative(nn.Module):
    """Its path depends on the image's values: torch.export cannot write it down."""

    def forward(self, images):
        return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))


class Forgetful(nn.Module):
    """A number of the module that torch.export takes for fixed."""

    def forward(self, images):
        if torch.compiler.is_exporting():
            return images.mean((2, 3))
        return 2 * images.mean((2, 3))


def test_nothing_is_left_behind_when_it_cannot_be_saved(tmp_path):
    model, data = example(Dense)
    for network, reason in ((Talkative(), "cannot"), (Forgetful(), "it gives others")):
        with pytest.raises(ValueError, match=reason):
            save_compressed(network, tmp_path / "small.pt2", data)
    with pytest.raises(ValueError, match=r"ends in '\.pt2'; found 'small\.pt'"):
        save_compressed(model, tmp_path / "small.pt", data)
    with pytest.raises(FileNotFoundError, match="folder"):
        save_compressed(model, tmp_path / "nowhere" / "small.pt2", data)
    assert list(tmp_path.iterdir()) == []
