"""Random data is named by its transform, or found by reading it more than once."""

import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, StackDataset, Subset
from torchvision import transforms as v1
from torchvision.transforms import v2

from carviz.evaluate import Images, random_step

PICTURES = torch.rand(200, 3, 4, 4)


class Transformed(Dataset):
    def __init__(self, transform, count=200):
        self.transform, self.count, self.read = transform, count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        self.read += 1
        return self.transform(PICTURES[number]), 0


NAMED = {
    "flip": v1.RandomHorizontalFlip(),
    "in a composition": v1.Compose([v1.Resize(4), v1.Compose([v1.RandomCrop(2)])]),
    "of the second kind": v2.Compose([v2.RandomErasing(p=0.3)]),
    "colours": v2.ColorJitter(0.2),
    "applied at random": v1.RandomApply([v1.Resize(4)], p=0.5),
    "chosen at random": v2.RandomChoice([v2.Identity(), v2.Identity()]),
    "modules": nn.Sequential(v1.Resize(4), v1.RandomRotation(5)),
}


@pytest.mark.parametrize("transform", NAMED.values(), ids=NAMED.keys())
def test_a_random_transform_is_named_before_anything_is_read(transform):
    data = Transformed(transform)
    with pytest.raises(ValueError, match=r"found (Random\w+|ColorJitter) in the data's transform"):
        Images(Subset(data, range(100)))
    assert data.read == 0


class RandFlip(nn.Module):
    """As MONAI names it."""

    def __init__(self, prob):
        super().__init__()
        self.prob = prob


def test_random_steps_of_other_libraries_are_named():
    with pytest.raises(ValueError, match="found RandFlip in the data's transform"):
        Images(Transformed(v1.Compose([RandFlip(0.1)])))
    assert random_step(Transformed(RandFlip(0.0))) == ""


def test_every_part_of_chained_data_is_looked_at():
    part = Transformed(v2.RandomHorizontalFlip(p=0.5), 1)
    chained = ConcatDataset([Transformed(nn.Identity()), Subset(part, [0])])
    for data in (chained, DataLoader(chained), StackDataset(image=part, label=[0])):
        with pytest.raises(ValueError, match="found RandomHorizontalFlip in the data's transform"):
            Images(data)


def test_the_parts_of_stacked_data_may_have_names():
    images = Images(StackDataset(image=PICTURES, label=torch.arange(200) % 3))
    assert images.read([4])[1].tolist() == [1]


CERTAIN = {
    "never": v1.RandomHorizontalFlip(p=0),
    "always": v2.RandomHorizontalFlip(p=1),
    "what never strikes": v1.RandomApply([v1.RandomRotation(5)], p=0),
}


@pytest.mark.parametrize("transform", CERTAIN.values(), ids=CERTAIN.keys())
def test_a_transform_that_draws_nothing_is_taken(transform):
    assert len(Images(Transformed(transform))) == 200


@pytest.mark.parametrize("count", [1, 5, 24, 200])
def test_an_augmentation_that_strikes_one_reading_in_ten_is_refused(count):
    def flip(image):
        return image.flip(2) if torch.rand(()) < 0.1 else image

    def is_refused():
        try:
            Images(Transformed(flip, count))
        except ValueError as error:
            return "twice gave others" in str(error)
        return False

    torch.manual_seed(0)
    missed = 200 - sum(is_refused() for _ in range(200))
    assert missed <= 6  # 2 are expected; 7 or more come by chance in one run of 250


def test_a_label_that_changes_is_refused():
    class Guessing(Transformed):
        def __getitem__(self, number):
            self.read += 1
            return PICTURES[number], self.read % 2

    with pytest.raises(ValueError, match="the same label"):
        Images(Guessing(None, 23))  # read thrice, an odd number each time
