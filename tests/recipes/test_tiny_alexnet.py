"""The recipe of the network of AlexNet's kind: its views, its card, a small run from end to end."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from carviz.zoo.bundled import empty
from carviz.zoo.tiny_alexnet import SYNSETS, TinyAlexNet, load_tiny_alexnet
from recipes import train
from recipes.tiny_alexnet import read_pictures, start_tiny_alexnet, train_tiny_alexnet
from recipes.tiny_alexnet_card import Making, judge, tiny_alexnet_card
from recipes.training import Schedule, enlarged

GREY = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_parts_of_pictures_are_enlarged_and_mirrored():
    torch.manual_seed(0)
    ramp = torch.arange(64).mul(4).to(torch.uint8).expand(200, 3, 64, 64)
    view = enlarged(GREY, lambda epoch: 80 + epoch, least_area=0.5)
    images = view(ramp, 16)
    assert images.shape == (200, 3, 96, 96)
    slopes = (images[:, 0, 48, 60] - images[:, 0, 48, 36]).sign()
    assert 60 < (slopes < 0).sum() < 140  # about half are mirrored
    widths = (images[:, 0, 48, -1] - images[:, 0, 48, 0]).abs()
    assert widths.min() > 0.6  # a side is 0.63 of the picture's at least
    assert widths.max() <= 1
    assert widths.std() > 0.02
    whole = enlarged(GREY, lambda _epoch: 64, least_area=1)(ramp[:4], 0)
    assert torch.allclose(whole.sort(dim=3).values, ramp[:4] / 255, atol=0.11)


def write_images(folder, each):
    random = np.random.default_rng(0)
    for label, synset in enumerate(SYNSETS):
        for part in ("train", "val"):
            (folder / part / synset).mkdir(parents=True)
            for number in range(each):
                pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                pixels[:32] = label
                Image.fromarray(pixels).save(folder / part / synset / f"{number}.JPEG")


@pytest.mark.slow
def test_the_command_trains_judges_and_writes(tmp_path, capsys):
    write_images(tmp_path, 1)
    pictures, targets = read_pictures(tmp_path / "train")
    assert pictures.shape == (200, 3, 64, 64)
    assert targets.tolist() == list(range(200))
    threads = torch.get_num_threads()
    try:
        folder = str(tmp_path / "made")
        words = ["tiny-alexnet", "--images", str(tmp_path), "--folder", folder, "--epochs", "1"]
        train.main(words)
    finally:
        torch.set_num_threads(threads)
    card = (tmp_path / "made" / "tiny-alexnet.md").read_text()
    assert re.search(r"^Accuracy: 0\.\d{4} \(top-1", card, re.MULTILINE)
    assert "200 training images" in card
    assert "Longer training did not help" in card
    kept = load_file(tmp_path / "made" / "tiny-alexnet.safetensors")
    assert set(kept) == set(empty(TinyAlexNet).state_dict())
    assert "epoch   1 of 1" in capsys.readouterr().out


def test_a_folder_without_the_images_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train.*n01443537.*--images FOLDER"):
        train.main(["tiny-alexnet", "--folder", str(tmp_path), "--images", str(tmp_path)])
    with pytest.raises(FileNotFoundError, match="no folder was named"):
        train.main(["tiny-alexnet", "--folder", str(tmp_path)])


def test_training_moves_the_first_bank_and_folds_what_helped():
    random = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (64, 3, 64, 64), dtype=torch.uint8, generator=random)
    targets = torch.randint(200, (64,), generator=random)
    trained = train_tiny_alexnet(pictures, targets, Schedule(epochs=1, batch_size=32))
    assert not trained.training
    assert not [m for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(torch.equal(p, p.half().float()) for p in trained.parameters())
    start = start_tiny_alexnet(0).features[0].weight
    assert start.std().item() == pytest.approx(0.01, rel=0.05)
    assert not torch.equal(trained.features[0].weight, start)


def test_a_verdict_counts():
    network = load_tiny_alexnet()
    images = torch.randn(200, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        best = network(images).argmax(dim=1)
    verdict = judge(network, [(images[:50], best[:50]), (images[50:], (best[50:] + 1) % 200)])
    assert verdict.accuracy == 0.25
    assert verdict.among_five >= 0.25
    assert verdict.images == 200
    card = tiny_alexnet_card(verdict, Making(Schedule(epochs=3), 7, 80, 2.0, "cuda", 1))
    card = " ".join(card.split())  # lines break anywhere
    assert "Accuracy: 0.2500" in card
    assert "80 x 80 pixels" in card
    assert "2 minutes on cuda" in card
