"""Which models are taken, and what the others are told."""

import pytest
import torch
from support.small import Residual
from torch import nn

from carviz.banks import open_network
from carviz.evaluate import check_model, device_of, fingerprint_model, shadow


def test_other_things_than_modules_are_told_what_they_are():
    with pytest.raises(TypeError, match=r"found type\. Give the model itself, e\.g\. MyNet"):
        check_model(Residual)
    with pytest.raises(TypeError, match="load_model\\('resnet18'\\)"):
        check_model("resnet18")


@pytest.mark.filterwarnings(r"ignore:.torch\.jit:FutureWarning")
def test_torchscript_is_named():
    for script in (
        torch.jit.trace(Residual().eval(), torch.rand(1, 3, 8, 8)),
        torch.jit.script(nn.Sequential(nn.Conv2d(3, 2, 1))),
        nn.DataParallel(torch.jit.script(nn.Sequential(nn.Conv2d(3, 2, 1)))),
    ):
        with pytest.raises(TypeError, match=r"found TorchScript.*Give the module that was"):
            check_model(script)
    inside = nn.Sequential(torch.jit.script(nn.Conv2d(3, 2, 1)), nn.Flatten())
    with pytest.raises(ValueError, match=r"found '0', a Conv2d in TorchScript.*scripted or traced"):
        check_model(inside)
    with pytest.raises(TypeError, match=r"found TorchScript \(ScriptFunction\)"):
        check_model(torch.jit.script(_double))


def _double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def test_exported_programs_are_named():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    program = torch.export.export(model, (torch.rand(2, 3, 4, 4),))
    with pytest.raises(TypeError, match=r"torch\.export.*module that it was exported from"):
        check_model(program)
    with pytest.raises(ValueError, match=r"calls aten\.conv2d\.default.*was exported from"):
        check_model(program.module())
    assert check_model(torch.fx.symbolic_trace(model))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_convolutions_of_other_kinds_are_named():
    quantised = nn.Sequential(nn.Sequential(torch.ao.nn.quantized.Conv2d(3, 2, 1)), nn.ReLU())
    with pytest.raises(ValueError, match=r"found '0\.0', a quantised Conv2d.*float model"):
        check_model(quantised)
    assert check_model(nn.Sequential(torch.ao.nn.quantized.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1)))
    kind = type("R2Conv", (nn.Module,), {"__module__": "escnn.nn.modules"})
    with pytest.raises(ValueError, match=r"an equivariant R2Conv \(escnn\).*export\(\)"):
        check_model(nn.Sequential(kind()))
    block = type("ConvBlock", (nn.Sequential,), {})
    with pytest.raises(ValueError, match=r"the model has none; found '0\.0', a Conv1d \(torch\)"):
        check_model(nn.Sequential(block(nn.Conv1d(1, 1, 1)), nn.Conv3d(1, 1, 1)))
    without_any = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert check_model(without_any) is without_any


def test_only_what_every_image_meets_must_be_finite():
    model = Residual()
    model.register_buffer("mask", torch.full((3, 3), -torch.inf))
    model.register_buffer("unset", torch.tensor([torch.nan]))
    assert check_model(model) is model
    model.norm.running_var[1] = torch.nan
    with pytest.raises(ValueError, match=r"'norm\.running_var' holds NaN or infinity"):
        check_model(model)
    model.norm.running_var[1] = 1
    model.third.bias.data[0] = torch.inf
    with pytest.raises(ValueError, match=r"'third\.bias' holds NaN or infinity"):
        check_model(model)


def test_a_lazy_model_is_refused():
    with pytest.raises(ValueError, match="Run the model once"):
        check_model(nn.Sequential(nn.LazyConv2d(3, 3)))


def test_devices():
    assert device_of(Residual()) == torch.device("cpu")
    assert device_of(nn.ReLU()) == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="Use device='cpu'"):
            device_of(Residual(), "cuda")


def test_fingerprints_see_every_weight():
    torch.manual_seed(0)
    model = Residual()
    first = fingerprint_model(model)
    assert fingerprint_model(shadow(model)) == first
    assert fingerprint_model(open_network(model).model) == first
    with torch.no_grad():
        model.third.bias[3] += 1e-6
    assert fingerprint_model(model) != first
    assert fingerprint_model(model.to(torch.bfloat16)) != first


def test_weights_made_in_inference_mode_are_looked_at():
    with torch.inference_mode():
        model = nn.Linear(2, 2)
    assert check_model(model) is model
