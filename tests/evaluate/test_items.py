"""Images and labels of items and batches: taken whole, or refused in words."""

from collections import UserDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from carviz.evaluate import Images
from carviz.evaluate.items import whole_label, whole_labels

IMAGES = torch.rand(6, 1, 3, 3)
CLASSES = [0, 1, 2, 1, 0, 2]


def data(item):
    return [item(IMAGES[i], CLASSES[i]) for i in range(6)]


TAKEN = {
    "whole numbers": lambda x, y: (x, y),
    "of NumPy": lambda x, y: (x, np.int16(y)),
    "as floats": lambda x, y: (x, float(y)),
    "as tensors": lambda x, y: (x, torch.tensor(y)),
    "as tensors of one": lambda x, y: (x, torch.tensor([float(y)])),
    "as bytes": lambda x, y: (x, torch.tensor(y, dtype=torch.uint8)),
    "rows of one 1": lambda x, y: (x, torch.eye(3)[y]),
    "lists of one 1": lambda x, y: (x, [int(y == c) for c in range(3)]),
    "rows that are mappings": lambda x, y: {"image": x, "label": y},
    "as a processor names them": lambda x, y: UserDict(pixel_values=x, labels=y, other="a"),
    "with a file": lambda x, y: (x, y, "a.png"),
    "a picture beside its tensor": lambda x, y: {"image": "a.png", "pixel_values": x, "label": y},
    "with a mask": lambda x, y: {"image": x, "mask": x, "target": y},
    "with a box": lambda x, y: (x, torch.rand(4), y),
}


@pytest.mark.parametrize("item", TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("workers", [0, 1])
def test_labels_are_taken_whole(item, workers):
    given = data(item)
    images, labels = Images(DataLoader(given, 4, num_workers=workers)).read(range(6))
    assert torch.equal(images, IMAGES)
    assert labels.tolist() == CLASSES
    assert labels.dtype == torch.int64


REFUSED = {
    "a share": (lambda x, y: (x, torch.tensor(0.9)), ValueError, r"image \d has 0\.9"),
    "a rating": (lambda x, y: (x, 3.5), ValueError, r"has 3\.5"),
    "not a number": (lambda x, y: (x, float("nan")), ValueError, "has nan"),
    "infinity": (lambda x, y: (x, float("inf")), ValueError, "has inf"),
    "several classes": (lambda x, y: (x, torch.tensor([1.0, 0, 1])), ValueError, "multi-label"),
    "no class": (lambda x, y: (x, torch.zeros(3)), ValueError, "multi-label"),
    "mixed classes": (lambda x, y: (x, torch.tensor([0.7, 0.3])), ValueError, "row of 2 values"),
    "a map of classes": (lambda x, y: (x, torch.zeros(3, 3)), TypeError, r"of shape \(3, 3\)"),
    "a name": (lambda x, y: (x, "cat"), TypeError, "'cat'"),
    "nothing": (lambda x, y: (x, None), TypeError, "None"),
    "a number of no type": (lambda x, y: (x, 1e20), ValueError, r"image \d has 1e\+20"),
    "a negative one": (lambda x, y: (x, -1), ValueError, "label -1"),
    "two numbers": (lambda x, y: (x, y, 7), TypeError, "tuple of 3 .* 2 members .* label"),
    "two images": (lambda x, y: (x, x, y), TypeError, "2 members could be the image"),
    "no label": (lambda x, y: {"image": x, "box": y, "area": 2}, TypeError, "no members .* label"),
    "two labels": (
        lambda x, y: {"img": x, "label": y, "target": y}, TypeError, "2 members could be the label",
    ),
    "a picture": (lambda x, y: {"image": x.numpy(), "label": y}, TypeError, "is a ndarray"),
    "a number alone": (lambda x, y: y, TypeError, "is an int"),
    "a batch": (lambda x, y: (IMAGES, torch.tensor(CLASSES)), TypeError, "a batch of 6 images"),
}  # fmt: skip


@pytest.mark.parametrize(("item", "kind", "words"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_no_class_is_refused(item, kind, words, workers):
    with pytest.raises(kind, match=words):
        Images(DataLoader(data(item), 4, num_workers=workers)).read(range(6))


PAIRS = {
    "floats": (torch.tensor(CLASSES).float(), CLASSES),
    "a column": (torch.tensor(CLASSES)[:, None], CLASSES),
    "yes and no": (np.array([True, False] * 3), [1, 0] * 3),
    "rows of one 1": (torch.eye(3)[CLASSES], CLASSES),
    "bfloat16": (torch.tensor(CLASSES).bfloat16(), CLASSES),
}


@pytest.mark.parametrize(("labels", "classes"), PAIRS.values(), ids=PAIRS.keys())
def test_the_labels_of_a_pair_are_taken_whole(labels, classes):
    images = Images((IMAGES, labels))
    assert images.read(range(6))[1].tolist() == classes
    assert images.hints.tolist() == classes


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        (torch.tensor([0.0, 1, 2, 0.5, 0, 1]), ValueError, r"image 3 has 0\.5"),
        (torch.eye(3)[CLASSES] * 0.5, ValueError, "image 0 has a row of 3 values, 0 to 0.5"),
        (torch.eye(3)[CLASSES] * 2 - 1, ValueError, "-1 to 1. Rows of multi-label .* -1, NaN"),
        (torch.full((6, 3), 1 / 3), ValueError, "shares of classes, as mixing"),
        (torch.ones(6, 3), ValueError, "with 3 ones, as multi-label data has"),
        (torch.zeros(6, 3, 3), TypeError, r"\(6, 3, 3\)"),
    ],
)
def test_the_labels_of_a_pair_are_never_cut(labels, kind, words):
    with pytest.raises(kind, match=words):
        Images((IMAGES, labels))


def test_a_collate_fn_may_give_a_mapping():
    def collate(items):
        return {
            "pixel_values": torch.stack([x for x, _ in items]),
            "labels": torch.tensor([y for _, y in items]),
        }

    images = Images(DataLoader(data(lambda x, y: (x, y)), 4, collate_fn=collate))
    assert images.read([5, 1])[1].tolist() == [2, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collate_fn_that_leaves_items_out_is_refused(workers):
    def collate(items):
        return torch.stack([x for x, _ in items[1:]]), torch.tensor([y for _, y in items[1:]])

    loader = DataLoader(data(lambda x, y: (x, y)), 4, collate_fn=collate, num_workers=workers)
    with pytest.raises(ValueError, match=r"leaves items out .* torch\.utils\.data\.Subset"):
        Images(loader)


@given(st.floats(width=32) | st.integers(-(2**62), 2**62) | st.booleans())
def test_a_label_is_its_number_or_refused(value):
    try:
        label = whole_label(torch.tensor(value), 0)
    except ValueError:
        assert isinstance(value, float)
        assert not value.is_integer() or abs(value) >= 2**63
    else:
        assert label == value


@given(st.lists(st.sampled_from([0.0, 1.0, 7.0, 0.5, -2.0, 1e6]), min_size=1, max_size=5))
def test_labels_of_a_batch_are_those_of_its_items(values):
    def taken(take):
        try:
            return take(), ""
        except ValueError as error:
            return None, str(error)

    tensor = torch.tensor(values)
    one_by_one = taken(lambda: [whole_label(value, n) for n, value in enumerate(tensor)])
    assert taken(lambda: whole_labels(tensor, range(len(values))).tolist()) == one_by_one
