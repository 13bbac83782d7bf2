"""Photographs: Tiny-ImageNet's validation images through loading, the bundled network and CAR."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from support.reference import agree, baseline, own_log_probs, reference_logits
from torch.utils.data import Subset

import carviz
from carviz.zoo.bundled import WEIGHTS
from carviz.zoo.tiny_alexnet import CLASSES, SYNSETS

NAME = "CARVIZ_TINY_IMAGENET"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        NAME not in os.environ,
        reason=f"{NAME} names no folder of Tiny-ImageNet's validation images",
    ),
]


@pytest.fixture(scope="module")
def folder():
    return Path(os.environ[NAME])


@pytest.fixture(scope="module")
def model():
    return carviz.load_model("tiny-alexnet")


@pytest.fixture(scope="module")
def some(folder, model):
    """Ten images of each class."""
    return carviz.load_data(folder, model=model, limit=10, progress=False)


def accuracy(model, images):
    right = 0
    with torch.inference_mode():
        for start in range(0, len(images), 100):
            batch = [images[i] for i in range(start, min(start + 100, len(images)))]
            predicted = model(torch.stack([image for image, _ in batch])).argmax(dim=1)
            right += int((predicted == torch.tensor([label for _, label in batch])).sum())
    return right / len(images)


def card_accuracy():
    card = (WEIGHTS / "tiny-alexnet.md").read_text(encoding="utf-8")
    return float(re.search(r"Accuracy: (0\.\d+)", card)[1])


def test_images_are_what_the_network_expects(some):
    image, label = some[0]
    assert image.shape == (3, 112, 112)
    assert image.dtype == torch.float32
    assert (label, len(some)) == (0, 2000)
    assert np.bincount(some.targets).tolist() == [10] * 200


def test_classes_have_names_that_people_read(some):
    assert some.classes == CLASSES
    assert some.classes[0] == "goldfish"
    assert len(set(some.classes)) == 200


def test_folders_find_their_logits_also_when_few_are_there(folder, model, tmp_path):
    chosen = [17, 101, 199]
    for number in chosen:
        (tmp_path / SYNSETS[number]).symlink_to(folder / SYNSETS[number])
    data = carviz.load_data(tmp_path, model=model, limit=2, progress=False)
    assert sorted(set(data.targets)) == chosen
    assert data.classes == CLASSES
    large = carviz.load_model("alexnet", weights=None)
    thousand = carviz.load_data(tmp_path, model=large, limit=2, progress=False)
    for path, label in thousand.samples:
        number = SYNSETS.index(Path(path).relative_to(tmp_path).parts[0])
        # The two sets name some classes by other words of the same synset.
        words = set(re.findall(r"\w+", CLASSES[number].lower()))
        assert words & set(re.findall(r"\w+", thousand.classes[label].lower()))


def test_the_network_is_about_as_right_as_its_card_says(some, model):
    said = card_accuracy()
    found = accuracy(model, some)
    # 2,000 of the card's 10,000 images, stratified: four standard errors at most.
    assert abs(found - said) < 4 * np.sqrt(said * (1 - said) / 2000)


@pytest.mark.slow
def test_on_all_images_it_is_exactly_as_right_as_its_card_says(folder, model):
    data = carviz.load_data(folder, model=model, progress=False)
    assert len(data) == 10_000
    # Another version of Pillow or torch may flip a few images that are almost ties.
    assert accuracy(model, data) == pytest.approx(card_accuracy(), abs=0.001)


@pytest.mark.parametrize("layer", ["features.0", "features.3", "features.10"])
def test_car_is_the_slow_reference_s(some, model, layer):
    one_each = Subset(some, list(range(0, 2000, 10)))
    filters = [0, 5, 17, 63]
    table = carviz.measure_car(model, one_each, layer, filters=filters, progress=False)
    images = torch.stack([one_each[i][0] for i in range(200)])
    targets = torch.tensor(table.targets)
    before = own_log_probs(baseline(model, images), targets)
    # With one image of each class, the class's mean fall is the image's.
    after = before - torch.tensor(table.log_prob_drop)[:, targets]
    logits = reference_logits(model, images, layer, filters)
    agree(logits, torch.tensor(table.predictions), after, targets, filters=filters)
    assert (table.predictions != table.baseline).any()
