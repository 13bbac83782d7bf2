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

from carviz.ablation.batches import PIECES, Batch
from carviz.banks import Reader, hands_on, zero_channels

FLATTENING = {torch.flatten, "flatten"}
MANY = 4
"""Of a set that is more than one part in so many of the bank shares are not summed up: the layer
runs again on what is left. That takes less room, and is no dearer; against float64 both are as far
off as float32 is in the network itself, to a factor of two or so."""


def find_readers(graph: fx.GraphModule, site: fx.Node) -> list[Reader]:
    """Return the readers of a node whose output is a sum over the node's channels."""
    found = []
    for user in site.users:
        # What reads a second tensor as well is no sum over the bank's channels alone.
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
    and is written so: a convolution of one channel runs several times slower. The products of all
    rows of a batch are one call, whatever channels they lose.
    """

    module: nn.Conv2d

    def whole(self, bank: Tensor) -> Tensor:
        """Return the convolution's output with all channels."""
        return self.module(bank)  # type: ignore[no-any-return]

    def planes(self, bank: Tensor) -> Tensor:
        """Return the bank padded, ``(image, channel, height, width)``, each plane in one piece."""
        conv = self.module
        mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        # Padded beforehand, so that every window lies inside a plane and can be cut as a view. The
        # module's own list also tells what 'same' puts on one side only.
        padded = F.pad(bank, conv._reversed_padding_repeated_twice, mode=mode)
        return padded.contiguous()

    def without(self, planes: Tensor, whole: Tensor, batch: Batch) -> Tensor:
        """Return the convolution's output of a batch's rows without the channels that they lose.

        Parameters
        ----------
        planes, whole
            What `planes` and `whole` gave, of all images.
        batch
            The rows.

        Returns
        -------
        torch.Tensor
            ``(row, channel, height, width)``, fresh, laid out in memory as `whole` is.
        """
        last = whole.is_contiguous(memory_format=torch.channels_last)
        if _are_many(batch, planes.shape[1]):
            conv = self.module
            left = _left(planes, batch)
            again = F.conv2d(
                left, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups
            )
            return again.contiguous(memory_format=torch.channels_last) if last else again
        # (image, place, channel) or (image, channel, place): the order in memory.
        flat = whole.permute(0, 2, 3, 1).flatten(1, 2) if last else whole.flatten(2)
        # A copy: the whole output serves every batch of these images.
        room = flat.clone() if batch.rows is None else flat.index_select(0, batch.rows)
        if not batch.loses_nothing:
            channels = batch.channels.expand(len(room), -1)
            windows = self._windows(_taken(planes, batch, channels), *whole.shape[2:])
            channels = channels.clamp(min=0)  # of none there are zeros
            if self.module.groups == 1:
                self._subtract(room, windows, channels, last)
            else:
                self._subtract_in_groups(room, windows, channels, last)
        _, depth, height, width = whole.shape
        if last:
            return room.view(-1, height, width, depth).permute(0, 3, 1, 2)
        return room.view(-1, depth, height, width)

    def row_bytes(self, planes: Tensor, whole: Tensor, lost: int = 1) -> int:
        """Return the bytes of the largest tensor that a row takes beside its output."""
        if lost > 1 and lost * MANY > planes.shape[1]:
            return planes[0].nbytes
        # The larger of what is multiplied: windows (place, tap) and weights (tap, channel out).
        taps = self.module.kernel_size[0] * self.module.kernel_size[1]
        _, depth, height, width = whole.shape
        return lost * taps * max(height * width, depth) * whole.element_size()

    def _subtract(self, room: Tensor, windows: Tensor, channels: Tensor, last: bool) -> None:
        """Subtract (row, set, place, tap) by the channels' weights from `room`, in place."""
        # (channel, tap, channel out): fetched so that each row's weights are one piece, without
        # which the product takes ten times as long where a kernel has one tap.
        weight = self.module.weight.flatten(2).permute(1, 2, 0)
        chosen = weight.index_select(0, channels.flatten())
        # The shares of a set are summed up by the same product.
        chosen = chosen.view(len(room), -1, weight.shape[2])
        seen = windows.transpose(1, 2).reshape(len(room), windows.shape[2], -1)
        # room − seen · chosen in one pass over `room`. Channels first, `room` is the transpose of
        # that, and (seen · chosen)ᵀ = chosenᵀ · seenᵀ.
        # Not baddbmm_: torch's counter of operations counts no product in place (torch 2.14).
        if last:
            torch.baddbmm(room, seen, chosen, alpha=-1, out=room)
        else:
            torch.baddbmm(room, chosen.mT, seen.mT, alpha=-1, out=room)

    def _subtract_in_groups(
        self, room: Tensor, windows: Tensor, channels: Tensor, last: bool
    ) -> None:
        """Subtract where a channel reaches the outputs of its own group only."""
        conv = self.module
        inside, outside = conv.in_channels // conv.groups, conv.out_channels // conv.groups
        weight = conv.weight.view(conv.groups, outside, inside, -1)
        grouped = room.view(*room.shape[: 1 + last], conv.groups, outside, *room.shape[2 + last :])
        rows = torch.arange(len(room), device=room.device)
        for place in range(channels.shape[1]):  # sets may have two channels of one group
            channel = channels[:, place]
            group = channel // inside
            # Each row's own group and channel within it; only that group's outputs have the share.
            share = windows[:, place] @ weight[group, :, channel % inside].mT  # (row, place, out)
            # No row comes twice, so that no subtraction is lost. Indices that a slice parts put
            # their axis first: (row, place, out) here, (row, out, place) below.
            if last:
                grouped[rows, :, group] -= share
            else:
                grouped[rows, group] -= share.mT

    def _windows(self, maps: Tensor, height: int, width: int) -> Tensor:
        """Return what each place of the output sees of channels, ``(row, set, place, tap)``."""
        conv = self.module
        row, one, down, across = maps.stride()
        size = (*maps.shape[:2], height, width, *conv.kernel_size)
        stride = (
            row, one, down * conv.stride[0], across * conv.stride[1],
            down * conv.dilation[0], across * conv.dilation[1],
        )  # fmt: skip
        # Overlapping windows without a copy, until the reshape below. F.unfold would put taps
        # before places, and knows no axis of sets.
        views = maps.as_strided(size, stride, maps.storage_offset())
        return views.reshape(*maps.shape[:2], height * width, -1)


@dataclasses.dataclass(frozen=True, eq=False)
class LinearShare:
    """One channel's share in the output of a linear layer behind a flattening."""

    module: nn.Linear

    def whole(self, bank: Tensor) -> Tensor:
        """Return the linear layer's output with all channels."""
        return self.module(bank.flatten(1))  # type: ignore[no-any-return]

    def planes(self, bank: Tensor) -> Tensor:
        """Return the bank flattened, ``(image, channel, place)``, each channel in one piece."""
        return bank.flatten(2).contiguous()

    def without(self, planes: Tensor, whole: Tensor, batch: Batch) -> Tensor:
        """Return the linear layer's output without channels; see `ConvolutionShare`."""
        rows = whole.clone() if batch.rows is None else whole.index_select(0, batch.rows)
        if batch.loses_nothing:
            return rows
        # A row's weights are more than the row: they are fetched for a piece of rows at a time.
        pieces = batch.pieces(len(rows))
        count, length = pieces.rows.shape
        lost = batch.sets.shape[1]
        # Rows that lose many different sets would fetch more weights than the layer has.
        if _are_many(batch, planes.shape[1]) or (lost > 1 and count * lost > planes.shape[1]):
            return self.module(_left(planes, batch).flatten(1))  # type: ignore[no-any-return]
        channels = batch.channels.expand(len(rows), -1)
        maps = _taken(planes, batch, channels).index_select(0, pieces.rows.flatten())
        width = planes.shape[2]
        # Flattening lays channel behind channel, so a channel's weights are `width` columns in a
        # row: (out, channel, place).
        weight = self.module.weight.view(len(self.module.weight), -1, width)
        chosen = weight.index_select(1, pieces.sets.clamp(min=0).flatten())
        chosen = chosen.view(len(weight), count, -1).permute(1, 2, 0)  # (piece, set and place, out)
        shares = torch.bmm(maps.view(count, length, -1), chosen).flatten(0, 1)
        return rows.sub_(shares.index_select(0, pieces.back))

    def row_bytes(self, planes: Tensor, whole: Tensor, lost: int = 1) -> int:
        """Return a row's part of the largest tensor beside its output: a piece's weights.

        As a rule a filter's rows are many, and its pieces as long as pieces are.
        """
        if lost > 1:  # never more than the layer's own weights, and the maps
            return planes[0].nbytes
        return planes.shape[2] * whole.shape[1] * whole.element_size() // PIECES[-1]


def _taken(planes: Tensor, batch: Batch, channels: Tensor) -> Tensor:
    """Return the planes of the channels that rows lose, ``(row, set, …)``; zeros for none."""
    rows = batch.rows
    if rows is None:
        rows = torch.arange(len(channels), device=planes.device)
    # One index into (image and channel, …): an index for each axis is slower.
    chosen = (rows[:, None] * planes.shape[1] + channels.clamp(min=0)).flatten()
    maps = planes.flatten(0, 1).index_select(0, chosen).view(*channels.shape, *planes.shape[2:])
    if batch.may_lose_nothing:
        lost = (channels >= 0).view(*channels.shape, *[1] * (maps.ndim - 2))
        # Not times zero: the channel may hold infinity, which the row does not lose.
        maps = torch.where(lost, maps, torch.zeros((), dtype=maps.dtype, device=maps.device))
    return maps


def _are_many(batch: Batch, channels: int) -> bool:
    """Whether a batch's rows lose so many channels that the layer runs again; see `MANY`."""
    lost = int(batch.sets.shape[1])
    return lost > 1 and lost * MANY > channels


def _left(planes: Tensor, batch: Batch) -> Tensor:
    """Return what is left of planes in each row, ``(row, channel, …)``."""
    left = planes if batch.rows is None else planes.index_select(0, batch.rows)
    maps = left if left.ndim == 4 else left[..., None]
    return zero_channels(maps, batch.channels).view_as(left)


def share_of(graph: fx.GraphModule, reader: Reader) -> ConvolutionShare | LinearShare:
    """Return how to subtract a channel from a reader's output."""
    module = graph.get_submodule(str(reader.end.target))
    if isinstance(module, nn.Conv2d):
        return ConvolutionShare(module)
    assert isinstance(module, nn.Linear)
    return LinearShare(module)
