"""What is true of an image: rows of labels, and targets of any kind."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from carviz.evaluate import AnyTargets, Images, LabelTargets, digest_of, paired

IMAGES = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(2))
ROWS = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
FORMS = {
    "tensors": lambda row: row,
    "arrays": lambda row: row.numpy(),
    "lists": lambda row: row.tolist(),
    "floats": lambda row: row.float(),
    "yes and no": lambda row: row.bool(),
}


class Rows(torch.utils.data.Dataset):
    """Images with whatever is made of their rows."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 6

    def __getitem__(self, number):
        return IMAGES[number], self.make(number)


def _listed(items):
    """Collate as detection's references do: images together, targets as a list."""
    images, targets = zip(*items, strict=True)
    return torch.stack(images), list(targets)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("workers", [None, 0, 1])
def test_rows_are_read_in_every_form(form, workers):
    data = Rows(lambda number: form(ROWS[number]))
    data = data if workers is None else DataLoader(data, 4, num_workers=workers)
    images, labels = Images(data, LabelTargets()).read(range(6))
    assert torch.equal(images, IMAGES)
    assert torch.equal(labels, ROWS)


def test_a_pair_may_have_rows():
    images = Images((IMAGES, ROWS.float()), LabelTargets())
    assert images.hints is None
    assert torch.equal(images.read([3, 1])[1], ROWS[[3, 1]])


BAD = {
    "a share": (lambda n: ROWS[n] * 0.5, ValueError, r"image \d has a row of 3 values, 0 to 0.5"),
    "unlabelled": (lambda n: -ROWS[n], ValueError, "-1 to 0"),
    "a class among rows": (lambda n: ROWS[n] if n else 2, TypeError, "image 0 has int, while"),
    "other lengths": (
        lambda n: ROWS[n].tolist() + [0] * (n == 4), ValueError, "image 4 has 4 labels, image 0",
    ),
    "a map": (lambda n: ROWS, TypeError, r"of shape \(6, 3\)"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), BAD.values(), ids=BAD.keys())
def test_what_is_no_row_is_told(make, error, words):
    with pytest.raises(error, match=words):
        Images(Rows(make), LabelTargets()).read(range(6))


@pytest.mark.parametrize("workers", [None, 0, 1])
def test_targets_of_any_kind_are_kept_as_they_are(workers):
    def make(number):
        return {"boxes": torch.arange(number * 4.0).reshape(-1, 4), "name": f"image {number}"}

    data = Rows(make)
    if workers is not None:
        data = DataLoader(data, 2, num_workers=workers, collate_fn=_listed)
    images = Images(data, AnyTargets())
    found = images.targets.objects(images.read([5, 0, 2])[1])
    assert [target["name"] for target in found] == ["image 5", "image 0", "image 2"]
    assert torch.equal(found[0]["boxes"], make(5)["boxes"])


def test_rows_and_classes_stay_what_they_are_as_targets_of_any_kind():
    data = Rows(lambda number: [torch.eye(3)[number], 7, 1.5][number % 3] if number < 3 else number)
    images = Images(data, AnyTargets())
    row, seven, share, three = images.targets.objects(images.read([0, 1, 2, 3])[1])
    assert row.tolist() == [1.0, 0.0, 0.0]
    assert (seven, share, three) == (7, 1.5, 3)


def test_a_pair_of_images_and_any_targets_is_taken():
    targets = [{"n": i} for i in range(6)]
    images = Images(paired((IMAGES, targets)), AnyTargets())
    assert images.targets.objects(images.read([4])[1]) == [{"n": 4}]
    assert paired([(IMAGES[0], 1), (IMAGES[1], 2)])[1][1] == 2  # two items are no pair
    with pytest.raises(ValueError, match="6 images and 5 targets"):
        paired((IMAGES, targets[:5]))
    with pytest.raises(TypeError, match="targets as int"):
        paired((IMAGES, 3))


def test_targets_that_change_are_refused():
    class Changing(Rows):
        def __getitem__(self, number):
            self.count = getattr(self, "count", 0) + 1
            return IMAGES[number], {"read": self.count}

    with pytest.raises(ValueError, match="the same label"):
        Images(Changing(None), AnyTargets())


def test_a_target_that_cannot_be_told_is_refused():
    with pytest.raises(TypeError, match="image 0 has function"):
        Images(Rows(lambda number: lambda: number), AnyTargets())


def test_digests_tell_contents_apart():
    same = [
        (torch.zeros(2), torch.zeros(2)),
        ({"a": [1, np.arange(3)]}, {"a": [1, np.arange(3)]}),
        ("x", "x"),
        (None, None),
    ]
    assert all(digest_of(a) == digest_of(b) for a, b in same)
    other = [
        (torch.zeros(2), torch.zeros(1, 2)),
        (torch.zeros(2), np.zeros(2)),
        ([1, [2]], [[1], 2]),
        (1, 1.0),
        (1, True),
        ("1", 1),
        ({"a": 1}, {"b": 1}),
        (np.zeros(2, np.int8), np.zeros(2, np.uint8)),
    ]
    assert all(digest_of(a) != digest_of(b) for a, b in other)
