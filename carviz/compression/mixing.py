"""Steps behind a bank that mix its channels: found before anything is taken off, and named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from carviz.compression.groups import Plan

CHANNEL = 1
"""The axis of the channels."""
ALONG = {
    "cumsum": 1, "cumprod": 1, "cummax": 1, "cummin": 1, "logcumsumexp": 1, "diff": 2,
    "roll": 2, "flip": 1, "sort": 1, "argsort": 1, "topk": 2, "unfold": 1, "index_select": 1,
    "gather": 1, "take_along_dim": 2, "fft": 2, "ifft": 2, "rfft": 2, "irfft": 2, "hfft": 2,
    "ihfft": 2, "fft2": 2, "ifft2": 2, "rfft2": 2, "irfft2": 2, "fftn": 2, "ifftn": 2,
    "rfftn": 2, "irfftn": 2, "fft_fft": 2, "fft_ifft": 2, "fft_rfft": 2, "fft_irfft": 2,
    "fft_hfft": 2, "fft_ihfft": 2, "fft_fft2": 2, "fft_ifft2": 2, "fft_rfft2": 2,
    "fft_irfft2": 2, "fft_fftn": 2, "fft_ifftn": 2, "fft_rfftn": 2, "fft_irfftn": 2,
}  # fmt: skip
"""Steps that mix what lies along an axis, each with the place of that axis among its arguments."""
UNSAID: dict[str, tuple[int, ...] | None] = {
    "roll": None, "sort": (-1,), "argsort": (-1,), "topk": (-1,), "diff": (-1,),
    "take_along_dim": None,
}  # fmt: skip
"""The axes that are meant where none is said; None for all."""
ALWAYS = {
    "local_response_norm", "channel_shuffle", "native_channel_shuffle", "pixel_shuffle",
    "pixel_unshuffle", "fold", "im2col", "col2im",
}  # fmt: skip
"""Steps that mix channels, or move them to other places, whatever their arguments."""
SLIDING = {
    "conv1d", "conv3d", "avg_pool1d", "avg_pool3d", "max_pool1d", "max_pool3d", "lp_pool1d",
    "lp_pool3d", "max_pool1d_with_indices", "max_pool3d_with_indices",
}  # fmt: skip
"""Windows that slide over the channels where those were made places: one channel is left."""
TURNS = ("Permute", "Transpose", "TBackward", "SwapAxes", "Movedim")
"""Behind these nodes the channels may lie along another axis."""


class MixingStep(NamedTuple):
    """A step that mixes channels: what torch calls it, the module it is in, what made its input."""

    name: str
    module: str
    source: Any

    @property
    def words(self) -> str:
        """What it is called in words."""
        return "picking channels by number" if self.name == "__getitem__" else self.name


def find_mixing(model: nn.Module, images: Tensor, plan: Plan) -> tuple[str, MixingStep] | None:
    """Return a bank, and a step behind it that mixes its channels; None where there is none.

    A convolution or a linear layer that reads the channels ends the search: what it gives are
    channels of its own. The network is run once, and left as it was.

    Parameters
    ----------
    model
        In evaluation mode; its parameters require gradients.
    images
        ``(image, channel, height, width)``.
    plan
        The banks are its keys.
    """
    own: dict[str, list[Any]] = {bank: [] for bank in plan}
    with ExitStack() as hooks:
        for bank, made in own.items():
            hooks.callback(model.get_submodule(bank).register_forward_hook(_noting(made)).remove)
        watcher = hooks.enter_context(_MixingWatcher(model))
        answer = model(images)
    if not watcher.steps:
        return None
    readers = _readers(_tensors(answer))
    for bank, made in own.items():
        straight, turned = _behind(made, readers, TURNS), _behind(made, readers)
        for step in watcher.steps:
            if step.source in (turned if step.name in SLIDING else straight):
                return bank, step
    return None


class _MixingWatcher(TorchFunctionMode):
    """Notes the steps that mix channels, as the network calls them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.steps: list[MixingStep] = []
        self._model = model
        self._inside: list[str] = []
        self._hooks = ExitStack()

    def __enter__(self) -> _MixingWatcher:
        for name, module in self._model.named_modules():
            before = module.register_forward_pre_hook(self._entering(name))
            after = module.register_forward_hook(self._leaving, always_call=True)
            self._hooks.callback(before.remove)
            self._hooks.callback(after.remove)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.close()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, function: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        values = args[0] if args else kwargs.get("input")
        if isinstance(values, Tensor) and _mixes(function, values, args, kwargs):
            inside = self._inside[-1] if self._inside else ""
            self.steps.append(MixingStep(function.__name__, inside, values.grad_fn))
        return function(*args, **kwargs)

    def _entering(self, name: str) -> Any:
        return lambda *_: self._inside.append(name)

    def _leaving(self, *_: Any) -> None:
        self._inside.pop()


def _mixes(function: Any, values: Tensor, args: Any, kwargs: Any) -> bool:
    """Whether a call of one of torch's functions mixes what lies along the channels' axis."""
    name = getattr(function, "__name__", "")
    if values.ndim < 2:
        return False
    if name in SLIDING:
        return values.ndim > 2 and values.shape[CHANNEL] == 1
    if values.shape[CHANNEL] == 1:
        return False
    if name == "__getitem__":
        return _picks(args[1], values.ndim)
    if name in ALWAYS or function is F.unfold:
        return True
    if name not in ALONG:
        return False
    place = ALONG[name]
    said = args[place] if len(args) > place else kwargs.get("dim", kwargs.get("dims"))
    if name == "flip" and isinstance(said, int):
        said = args[place:]
    axes = UNSAID.get(name, _usual(name)) if said is None else said
    if axes is None:
        return True
    each = axes if isinstance(axes, (tuple, list)) else (axes,)
    return CHANNEL in {int(axis) % values.ndim for axis in each if isinstance(axis, int)}


def _usual(name: str) -> tuple[int, ...] | None:
    """Return over which axes a Fourier transform runs where none are said."""
    return None if name.endswith("n") else (-2, -1) if name.endswith("2") else (-1,)


def _picks(index: Any, axes: int) -> bool:
    """Whether indexing picks channels by their numbers, in any order."""
    each = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [one for one in each if not isinstance(one, Tensor)]:
        place = next(i for i, one in enumerate(each) if one is Ellipsis)
        each[place : place + 1] = [slice(None)] * (axes - len(each) + 1)
    picked = [one for one in each if one is not None]
    return len(picked) > CHANNEL and isinstance(picked[CHANNEL], (list, Tensor))


def _noting(made: list[Any]) -> Any:
    def note(_module: nn.Module, _args: Any, output: Any) -> None:
        made.extend(tensor.grad_fn for tensor in _tensors(output) if tensor.grad_fn is not None)

    return note


def _tensors(answer: Any) -> Iterator[Tensor]:
    """Yield the tensors in whatever a call gives."""
    if isinstance(answer, Tensor):
        yield answer
    elif isinstance(answer, dict):
        for value in answer.values():
            yield from _tensors(value)
    elif isinstance(answer, (tuple, list)):
        for value in answer:
            yield from _tensors(value)


def _readers(results: Iterator[Tensor]) -> dict[Any, list[Any]]:
    """Return of each node of autograd's graph those that read what it gives."""
    readers: dict[Any, list[Any]] = {}
    waiting = [tensor.grad_fn for tensor in results if tensor.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is None:
                continue
            readers.setdefault(source, []).append(node)
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return readers


def _behind(
    made: list[Any], readers: dict[Any, list[Any]], not_past: tuple[str, ...] = ()
) -> set[Any]:
    """Return the nodes that channels reach before a layer makes others of them."""
    reached, waiting = set(made), list(made)
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            past = node not in reached and not _ends(node)
            if past and not (not_past and node.name().startswith(not_past)):
                reached.add(node)
                waiting.append(node)
    return reached


def _ends(node: Any) -> bool:
    """Whether a node makes channels of its own: a convolution, unless depthwise, or a product."""
    name = node.name()
    if name.startswith("ConvolutionBackward"):
        weight = node._saved_weight
        depthwise = weight.shape[1] == 1 and weight.shape[0] == node._saved_groups > 1
        return not depthwise
    return bool(name.startswith(("Addmm", "Mm", "Bmm", "Linear", "Addmv", "Baddbmm")))
