"""Of a DataLoader those images are measured that its sampler gives, or it is refused."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from carviz.evaluate import Images
from carviz.evaluate.samplers import sampled_numbers

DATA = TensorDataset(torch.rand(20, 1, 2, 2), torch.arange(20))
TEN = list(range(5, 15))


class Own(Sampler):
    """A sampler that carviz has never met."""

    def __init__(self, numbers, shuffle=False):
        self.numbers, self.shuffle, self.epoch = numbers, shuffle, 0

    def __iter__(self):
        self.epoch += 1
        numbers = self.numbers() if callable(self.numbers) else list(self.numbers)
        if self.shuffle:
            random.shuffle(numbers)
        return iter(numbers)


class Endless(Sampler):
    def __iter__(self):
        while True:
            yield from TEN


class EmptyBatches(Sampler):
    def __iter__(self):
        while True:
            yield []


def drawn_by_numpy():
    return np.random.permutation(20)[:10].tolist()  # noqa: NPY002 (as older samplers draw)


class KindOfDistributed(DistributedSampler):
    """As MONAI has one, which goes through the images as torch's does."""


def rank(number, kind=DistributedSampler, **options):
    return kind(DATA, num_replicas=3, rank=number, **options)


GIVEN = {
    "none": (DataLoader(DATA), range(20)),
    "shuffled": (DataLoader(DATA, shuffle=True, batch_size=3), range(20)),
    "batches of none": (DataLoader(DATA, batch_size=None), range(20)),
    "a subset": (DataLoader(DATA, 4, sampler=SubsetRandomSampler(TEN[::-1])), TEN),
    "sequential": (DataLoader(DATA, 4, sampler=SequentialSampler(range(7))), range(7)),
    "a random one of fewer": (DataLoader(DATA, 4, sampler=RandomSampler(range(7))), range(7)),
    "a list": (DataLoader(DATA, 4, sampler=[7, 3, 5]), [3, 5, 7]),
    "from behind": (DataLoader(DATA, 4, sampler=[-1, 0]), [0, 19]),
    "batches": (DataLoader(DATA, batch_sampler=[[9, 8], [1, 2, 3]]), [1, 2, 3, 8, 9]),
    "torch's batches": (
        DataLoader(DATA, batch_sampler=BatchSampler(SubsetRandomSampler(TEN), 3, False)), TEN,
    ),
    "the last dropped, in order": (DataLoader(DATA, 8, drop_last=True), range(16)),
    "nothing to drop": (DataLoader(DATA, 5, shuffle=True, drop_last=True), range(20)),
    "an own one": (DataLoader(DATA, 4, sampler=Own(TEN, shuffle=True)), TEN),
    "weights of zero": (
        DataLoader(DATA, 4, sampler=WeightedRandomSampler([1.0] * 7 + [0.0] * 13, 7, False)),
        range(7),
    ),
    "numbers of NumPy and torch": (
        DataLoader(DATA, 4, sampler=[np.int64(3), torch.tensor(4)]), [3, 4],
    ),
    "rank 0 of 3, in order": (DataLoader(DATA, 4, sampler=rank(0, shuffle=False)), range(0, 20, 3)),
    # 20 images for three ranks: the last one's last image would be image 0 once more.
    "rank 2 of 3, in order": (DataLoader(DATA, 4, sampler=rank(2, shuffle=False)), range(2, 20, 3)),
    "rank 2 of 3, of a kind of them": (
        DataLoader(DATA, 4, sampler=rank(2, KindOfDistributed, shuffle=False)), range(2, 20, 3),
    ),
    "rank 2 of 3, the last dropped": (
        DataLoader(DATA, 4, sampler=rank(2, shuffle=False, drop_last=True)), range(2, 18, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("loader", "numbers"), GIVEN.values(), ids=GIVEN.keys())
def test_the_images_of_a_sampler_are_read_in_the_order_of_the_data(loader, numbers):
    images = Images(loader)
    assert len(images) == len(numbers)
    found, labels = images.read(range(len(numbers)))
    assert labels.tolist() == list(numbers)
    assert torch.equal(found, DATA.tensors[0][list(numbers)])
    assert images.hints.tolist() == list(numbers)


def test_shuffled_ranks_share_all_images_without_repeating_one():
    ranks = [sampled_numbers(DataLoader(DATA, sampler=rank(r, shuffle=True))) for r in range(3)]
    assert sorted(np.concatenate(ranks).tolist()) == list(range(20))


REFUSED = {
    "replacement": (DataLoader(DATA, sampler=RandomSampler(DATA, replacement=True)), "replacement"),
    "fewer": (DataLoader(DATA, sampler=RandomSampler(DATA, num_samples=19)), "num_samples=19"),
    "more": (DataLoader(DATA, sampler=RandomSampler(DATA, num_samples=30)), "num_samples=30"),
    "weights": (
        DataLoader(DATA, sampler=WeightedRandomSampler([1.0] * 20, 20)), "with replacement",
    ),
    "fewer by weight": (
        DataLoader(DATA, sampler=WeightedRandomSampler([1.0] * 20, 19, False)), "num_samples=19",
    ),
    "drop_last": (DataLoader(DATA, 8, shuffle=True, drop_last=True), "drop_last=False"),
    "drop_last of two": (
        DataLoader(DATA, 2, sampler=SubsetRandomSampler([1, 2, 3]), drop_last=True), "leaves 1 of",
    ),
    "drop_last of an own one": (
        DataLoader(DATA, 4, sampler=Own(TEN, shuffle=True), drop_last=True), "drop_last=False",
    ),
    "without end": (DataLoader(DATA, sampler=Endless()), "gives image 5 twice"),
    "batches without end": (DataLoader(DATA, batch_sampler=EmptyBatches()), "without images"),
    "batches that repeat": (DataLoader(DATA, batch_sampler=[[1, 2], [2, 3]]), "image 2 twice"),
    "one that draws": (
        DataLoader(DATA, sampler=Own(lambda: random.sample(range(20), 10))), "others each time",
    ),
    "one of NumPy's draws": (
        DataLoader(DATA, sampler=Own(drawn_by_numpy)), "others each time",
    ),
    "read once": (DataLoader(DATA, sampler=iter(TEN)), "once only"),
    "outside": (DataLoader(DATA, sampler=[3, 20]), "gives 20 for a Dataset of 20"),
    "no numbers": (DataLoader(DATA, sampler=["a"]), "'a', no number"),
    "ranks that drop": (
        DataLoader(DATA, sampler=rank(0, shuffle=True, drop_last=True)), "drop_last=False",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("loader", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_fixed_set_is_refused(loader, words):
    with pytest.raises(ValueError, match=words) as caught:
        Images(loader)
    assert "Subset" in str(caught.value) or "drop_last=False" in str(caught.value)


def test_random_states_and_samplers_stay_as_they_were():
    generator = torch.Generator().manual_seed(3)
    own = Own(TEN, shuffle=True)
    loaders = [
        DataLoader(DATA, sampler=SubsetRandomSampler(TEN, generator=generator)),
        DataLoader(DATA, sampler=own),
    ]
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), random.getstate(), generator.get_state()
    drawn = np.random.get_state()[1].tolist()  # noqa: NPY002
    for loader in loaders:
        Images(loader)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert torch.equal(before[2], generator.get_state())
    assert drawn == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert own.epoch == 0


def test_workers_read_the_same_images():
    loader = DataLoader(DATA, 3, sampler=SubsetRandomSampler(TEN), num_workers=1)
    images = Images(loader)
    assert images.read([0, 9, 4])[1].tolist() == [5, 14, 9]


def test_an_unreadable_image_is_named_by_the_file_that_the_sampler_meant():
    class Files(torch.utils.data.Dataset):
        samples = tuple((f"{number}.png", 0) for number in range(40))

        def __len__(self):
            return 40

        def __getitem__(self, number):
            if number == 30:
                raise OSError("cut short")
            return torch.rand(1, 2, 2), 0

    with pytest.raises(ValueError, match=r"image 0 \(30\.png\)"):
        Images(DataLoader(Files(), sampler=[30]))


def test_a_subset_of_the_same_images_is_the_same_data():
    from carviz.evaluate import fingerprint_images

    loader = DataLoader(DATA, sampler=SubsetRandomSampler(TEN))
    assert fingerprint_images(Images(loader)) == fingerprint_images(Images(Subset(DATA, TEN)))


def test_a_table_of_a_sampler_has_its_images_only():
    from torch import nn

    import carviz

    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 20)
    )
    loader = DataLoader(DATA, 4, sampler=SubsetRandomSampler(TEN))
    table = carviz.measure_car(network, loader, "0", progress=False)
    assert table.total == 10
    assert table.targets.tolist() == TEN


@pytest.mark.parametrize("workers", [0, 1])
def test_without_batches_collate_fn_is_given_items(workers):
    loader = DataLoader(
        DATA, batch_size=None, collate_fn=lambda item: (item[0] * 2, item[1]), num_workers=workers
    )
    images, labels = Images(loader).read([3, 1])
    assert torch.equal(images, 2 * DATA.tensors[0][[3, 1]])
    assert labels.tolist() == [3, 1]


def test_a_loader_that_may_change_images_on_the_way_is_refused():
    class Normalising(DataLoader):
        def __iter__(self):
            for images, labels in super().__iter__():
                yield images - 0.5, labels

    with pytest.raises(ValueError, match="found a Normalising, which goes through"):
        Images(Normalising(DATA, 4))
