"""What one channel contributes to the layer that reads it next.

A convolution or a linear layer is a sum over its input channels. So its whole output runs once, in
the head, and the output without a filter is the whole minus that one channel's share: 1/C of the
layer's work.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from carviz.banks import Reader, hands_on

FLATTENING = {torch.flatten, "flatten"}


def find_readers(graph: fx.GraphModule, site: fx.Node) -> list[Reader]:
    """Return the readers of a node whose output is a sum over the node's channels."""
    found = []
    for user in site.users:
        if user.all_input_nodes != [site]:
            continue
        if _is_sum(graph, user, nn.Conv2d):
            found.append(Reader(user, user))
        elif (end := _linear_behind(graph, user)) is not None:
            found.append(Reader(user, end))
    return found


def _is_sum(graph: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> bool:
    if node.op != "call_module":
        return False
    module = graph.get_submodule(str(node.target))
    # A subclass may compute anything, and so may a layer with hooks or a parametrised weight's.
    hooked = bool(module._forward_hooks or module._forward_pre_hooks)
    if type(module) is not kind or hooked:
        return False
    # In half precision a difference of two large sums says little.
    weight: Tensor = module.get_parameter("weight")
    return weight.dtype in (torch.float32, torch.float64)


def _linear_behind(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """Return the linear layer behind a flattening of all but the first axis, if that is all."""
    if not _flattens(graph, node):
        return None
    while len(node.users) == 1:
        node = next(iter(node.users))
        if _is_sum(graph, node, nn.Linear):
            return node
        if not hands_on(node, graph):
            break
    return None


def _flattens(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node flattens all axes but the first."""
    first: Any = 0
    last: Any = -1
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if not isinstance(module, nn.Flatten):
            return False
        first, last = module.start_dim, module.end_dim
    elif node.op in ("call_function", "call_method") and node.target in FLATTENING:
        given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
        first, last = given.get("start_dim", first), given.get("end_dim", last)
    else:
        return False
    return (first, last) == (1, -1)


@dataclasses.dataclass(frozen=True, eq=False)
class ConvolutionShare:
    """One channel's share in a convolution's output.

    The share of a single channel is a thin matrix product, (places, taps) by (taps, channels out),
    and is written so: a convolution of one channel runs several times slower.
    """

    module: nn.Conv2d

    def room(self, whole: Tensor, rows: int) -> Tensor:
        """Return room for `rows` outputs, channels last in memory."""
        _, channels, height, width = whole.shape
        return whole.new_empty((rows, height, width, channels)).permute(0, 3, 1, 2)

    def whole(self, bank: Tensor) -> Tensor:
        """Return the convolution's output with all channels."""
        return self.module(bank)  # type: ignore[no-any-return]

    def planes(self, bank: Tensor) -> Tensor:
        """Return the bank padded, ``(image, channel, height, width)``, channel by channel."""
        conv = self.module
        mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        padded = F.pad(bank, conv._reversed_padding_repeated_twice, mode=mode)
        return _channel_by_channel(padded)

    def subtract(self, whole: Tensor, maps: Tensor, filter: int, out: Tensor) -> None:
        """Write the convolution's output without one channel of its input into `out`.

        Parameters
        ----------
        whole
            ``(row, channel, height, width)``, the output with all channels; may be `out` itself.
        maps
            ``(row, height, width)``, the channel that goes, of `planes`.
        filter
            The channel's number.
        out
            As large as `whole`; from `room`.
        """
        conv = self.module
        inside = conv.in_channels // conv.groups
        outside = conv.out_channels // conv.groups
        group = filter // inside
        reached = slice(group * outside, (group + 1) * outside)
        weight = conv.weight[reached, filter % inside].flatten(1).t()
        windows = self._windows(maps, whole.shape[2], whole.shape[3])
        if conv.groups == 1:
            room = out.permute(0, 2, 3, 1).view(-1, outside)
            if out is whole:
                room.addmm_(windows, weight, alpha=-1)
            else:
                flat = whole.permute(0, 2, 3, 1).reshape(-1, outside)
                torch.addmm(flat, windows, weight, alpha=-1, out=room)
            return
        if out is not whole:
            out.copy_(whole)
        share = (windows @ weight).view(len(maps), *whole.shape[2:], outside)
        out[:, reached] -= share.permute(0, 3, 1, 2)

    def _windows(self, maps: Tensor, height: int, width: int) -> Tensor:
        """Return what each place of the output sees of the channel, ``(place, tap)``."""
        conv = self.module
        row, down, across = maps.stride()
        size = (len(maps), height, width, *conv.kernel_size)
        stride = (
            row, down * conv.stride[0], across * conv.stride[1],
            down * conv.dilation[0], across * conv.dilation[1],
        )  # fmt: skip
        taps = conv.kernel_size[0] * conv.kernel_size[1]
        return maps.as_strided(size, stride, maps.storage_offset()).reshape(-1, taps)


@dataclasses.dataclass(frozen=True, eq=False)
class LinearShare:
    """One channel's share in the output of a linear layer behind a flattening."""

    module: nn.Linear

    def room(self, whole: Tensor, rows: int) -> Tensor:
        """Return room for `rows` outputs."""
        return whole.new_empty((rows, whole.shape[1]))

    def whole(self, bank: Tensor) -> Tensor:
        """Return the linear layer's output with all channels."""
        return self.module(bank.flatten(1))  # type: ignore[no-any-return]

    def planes(self, bank: Tensor) -> Tensor:
        """Return the bank flattened, ``(image, channel, place)``, each channel in one piece."""
        return _channel_by_channel(bank.flatten(2))

    def subtract(self, whole: Tensor, maps: Tensor, filter: int, out: Tensor) -> None:
        """Write the linear layer's output without one channel; see `ConvolutionShare`."""
        places = maps[0].numel()
        weight = self.module.weight[:, filter * places : (filter + 1) * places]
        if out is whole:
            out.addmm_(maps, weight.t(), alpha=-1)
        else:
            torch.addmm(whole, maps, weight.t(), alpha=-1, out=out)


def take(whole: Tensor, images: slice | Tensor, room: Tensor) -> Tensor:
    """Return some rows of `whole`: a view of them, or a copy that is made where it will be needed.

    Parameters
    ----------
    room
        As many rows, of the same layout in memory; they are written to if rows are copied.
    """
    if isinstance(images, slice):
        return whole[images]
    if whole.stride()[1:] != room.stride()[1:] or not _is_dense(whole):
        return whole[images]
    torch.index_select(_rows(whole), 0, images, out=_rows(room))
    return room


def _is_dense(maps: Tensor) -> bool:
    return maps.stride(0) == maps[0].numel()


def _rows(maps: Tensor) -> Tensor:
    """Return maps as one row of numbers each, in the order that they have in memory."""
    return maps.as_strided((len(maps), maps[0].numel()), (maps.stride(0), 1))


def _channel_by_channel(maps: Tensor) -> Tensor:
    """Return the same tensor, laid out in memory with the channel first."""
    return maps.transpose(0, 1).contiguous().transpose(0, 1)


def share_of(graph: fx.GraphModule, reader: Reader) -> ConvolutionShare | LinearShare:
    """Return how to subtract a channel from a reader's output."""
    module = graph.get_submodule(str(reader.end.target))
    if isinstance(module, nn.Conv2d):
        return ConvolutionShare(module)
    assert isinstance(module, nn.Linear)
    return LinearShare(module)
