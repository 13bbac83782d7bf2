"""A layer's output without a channel is the whole minus that channel's share."""

import numpy as np
import pytest
import torch
from support.small import Fork, random_images
from torch import nn

from carviz.ablation import shares
from carviz.ablation.batches import Batch
from carviz.ablation.shares import find_readers, share_of
from carviz.ablation.steps import moves_into_head
from carviz.banks import cut, open_network

CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "padded": {"kernel_size": 5, "padding": 2},
    "same": {"kernel_size": 5, "padding": "same"},
    "strided": {"kernel_size": 3, "stride": (2, 1), "padding": (0, 1)},
    "dilated": {"kernel_size": 3, "dilation": 2, "padding": 2},
    "circular": {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    "reflect": {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    "grouped": {"kernel_size": 3, "groups": 3},
    "depthwise": {"kernel_size": 3, "groups": 6},
    "one by one": {"kernel_size": 1, "bias": False},
}


ROWS = np.array([0, 2, 3, 0, 1, 1])
SETS = np.array([[0, 5], [3, 3 - 4], [-1, -1], [4, 5], [1, 2], [-1, 0]])
LAYOUTS = [torch.channels_last, torch.contiguous_format]


def judged(share, bank, whole_of, batch):
    """Compare a share's answer with a layer that is run without the channels."""
    whole = share.whole(bank)
    kept = whole.clone()
    found = share.without(share.planes(bank), whole, batch)
    rows = range(len(bank)) if batch.rows is None else batch.rows.tolist()
    for row, image in enumerate(rows):
        zeroed = bank[image : image + 1].clone()
        gone = batch.sets[min(row, len(batch.sets) - 1)]
        zeroed[:, gone[gone >= 0]] = 0
        torch.testing.assert_close(found[row : row + 1], whole_of(zeroed), rtol=1e-5, atol=1e-5)
    assert len(found) == len(rows)
    assert torch.equal(whole, kept)
    return found


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize("layout", LAYOUTS, ids=["last", "first"])
@pytest.mark.parametrize("many", [shares.MANY, 0], ids=["as it is", "sets subtracted"])
@torch.inference_mode()
def test_a_convolution_without_channels(options, layout, many, monkeypatch):
    monkeypatch.setattr(shares, "MANY", many)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 12, **options))
    network = open_network(model)
    (reader,) = find_readers(network.graph, network.calls("0")[0])
    share = share_of(network.graph, reader)
    maps = torch.randn(4, 6, 9, 9).to(memory_format=layout)
    for batch in (
        Batch.of(ROWS, SETS),
        Batch.of(ROWS, SETS[:, :1]),
        Batch.of(ROWS, np.sort(np.argsort(np.outer(ROWS + 2, [5, 3, 1, 4, 2, 6]) % 7)[:, :5])),
        Batch.together([4]),
        Batch.together([0, 2, 5]),
        Batch.together([]),
    ):
        found = judged(share, maps, model[1], batch)
        whole = share.whole(maps)
        assert found.stride()[1:] == whole.stride()[1:]


@torch.inference_mode()
def test_infinity_in_a_channel_is_the_row_s_own_that_does_not_lose_it():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 3, 1, groups=1))
    (reader,) = find_readers((network := open_network(model)).graph, network.calls("0")[0])
    share = share_of(network.graph, reader)
    maps = torch.randn(2, 2, 3, 3)
    maps[0, 1] = torch.inf
    whole = share.whole(maps)
    batch = Batch.of(np.array([0, 1]), np.array([[-1], [0]]))
    assert torch.equal(share.without(share.planes(maps), whole, batch)[0], whole[0])


@pytest.mark.parametrize(
    "between",
    [
        [nn.Flatten()],
        [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout()],
        [nn.ReLU(), nn.Flatten()],
    ],
    ids=["flat", "pooled", "rectified"],
)
@pytest.mark.parametrize("many", [shares.MANY, 0], ids=["as it is", "sets subtracted"])
@torch.inference_mode()
def test_a_linear_layer_behind_a_flattening(between, many, monkeypatch):
    monkeypatch.setattr(shares, "MANY", many)
    images, _ = random_images(size=6)
    before = nn.Sequential(nn.Conv2d(3, 4, 3), *between)
    width = before(images).shape[1]
    model = nn.Sequential(*before, nn.Linear(width, 7), nn.ReLU(), nn.Linear(7, 5)).eval()
    network = open_network(model)
    parts = cut(network.graph, "0", network.unit_ends("0"), moves_into_head, find_readers)
    (reader,) = parts.readers
    assert not parts.reads_bank
    bank, _ = parts.head(images)
    share = share_of(network.graph, reader)
    end = network.model.get_submodule(reader.end.target)
    sets = np.array([[c, -1 if c % 2 else 3] for c in range(4) for _ in range(5)])
    rows = np.arange(20) % len(bank)
    several = Batch.of(rows[:3], sets[:3]), Batch.together([1, 3])
    for batch in (Batch.of(rows, sets), Batch.of(rows, sets[:, :1]), Batch.together([2]),
                  *several, Batch.together([])):  # fmt: skip
        judged(share, bank, lambda zeroed: end(zeroed.flatten(1)), batch)


@pytest.mark.parametrize("skip", [False, True])
def test_several_readers(skip):
    network = open_network(Fork(skip))
    ends = network.unit_ends("first")
    parts = cut(network.graph, "first", ends, moves_into_head, find_readers)
    assert [r.end.target for r in parts.readers] == ["narrow", "wide"]
    assert parts.reads_bank is skip


class Doubling(nn.Conv2d):
    def forward(self, maps):
        return super().forward(2 * maps) ** 2


@pytest.mark.parametrize(
    "reader",
    [
        Doubling(4, 2, 1),
        nn.Sequential(nn.Flatten(2), nn.Linear(100, 3)),
        nn.Conv2d(4, 2, 1).half(),
        nn.BatchNorm2d(4),
        nn.Sigmoid(),
    ],
    ids=["subclass", "not all flattened", "half precision", "norm", "sigmoid"],
)
def test_what_is_no_sum_over_channels_is_left_alone(reader):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity(), reader)
    network = open_network(model)
    identity = next(iter(network.calls("0")[0].users))
    assert find_readers(network.graph, identity) == []
