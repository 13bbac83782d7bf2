"""Receptive fields: which pixels of the image one place of a feature map reads."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import fx, nn
from torch.nn.modules import padding

GLOBAL_MODULES = (
    nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.FractionalMaxPool2d, nn.Linear, nn.Flatten,
    nn.Upsample, nn.ConvTranspose2d, nn.PixelShuffle, nn.Unfold, nn.MultiheadAttention,
)  # fmt: skip
GLOBAL_CALLS = {
    F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.linear, F.interpolate, F.unfold, torch.matmul,
    operator.matmul, "matmul", torch.bmm, "bmm", torch.einsum, F.scaled_dot_product_attention,
    torch.roll, "roll", torch.mean, "mean", "amax", torch.amax, torch.flip, "flip",
}  # fmt: skip
"""What mixes places far apart, or moves them: taken to read the whole image."""
ALONG = {torch.mean, "mean", "amax", torch.amax, torch.flip, "flip"}
"""Of these, what leaves places alone where it works along the channels only."""
CHANNELS = (1, (1,), [1])
POOL_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
POOL_CALLS = {F.max_pool2d, F.avg_pool2d, torch.max_pool2d, F.max_pool2d_with_indices}
AVERAGE_CALLS = {F.avg_pool2d}
PAD_MODULES = (padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd)
PRODUCTS = {operator.mul, torch.mul, "mul"}
PERMUTES = {torch.permute, "permute"}
FLATTENS = {torch.flatten, "flatten", "view", "reshape", torch.reshape}
NUMBERS = {"size", "dim", "numel", "stride", len}
"""What gives numbers about a map, not a map."""

CONVOLUTIONS = {F.conv2d, torch.conv2d}
RESIZES = {"expand", "repeat"}
KEEPS_KERNEL = {
    "to", "type", "type_as", "float", "half", "double", "clone", "contiguous", "detach", "cuda",
    operator.neg, torch.neg, "neg",
}  # fmt: skip
"""What is done to a stored kernel that leaves its height and width alone."""
SCALES_KERNEL = PRODUCTS | {operator.truediv, torch.div, "div"}
MOST_AXES = 5
"""Axes that a map may be reshaped to where places stay together: a channel shuffle's."""

Pair = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Field:
    """What one place of a map reads of the image; rows first, then columns.

    Place p reads the pixels from ``start + p * jump`` on, `size` of them. Where padding is read as
    well they begin above row 0, or end below the last one.

    Parameters
    ----------
    size
        Height and width in pixels; infinity is the whole image.
    jump
        By how many pixels the fields of neighbouring places are apart.
    start
        The first row and column that place (0, 0) reads; negative where it reads padding.
    """

    size: Pair = (1, 1)
    jump: Pair = (1, 1)
    start: Pair = (0, 0)

    @property
    def whole(self) -> bool:
        """Whether it is the whole image."""
        return math.isinf(max(self.size))

    def through(self, kernel: Any, stride: Any, dilation: Any = 1, padding: Any = 0) -> Field:
        """Return the field behind a sliding window over this one."""
        k, s, d, p = _pair(kernel), _pair(stride), _pair(dilation), _pair(padding)
        return Field(
            _both(lambda a: self.size[a] + (k[a] - 1) * d[a] * self.jump[a]),
            _both(lambda a: self.jump[a] * s[a]),
            _both(lambda a: self.start[a] - p[a] * self.jump[a]),
        )

    def moved(self, first: Any) -> Field:
        """Return the field where place (0, 0) is what was place `first` (row, column)."""
        begins = _pair(first)
        start = _both(lambda a: self.start[a] + begins[a] * self.jump[a])
        return Field(self.size, self.jump, start)

    def extent(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return height and width in pixels: the field's, or the image's where it is all of it."""
        return image if self.whole else (int(self.size[0]), int(self.size[1]))

    def boxes(self, places: Any, image: tuple[int, int]) -> NDArray[np.int64]:
        """Return what places read of an image of (height, width): (…, 4).

        Parameters
        ----------
        places
            (…, 2) rows and columns of the map.

        Returns
        -------
        numpy.ndarray
            Top, left, bottom and right, the last two exclusive. A box may reach over the image's
            borders, since padding is read there.
        """
        places = np.asarray(places, dtype=np.int64)
        if self.whole:
            return np.broadcast_to(np.array([0, 0, *image]), (*places.shape[:-1], 4)).copy()
        first = np.array(self.start, np.int64) + places * np.array(self.jump, np.int64)
        return np.concatenate([first, first + np.array(self.size, np.int64)], axis=-1)


WHOLE = Field((math.inf, math.inf))


def receptive_fields(graph: fx.GraphModule) -> dict[fx.Node, Field]:
    """Return the receptive field of every node of a traced network that is a map.

    It is exact behind convolutions, pooling and padding: where all weights differ from zero, one
    place has a gradient at every pixel of its field that is inside the image, and at no other
    (but for the last rows and columns of an image that a stride leaves over: where padding is read
    behind them, they are in the field, and are not read). Where branches meet it is the smallest
    box that holds theirs. Where a map is multiplied by a gate (squeeze-and-excite) the gate, which
    has seen the whole image, is left out: the map's own field is what is told. So are
    normalisations over the whole map (GroupNorm), and what padding in a circle brings over from the
    other side.
    """
    fields: dict[fx.Node, Field] = {}
    for node in graph.graph.nodes:
        read = [fields[n] for n in node.all_input_nodes if n in fields]
        if node.op == "placeholder":
            fields[node] = Field()
        elif read and not _gives_numbers(node):  # constants have no field
            fields[node] = _step(node, graph, _merge(read, node.target in PRODUCTS))
    return fields


def _gives_numbers(node: fx.Node) -> bool:
    return node.target in NUMBERS or node.target is getattr


def _merge(read: list[Field], product: bool) -> Field:
    """Return the smallest field that holds all; the whole image if their places differ."""
    if product and any(not f.whole for f in read):
        read = [f for f in read if not f.whole]
    if any(f.whole for f in read) or len({f.jump for f in read}) > 1:
        return WHOLE
    start = _both(lambda a: min(f.start[a] for f in read))
    end = _both(lambda a: max(f.start[a] + f.size[a] for f in read))
    return Field(_both(lambda a: end[a] - start[a]), read[0].jump, start)


def _step(node: fx.Node, graph: fx.GraphModule, field: Field) -> Field:
    if node.op == "call_module":
        if _is_pointwise(node, graph):
            return field
        return _through_module(graph.get_submodule(str(node.target)), field)
    if node.target in POOL_CALLS:
        return _through_pool_call(node, field)
    if node.target in CONVOLUTIONS:
        return _through_convolution_call(node, graph, field)
    if node.target in FLATTENS and len(_sizes(node)) > MOST_AXES:
        return WHOLE  # places are taken apart: space to depth, or the windows of an attention
    if node.target is F.pad:
        return _through_pad(_argument(node, 1, "pad", None), field)
    if node.target is operator.getitem:
        return _through_slices(node.args[1], field)
    if node.target in ALONG and _argument(node, 1, "dim", node.kwargs.get("dims")) in CHANNELS:
        return field
    return WHOLE if node.target in GLOBAL_CALLS else field


def _through_module(module: nn.Module, field: Field) -> Field:
    if isinstance(module, nn.Conv2d):
        return field.through(
            module.kernel_size, module.stride, module.dilation, _padding_before(module)
        )
    if isinstance(module, POOL_MODULES):
        dilation: Any = getattr(module, "dilation", 1)
        before: Any = getattr(module, "padding", 0)
        stride = module.stride or module.kernel_size
        return field.through(module.kernel_size, stride, dilation, before)
    if isinstance(module, nn.PixelUnshuffle):
        return field.through(module.downscale_factor, module.downscale_factor)
    if isinstance(module, PAD_MODULES):
        return _through_pad(module.padding, field)
    return WHOLE if isinstance(module, GLOBAL_MODULES) else field


def _is_pointwise(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether a linear layer reads maps with channels last: a 1 x 1 convolution, as in ConvNeXt."""
    if not isinstance(graph.get_submodule(str(node.target)), nn.Linear):
        return False
    while len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
        if node.op == "call_module":
            module = graph.get_submodule(str(node.target))
            if list(getattr(module, "dims", ())) == [0, 2, 3, 1]:  # torchvision's Permute
                return True
            if isinstance(module, (nn.Conv2d, nn.Flatten)):
                return False
        elif node.target in PERMUTES:
            dims = node.args[1:] if len(node.args) > 2 else _argument(node, 1, "dims", ())
            return list(dims) == [0, 2, 3, 1]
        elif node.target in FLATTENS:
            return False
    return False


def _padding_before(module: nn.Conv2d) -> tuple[int, int]:
    """Return how many rows and columns are padded above and left."""
    above, left = _named_padding(module.padding, module.kernel_size, module.dilation)
    return above, left


def _named_padding(padding: Any, kernel: Any, dilation: Any) -> Any:
    """Return rows and columns of padding above and left, where it may be "same" or "valid"."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        k, d = _pair(kernel), _pair(dilation)
        return d[0] * (k[0] - 1) // 2, d[1] * (k[1] - 1) // 2
    return _pair(padding)


def _through_pool_call(node: fx.Node, field: Field) -> Field:
    kernel = _argument(node, 1, "kernel_size", 1)
    stride = _argument(node, 2, "stride", None) or kernel
    before = _argument(node, 3, "padding", 0)
    # The fifth argument of an average pool is its ceil mode, which changes no place that is there.
    dilation = 1 if node.target in AVERAGE_CALLS else _argument(node, 4, "dilation", 1)
    return field.through(kernel, stride, dilation, before)


def _through_convolution_call(node: fx.Node, graph: fx.GraphModule, field: Field) -> Field:
    """Return the field behind `F.conv2d`, as blur pools have it.

    It is the whole image where the size of the kernel follows from the image.
    """
    kernel = _kernel(_argument(node, 1, "weight", None), graph)
    stride, padding, dilation = (
        _argument(node, place, name, default)
        for place, name, default in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
    )
    if kernel is None or not all(isinstance(n, int) for v in (stride, dilation) for n in _pair(v)):
        return WHOLE
    if isinstance(padding, str):
        padding = _named_padding(padding, kernel, dilation)
    if not all(isinstance(n, int) for n in _pair(padding)):
        return WHOLE  # a number that follows from the image
    return field.through(kernel, stride, dilation, padding)


def _kernel(weight: Any, graph: fx.GraphModule) -> tuple[int, int] | None:
    """Return height and width of a kernel that is stored, cast, scaled or repeated for channels."""
    if not isinstance(weight, fx.Node):
        return None
    if weight.op == "get_attr":
        # A scale may have fewer axes than a kernel.
        height, width = (1, 1, *operator.attrgetter(str(weight.target))(graph).shape)[-2:]
        return int(height), int(width)
    if weight.target in RESIZES:
        sizes = _sizes(weight)
        # (channel, 1, -1, -1), or as it was: only the channels become more.
        inner = _kernel(weight.args[0], graph)
        unchanged: tuple[Any, ...] = (1,) if weight.target == "repeat" else (-1, *(inner or ()))
        return inner if len(sizes) == 4 and all(n in unchanged for n in sizes[2:]) else None
    if weight.target in SCALES_KERNEL:
        # Either factor may be the kernel, the other a scale that spreads over it.
        factors = [_kernel(factor, graph) for factor in weight.all_input_nodes]
        sizes = [factor for factor in factors if factor is not None]
        if not sizes or len(sizes) < len(factors):
            return None
        return max(height for height, _ in sizes), max(width for _, width in sizes)
    if weight.target in KEEPS_KERNEL:
        return _kernel(weight.args[0], graph)
    return None


def _sizes(node: fx.Node) -> Any:
    """Return the sizes that a map is reshaped to; nothing where they are not written out."""
    sizes = node.args[1:] or tuple(node.kwargs.values())
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return sizes[0]
    return sizes


def _through_pad(pad: Any, field: Field) -> Field:
    """`pad` is (left, right, top, bottom, …), as torch has it; negative crops."""
    if isinstance(pad, (tuple, list)) and len(pad) >= 2 and all(isinstance(n, int) for n in pad):
        return field.moved((-pad[2] if len(pad) >= 4 else 0, -pad[0]))
    return WHOLE


def _through_slices(index: Any, field: Field) -> Field:
    """Every second place and the like: ``maps[:, :, ::2, ::2]``."""
    if not isinstance(index, tuple) or len(index) < 3:
        return field
    along = [*index[2:4], slice(None)][:2]
    if Ellipsis in index or not all(_is_plain(part) for part in along):
        return WHOLE
    first, step = [part.start or 0 for part in along], [part.step or 1 for part in along]
    return field.moved(first).through(1, step)


def _is_plain(part: Any) -> bool:
    return isinstance(part, slice) and all(
        value is None or (isinstance(value, int) and value >= 0)
        for value in (part.start, part.step)
    )


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return value[0], value[-1]
    return value, value


def _both(of_axis: Any) -> Pair:
    return of_axis(0), of_axis(1)
