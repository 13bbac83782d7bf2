"""Names of classes belong to the labels of the Dataset that holds them."""

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from carviz.evaluate import Images

LABELS = [number % 3 for number in range(60)]


class Pictures(Dataset):
    classes = ("ant", "bee", "cat")

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self):
        return 60

    def __getitem__(self, number):
        return torch.full((1, 2, 2), float(number)), LABELS[number]


class Bare(Pictures):
    classes = None


class Wrapper(Dataset):
    """Data that changes labels, as people write it."""

    def __init__(self, dataset, change=lambda y: y):
        self.dataset, self.change = dataset, change

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, number):
        image, label = self.dataset[number]
        return image, self.change(label)


class Reader:
    def __init__(self):
        self.class_to_idx = {"bee": 1, "ant": 0, "cat": 2}
        self.samples = [(f"{n}.png", label) for n, label in enumerate(LABELS)]


class Feature:
    names = ("ant", "bee", "cat")


NAMED = {
    "classes": Pictures(),
    "class_to_idx": Bare(class_to_idx={"bee": 1, "ant": 0, "cat": 2}),
    "class_to_idx in another order": Pictures(
        classes=["cat", "bee", "ant"], class_to_idx={"bee": 1, "ant": 0, "cat": 2}
    ),
    "a reader, as timm has it": Bare(reader=Reader()),
    "features, as Hugging Face has them": Bare(features={"image": 1, "label": Feature()}),
    "a loader of a subset": DataLoader(Subset(Pictures(targets=LABELS), range(3, 50))),
    "a wrapper": Wrapper(Pictures()),
    "a wrapper of known labels": Wrapper(Pictures(targets=LABELS)),
    "a subset of a wrapper": Subset(Wrapper(Pictures()), range(3, 50)),
    "chained": ConcatDataset([Pictures(), Subset(Pictures(), range(20))]),
    "chained wrappers": ConcatDataset([Wrapper(Pictures()), Pictures()]),
}


@pytest.mark.parametrize("source", NAMED.values(), ids=NAMED.keys())
def test_names_are_found(source):
    images = Images(source)
    assert images.classes == ("ant", "bee", "cat")
    images.read(range(len(images)))


class RelabelledSubset(Subset):
    def __getitem__(self, number):
        image, label = super().__getitem__(number)
        return image, 2 - label

    def __getitems__(self, numbers):
        return [self[number] for number in numbers]


class RelabelledChain(ConcatDataset):
    def __getitem__(self, number):
        image, label = super().__getitem__(number)
        return image, 2 - label


class HandingOn(Wrapper):
    def __getattr__(self, name):
        return getattr(self.__dict__["dataset"], name)


class Boxes(Pictures):
    def __getitem__(self, number):
        image, label = super().__getitem__(number)
        return image, {"label": label, "boxes": []}


UNNAMED = {
    "relabelled": Wrapper(Pictures(), lambda y: y % 2),
    "relabelled, of known labels": Wrapper(Pictures(targets=LABELS), lambda y: y % 2),
    "relabelled in a subset": Subset(Wrapper(Pictures(), lambda y: 2 - y), range(3, 50)),
    "by a transform of its own": Pictures(targets=[2 - label for label in LABELS]),
    "chained, of other classes": ConcatDataset([Pictures(), Pictures(classes=("x", "y", "z"))]),
    "chained, relabelled": ConcatDataset([Pictures(), Wrapper(Pictures(), lambda y: 2 - y)]),
    "relabelled by a kind of subset": RelabelledSubset(Pictures(), range(3, 50)),
    "relabelled by a kind of chain": RelabelledChain([Pictures(), Pictures()]),
    "relabelled by what hands all else on": HandingOn(Pictures(), lambda y: 2 - y),
    "of what holds no plain label": Wrapper(Boxes(), lambda boxes: boxes["label"]),
    "no names": Bare(),
    "numbers with a gap": Bare(class_to_idx={"ant": 0, "cat": 2}),
    "nothing to be found inside": Wrapper(Bare()),
}


@pytest.mark.parametrize("source", UNNAMED.values(), ids=UNNAMED.keys())
def test_names_of_other_labels_are_not_taken(source):
    assert Images(source).classes is None


@pytest.mark.parametrize("inner", [Pictures(), Pictures(targets=LABELS)])
def test_a_label_that_is_changed_where_no_image_was_tried_is_refused(inner):
    tried = Images(inner)._tried()
    late = next(number for number in range(60) if number not in tried and LABELS[number])

    class Late(Wrapper):
        def __getitem__(self, number):
            image, label = self.dataset[number]
            return image, 0 if number == late else label

    images = Images(Late(inner))
    assert images.classes == ("ant", "bee", "cat")
    with pytest.raises(ValueError, match=f"image {late} comes with label 0"):
        images.read(range(60))
