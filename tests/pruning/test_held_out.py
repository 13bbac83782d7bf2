"""Held-out images are compared one by one, and by what their labels mean."""

import pytest
import torch
from torch.utils.data import Dataset, Subset

import carviz
from carviz.evaluate import Images
from carviz.pruning import check_held_out


class Named(Dataset):
    """Four images with the names of their classes."""

    def __init__(self, classes, seed):
        self.classes = classes
        self.images = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(seed))

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return self.images[number], number % 2


def test_labels_that_mean_other_classes_are_refused():
    data, others = Named(["cat", "dog"], 0), Named(["dog", "cat"], 1)
    with pytest.raises(ValueError, match="label 0 is 'dog' there, and 'cat' here"):
        check_held_out(Images(data), Images(others))
    with pytest.raises(ValueError, match="found 3 classes beside 2"):
        check_held_out(Images(data), Images(Named(["cat", "dog", "fox"], 1)))
    check_held_out(Images(data), Images(Named(["cat", "dog"], 1)))


@pytest.mark.parametrize("held_out", [range(5, 9), range(32), [31, 9]])
def test_a_part_of_the_data_that_shares_images_is_refused(held_out):
    data = carviz.load_data("shapes", limit=2)
    chosen = Images(Subset(data, range(10)))
    shared = len(set(held_out) & set(range(10)))
    with pytest.raises(ValueError, match=rf"found {shared} images? of {len(held_out)} in both"):
        check_held_out(chosen, Images(Subset(data, held_out)))
    check_held_out(chosen, Images(Subset(data, range(10, 32))))


def test_reading_them_can_be_ended():
    def end():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_held_out(Images(Named(["a", "b"], 0)), Images(Named(["a", "b"], 1)), end)
