"""A layer's output without a channel is the whole minus that channel's share."""

import pytest
import torch
from small import Fork, random_images
from torch import nn

from carviz.ablation.shares import find_readers, share_of, take
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


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize("filter", [0, 3, 5])
@torch.inference_mode()
def test_a_convolution_without_a_channel(options, filter):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 12, **options))
    network = open_network(model)
    (reader,) = find_readers(network.graph, network.calls("0")[0])
    maps = torch.randn(4, 6, 9, 9)
    zeroed = maps.clone()
    zeroed[:, filter] = 0
    whole = model[1](maps)
    kept = whole.clone()
    share = share_of(network.graph, reader)
    found = share.room(whole, len(maps))
    share.subtract(whole, share.planes(maps)[:, filter], filter, found)
    torch.testing.assert_close(found, model[1](zeroed), rtol=1e-5, atol=1e-5)
    assert torch.equal(whole, kept)
    inside = take(network.graph.get_submodule("1")(maps), torch.tensor([0, 2, 3]), found[:3])
    share.subtract(inside, share.planes(maps)[:, filter][[0, 2, 3]], filter, inside)
    torch.testing.assert_close(inside, model[1](zeroed)[[0, 2, 3]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_rows_are_copied_only_where_they_are_no_run(layout):
    whole = torch.randn(6, 4, 3, 5).to(memory_format=torch.channels_last)
    room = torch.empty(2, 4, 3, 5).to(memory_format=layout)
    view = take(whole, slice(1, 3), room)
    assert view.data_ptr() == whole[1].data_ptr()
    rows = torch.tensor([4, 1])
    taken = take(whole, rows, room)
    assert (taken is room) == (layout is torch.channels_last)
    assert torch.equal(taken, whole[rows])
    flat = torch.randn(6, 7)
    assert torch.equal(take(flat, rows, torch.empty(2, 7)), flat[rows])


@pytest.mark.parametrize(
    "between",
    [
        [nn.Flatten()],
        [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout()],
        [nn.ReLU(), nn.Flatten()],
    ],
    ids=["flat", "pooled", "rectified"],
)
@torch.inference_mode()
def test_a_linear_layer_behind_a_flattening(between):
    images, _ = random_images(size=6)
    before = nn.Sequential(nn.Conv2d(3, 4, 3), *between)
    width = before(images).shape[1]
    model = nn.Sequential(*before, nn.Linear(width, 7), nn.ReLU(), nn.Linear(7, 5)).eval()
    network = open_network(model)
    parts = cut(network.graph, "0", network.unit_ends("0"), moves_into_head, find_readers)
    (reader,) = parts.readers
    assert not parts.reads_bank
    bank, whole = parts.head(images)
    share = share_of(network.graph, reader)
    for filter in range(4):
        zeroed = bank.clone()
        zeroed[:, filter] = 0
        expected = network.model.get_submodule(reader.end.target)(zeroed.flatten(1))
        found = share.room(whole, len(images))
        share.subtract(whole, share.planes(bank)[:, filter], filter, found)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


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
