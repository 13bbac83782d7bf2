"""The copy shares parameters, and nothing that is done to it reaches the model."""

import pytest
import torch
from small import Residual
from torch import nn

from carviz.banks import open_network
from carviz.evaluate import check_model, device_of, fingerprint_model, shadow


def test_the_copy_shares_parameters_and_owns_the_rest():
    model = Residual().train()
    copy = shadow(model)
    pairs = list(zip(model.parameters(), copy.parameters(), strict=True))
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    assert all(a is not b for a, b in pairs)
    assert model.training
    assert not copy.training
    copy.norm.running_mean += 1
    assert model.norm.running_mean.abs().max() == 0


def test_moving_the_copy_leaves_the_model_in_its_place():
    model = Residual()
    before = [(p.data_ptr(), p.dtype, p.stride()) for p in model.parameters()]
    shadow(model).to(torch.float64)
    shadow(model).to(memory_format=torch.channels_last)
    assert [(p.data_ptr(), p.dtype, p.stride()) for p in model.parameters()] == before


def test_tied_parameters_stay_tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    copy = shadow(model)
    assert copy[1].weight is copy[0].weight


def test_weight_norm_of_both_kinds():
    with pytest.warns(FutureWarning, match="weight_norm"):
        old = nn.utils.weight_norm(nn.Conv2d(3, 2, 3))
    new = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 3))
    images = torch.rand(1, 3, 5, 5)
    for model in (old, new):
        torch.testing.assert_close(shadow(nn.Sequential(model))(images), model(images))


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
