"""Every kind of data that crosses the front door, and what is refused."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)

from carviz.evaluate import Images

IMAGES, LABELS = torch.rand(10, 3, 4, 4), torch.arange(10) % 3


class Named(Dataset):
    """As torchvision's datasets are: classes, targets, samples."""

    classes = ("a", "b", "c")
    targets = tuple(LABELS.tolist())
    samples = tuple((f"{i}.png", int(y)) for i, y in enumerate(LABELS))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return IMAGES[index], int(LABELS[index])


SOURCES = {
    "pair": (IMAGES, LABELS),
    "arrays": [IMAGES.numpy(), LABELS.numpy()],
    "dataset": Named(),
    "tensor dataset": TensorDataset(IMAGES, LABELS),
    "list": [(x, int(y)) for x, y in zip(IMAGES, LABELS, strict=True)],
    "loader": DataLoader(Named(), batch_size=3, shuffle=True),
    "loader with workers": DataLoader(Named(), batch_size=3, shuffle=True, num_workers=1),
    "collated": DataLoader(
        Named(), collate_fn=lambda items: (
            torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items]),
        ),
    ),
    "subset": Subset(ConcatDataset([Named(), Named()]), list(range(10, 20))),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_images_are_read_by_number(source):
    images = Images(source)
    assert len(images) == 10
    chunks = [[7, 2, 4, 1], [0], [9, 8]]
    for chunk, (found, labels) in zip(chunks, images.batches(chunks), strict=True):
        torch.testing.assert_close(found, IMAGES[chunk])
        assert labels.tolist() == LABELS[chunk].tolist()
        assert labels.dtype == torch.int64
    assert images.read([3])[1].tolist() == [0]


@pytest.mark.parametrize("name", ["dataset", "loader", "subset"])
def test_class_names_and_labels_are_found_through_wrappers(name):
    images = Images(SOURCES[name])
    assert images.classes == ("a", "b", "c")
    assert images.hints.tolist() == LABELS.tolist()


def test_labels_may_be_unknown_before_reading():
    assert Images(SOURCES["list"]).hints is None
    assert Images(SOURCES["list"]).classes is None


def test_synonyms_give_their_first_name():
    data = Named()
    data.classes = [("tench", "Tinca tinca"), ("goldfish",), "shark"]
    assert Images(data).classes == ("tench", "goldfish", "shark")


class Broken(Named):
    def __getitem__(self, index):
        if index == 6:
            raise OSError("cannot identify image file")
        return super().__getitem__(index)


def test_an_unreadable_image_names_its_file():
    with pytest.raises(ValueError, match=r"image 6 \(6\.png\) is not: OSError") as caught:
        Images(Broken()).read([5, 6])
    assert isinstance(caught.value.__cause__, OSError)


class Endless(IterableDataset):
    def __iter__(self):
        yield IMAGES[0], 0


def items(change):
    return [change(i, x, int(y)) for i, (x, y) in enumerate(zip(IMAGES, LABELS, strict=True))]


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (Endless(), TypeError, "map-style"),
        (DataLoader(Endless()), TypeError, "map-style"),
        ({"x": 1}, TypeError, "found dict"),
        (None, TypeError, "found NoneType"),
        ([], ValueError, "one image at least"),
        ((IMAGES[:3], LABELS), ValueError, "3 images and 10 labels"),
        ((IMAGES.byte(), LABELS), TypeError, r"torch\.uint8"),
        ((IMAGES[:, 0], LABELS), ValueError, r"\(10, 4, 4\)"),
        ((IMAGES, LABELS + 0.5), ValueError, r"image 0 has 0\.5"),
        ((IMAGES, torch.ones(10, 10)), ValueError, "with 10 ones"),
        (items(lambda i, x, y: x), TypeError, r"item \d is a tensor of shape"),
        (items(lambda i, x, y: (x.numpy(), y)), TypeError, "is a ndarray"),
        (items(lambda i, x, y: (x, "cat")), TypeError, "has 'cat'"),
        (items(lambda i, x, y: (x, 0.5)), ValueError, r"has 0\.5"),
        (items(lambda i, x, y: (x[:, i:], y)), ValueError, "one size; image 1"),
    ],
)
def test_other_data_is_refused(data, kind, words):
    with pytest.raises(kind, match=words):
        Images(data).read([0, 3])


def test_the_first_bad_image_is_named():
    bad = IMAGES.clone()
    bad[4, 0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match="image 4 holds NaN or infinity"):
        Images((bad, LABELS)).read([2, 4, 5])
    with pytest.raises(ValueError, match="image 8 has label -2"):
        Images((IMAGES, torch.where(torch.arange(10) == 8, -2, LABELS))).read([1, 8])


class Random(Named):
    def __getitem__(self, index):
        return torch.rand(3, 4, 4), 0


def test_data_that_changes_between_readings_is_refused():
    with pytest.raises(ValueError, match="twice gave others"):
        Images(Random())


def test_numpy_numbers_serve_as_well():
    found, _ = Images(SOURCES["pair"]).read(np.array([1, 5]))
    torch.testing.assert_close(found, IMAGES[[1, 5]])


def test_what_is_in_memory_is_known():
    class Made(Named):
        def __getitem__(self, index):
            return IMAGES[index] + 1, int(LABELS[index])

    pair = TensorDataset(IMAGES, LABELS)
    for data in ((IMAGES, LABELS), pair, Named(), Subset(pair, [3, 4, 5]), DataLoader(pair)):
        assert Images(data).in_memory
    for data in (Made(), DataLoader(pair, num_workers=1), DataLoader(pair, collate_fn=_collated)):
        assert not Images(data).in_memory


def _collated(items):
    return default_collate(items)


def test_all_images_come_once_in_batches():
    images, labels = torch.arange(7.0).view(7, 1, 1, 1), torch.arange(7)
    batches = list(Images((images, labels)).in_batches(3))
    assert [numbers for numbers, _, _ in batches] == [range(3), range(3, 6), range(6, 7)]
    assert torch.equal(torch.cat([batch for _, batch, _ in batches]), images)
    assert torch.equal(torch.cat([found for _, _, found in batches]), labels)


def _sorted(items):
    return default_collate(sorted(items, key=lambda item: -item[1]))


def _filled_up(items):
    kept = [item for item in items if item[1] != 2]
    return default_collate((kept * 3)[: len(items)] if kept else items)


def _centred(items):
    images, labels = default_collate(items)
    return images - images.mean(0), labels


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("collate", [_sorted, _filled_up, _centred])
def test_a_collate_fn_that_does_not_give_each_image_its_place_is_refused(collate, workers):
    loader = DataLoader(Named(), 4, collate_fn=collate, num_workers=workers)
    with pytest.raises(ValueError, match="collate_fn must give each image in its place"):
        Images(loader)


class Wider(Named):
    """One image, which is none of those that are tried, is wider than the others."""

    def __len__(self):
        return 100

    def __getitem__(self, index):
        return torch.ones(3, 4, 5 if index == 50 else 4), 0


def _padded(items):
    widest = max(image.shape[-1] for image, _ in items)
    images = [torch.nn.functional.pad(x, (0, widest - x.shape[-1])) for x, _ in items]
    return torch.stack(images), torch.tensor([label for _, label in items])


@pytest.mark.parametrize("workers", [0, 1])
def test_images_padded_to_the_widest_of_a_batch_are_refused(workers):
    images = Images(DataLoader(Wider(), 10, collate_fn=_padded, num_workers=workers))
    assert 50 not in images._tried()
    assert images.read(range(50))[0].shape == (50, 3, 4, 4)
    with pytest.raises(ValueError, match=r"Images must have one size; image 50 is \(3, 4, 5\)"):
        images.read(range(50, 60))


class Holed(Wider):
    """As data does that answers None where a file cannot be read, or raises."""

    def __init__(self, error=None):
        self.error = error

    def __getitem__(self, index):
        if index == 50 and self.error:
            raise self.error
        return None if index == 50 else (torch.full((3, 4, 4), float(index)), 0)


def _without_none(items):
    kept = [item for item in items if item is not None]
    return default_collate((kept * 2)[: len(items)])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("error", [None, OSError("cut short")])
def test_an_image_that_a_worker_or_a_collate_fn_passes_over_is_named(error, workers):
    loader = DataLoader(Holed(error), 10, collate_fn=_without_none, num_workers=workers)
    with pytest.raises(ValueError, match=r"image 50 is not: (OSError: cut short|.* gives None)"):
        Images(loader).read(range(100))


class Opened(Wider):
    """As data is that opens its file in each worker (HDF5)."""

    file = None

    def __getitem__(self, index):
        return self.file[index], 0


def _open(worker):
    get_worker_info().dataset.file = torch.arange(100.0)[:, None, None, None].expand(100, 3, 4, 4)


def test_data_that_is_made_ready_in_workers_is_read_there():
    images = Images(DataLoader(Opened(), 10, num_workers=1, worker_init_fn=_open))
    assert images.read([7, 90])[0][:, 0, 0, 0].tolist() == [7, 90]


class Augmented(Wider):
    def __getitem__(self, index):
        return torch.full((3, 4, 4), random.random()), 0


def _seed(worker):
    random.seed(1)


def test_random_data_is_refused_where_all_workers_begin_alike():
    with pytest.raises(ValueError, match="twice gave others"):
        Images(DataLoader(Augmented(), 24, num_workers=2, worker_init_fn=_seed))


def test_reading_with_workers_leaves_the_random_state():
    state = torch.get_rng_state()
    Images(DataLoader(Named(), 4, num_workers=1)).read(range(10))
    assert torch.equal(torch.get_rng_state(), state)


class Wary(torch.Tensor):
    """As MONAI's tensors are: they refuse to be cut by a mask."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.__getitem__ or "flatten" in function.__name__:
            raise ValueError("inconsistent metadata")
        return super().__torch_function__(function, types, args, kwargs)


def test_tensors_of_other_libraries_become_plain_ones():
    def collate(items):
        return default_collate(items)[0].as_subclass(Wary), torch.tensor([y for _, y in items])

    found, _ = Images(DataLoader(Named(), 4, collate_fn=collate)).read(range(10))
    assert type(found) is torch.Tensor
    assert torch.equal(found, IMAGES)
