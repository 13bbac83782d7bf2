"""Which models can be measured, and where they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from carviz.evaluate.modes import no_grad
from carviz.evaluate.wrappers import unwrap

SCRIPTED = "Give the module that was scripted or traced."


def check_model(model: Any) -> nn.Module:
    """Return `model` if it is a module that can be measured.

    Parameters must be finite, and the statistics of normalisations; other buffers may hold
    infinities (attention masks do).

    Raises
    ------
    TypeError
        If it is no `torch.nn.Module`, or one that does not run in Python (TorchScript).
    ValueError
        If it has lazy parameters that were never filled, weights that are NaN or infinite, or
        convolutions none of which is a `torch.nn.Conv2d` (quantised, equivariant, exported).
    """
    if not isinstance(model, nn.Module):
        found, way_out = type(model).__name__, "Give the model itself, e.g. MyNetwork()."
        if isinstance(model, str):
            way_out = f"A name becomes a model with carviz.load_model({model!r})."
        if isinstance(model, torch.export.ExportedProgram):
            found = "a program of torch.export (ExportedProgram)"
            way_out = "Give the module that it was exported from."
        if isinstance(model, torch.jit.ScriptFunction):
            found, way_out = "TorchScript (ScriptFunction)", SCRIPTED
        raise TypeError(f"model is a torch.nn.Module; found {found}. {way_out}")
    if isinstance(unwrap(model), torch.jit.ScriptModule):
        raise TypeError(
            "model is a torch.nn.Module that runs in Python, so that its layers can be seen; found "
            f"TorchScript ({type(unwrap(model)).__name__}). {SCRIPTED}"
        )
    statistics = [
        (name, tensor)
        for name, tensor in model.named_buffers()
        if name.rpartition(".")[2] in ("running_mean", "running_var")
    ]
    for name, tensor in [*model.named_parameters(), *statistics]:
        if is_lazy(tensor):
            raise ValueError(
                f"Every parameter must have its shape; {name!r} is lazy and was never filled. "
                "Run the model once on an image first."
            )
        if tensor.is_floating_point() and not _is_finite(tensor):
            raise ValueError(
                f"Weights must be finite; {name!r} holds NaN or infinity. "
                "Load the weights again, or a checkpoint from before training diverged."
            )
    _refuse_other_convolutions(model)
    return model


def _refuse_other_convolutions(model: nn.Module) -> None:
    """Refuse a model whose convolutions are all of another kind, by that kind's name."""
    modules = list(model.named_modules())
    if any(isinstance(m, nn.Conv2d) for _, m in modules):
        return
    found, way_out = "", "Give a model whose convolutions are torch.nn.Conv2d layers."
    for name, module in modules:
        kind = getattr(module, "original_name", type(module).__name__)
        written_in = type(module).__module__
        if isinstance(module, fx.GraphModule):
            calls = [str(n.target) for n in module.graph.nodes if n.op == "call_function"]
            kind = next((c for c in calls if c.startswith("aten.conv")), "")
            if kind:
                found = f"the exported graph of a model, which calls {kind}"
                way_out = "Give the module that it was exported from (torch.export)."
        elif "conv" in kind.lower():
            # The last in a nest of such modules is the convolution; blocks stand around it.
            found = f"{name!r}, a {kind} ({written_in.split('.')[0]})"
            if isinstance(module, torch.jit.ScriptModule):
                found, way_out = f"{name!r}, a {kind} in TorchScript", SCRIPTED
            elif "quantized" in written_in:
                found = f"{name!r}, a quantised {kind} ({written_in})"
                way_out = "Give the float model from before torch.ao.quantization's convert."
            elif written_in.split(".")[0] in ("escnn", "e2cnn"):
                found = f"{name!r}, an equivariant {kind} ({written_in.split('.')[0]})"
                way_out = "Its export() makes a torch.nn.Module of plain convolutions; give that."
            if not any(module.children()):
                break
    if found:
        raise ValueError(
            "A filter is an output channel of a torch.nn.Conv2d, and the model has none; "
            f"found {found}. {way_out}"
        )


@no_grad()
def _is_finite(tensor: Tensor) -> bool:
    # The sum is read off ten times as fast; only where it overflows each number has to be seen.
    return bool(tensor.sum().isfinite()) or bool(torch.isfinite(tensor).all())


def device_of(model: nn.Module, device: str | torch.device | None = None) -> torch.device:
    """Return `device`, or where the model is when it is None.

    Raises
    ------
    ValueError
        If the device is unknown, or is CUDA and there is none.
    """
    if device is None:
        first = next(model.parameters(), None)
        return first.device if first is not None else torch.device("cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is a torch device, e.g. 'cpu' or 'cuda'; {error}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r} needs a CUDA GPU; torch sees none here. Use device='cpu'."
        )
    return chosen


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return the device and the floating-point type that the model's own parameters have."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    return like.device, like.dtype


def placed(
    images: Tensor, model: nn.Module, layout: torch.memory_format = torch.preserve_format
) -> Tensor:
    """Return images where the model is, of its floating-point type."""
    device, dtype = placement(model)
    return images.detach().to(device=device, dtype=dtype, memory_format=layout)
