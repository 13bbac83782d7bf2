"""Hooks that torch put there are part of the network; all others stay with the model."""

import functools

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import prune

from carviz.ablation.silence import zero_output
from carviz.evaluate import copy_structure, foreign_hooks, hooks_remark, shadow


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1)), nn.Flatten()
    )


def images():
    return torch.rand(2, 3, 4, 4)


def test_a_user_s_hooks_are_left_off_and_named():
    model, seen = network(), []

    def watch(name, *_):
        seen.append(name)

    def always(_module, _args, _kwargs, _out):
        seen.append("always")

    model[0].register_forward_pre_hook(functools.partial(watch, "pre"))
    model[1].register_forward_hook(always, with_kwargs=True, always_call=True)
    handle = model[1][1].register_forward_pre_hook(
        lambda _m, args, kwargs: seen.append("kwargs"), with_kwargs=True
    )
    model[1].handle = handle
    model[0].handle = model[2].register_forward_hook(lambda *_: seen.append("behind"))
    model[0].unregistered = [nn.Identity()]
    model[0].unregistered[0].register_forward_hook(watch)
    model[2].register_full_backward_hook(watch)
    before = [list(vars(m).items()) for m in model.modules()]
    twin = shadow(model)
    twin(images())
    assert not seen
    for module in [*twin.modules(), *twin[0].unregistered]:
        held = [v for name, v in vars(module).items() if "_hooks" in name and v is not None]
        assert not any(held)
    assert foreign_hooks(model) == ["0", "1", "1.1", "2"]
    assert hooks_remark(model) == (
        "measured without the hooks on '0', '1', '1.1' and 1 more; "
        "put what a hook changes into a forward"
    )
    assert hooks_remark(twin) == ""
    assert [list(vars(m).items()) for m in model.modules()] == before
    twin[1].handle.remove()  # the copy's, not the model's
    twin[0].handle.remove()
    model(images())
    assert seen == ["pre", "kwargs", "always", "behind"]


def test_a_hook_that_changes_what_passes_is_left_off_too():
    model = network()
    plain = shadow(model)(given := images())
    model[1].register_forward_hook(lambda _m, _args, out: out * 2)
    model.register_forward_hook(lambda _m, _args, out: out + 1)
    torch.testing.assert_close(shadow(model)(given), plain)
    assert hooks_remark(model).startswith("measured without the hooks on the model itself, '1';")


class Every(prune.BasePruningMethod):
    """A pruning method of the user's own."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return torch.zeros_like(default_mask)


def test_torch_s_own_hooks_stay_in_their_order_with_their_flags():
    model = network()
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(model[0])
    nn.utils.spectral_norm(model[1][1])
    Every.apply(model[0], "bias")
    model[0].register_forward_pre_hook(lambda *_: 1 / 0, with_kwargs=True, prepend=True)
    twin = shadow(model)
    kept = [type(h).__name__ for h in twin[0]._forward_pre_hooks.values()]
    assert kept == ["WeightNorm", "Every"]
    assert twin[0]._forward_pre_hooks.keys() < model[0]._forward_pre_hooks.keys()
    assert not twin[0]._forward_pre_hooks_with_kwargs
    assert foreign_hooks(model) == ["0"]
    lazy = nn.Sequential(nn.LazyConv2d(2, 1))
    assert foreign_hooks(lazy) == []
    twin(images())


def test_a_layer_of_torch_s_that_was_made_a_hook_is_the_user_s():
    model = network()
    model.register_forward_hook(nn.Identity())
    assert foreign_hooks(model) == [""]


def test_filters_that_carviz_silenced_by_a_hook_stay_silent():
    model = network()
    zero_output(model[0], [0, 1, 2, 3])
    one, other = shadow(model)(images())
    assert torch.equal(one, other)
    assert foreign_hooks(model) == []


def test_a_copy_of_a_copy_keeps_every_hook():
    model = shadow(network())
    model[0].register_forward_hook(lambda _m, _args, out: out * 0)
    given = images()
    assert model(given).std() > 0
    torch.testing.assert_close(copy_structure(model)(given), model(given))
    assert copy_structure(model)[0]._forward_hooks.keys() == model[0]._forward_hooks.keys()


def test_global_hooks_are_told_and_stay():
    def everywhere(_module, _args, _out):
        """Watch every module of the process."""

    handle = register_module_forward_hook(everywhere)
    try:
        assert "torch's global forward hooks ran in every pass" in hooks_remark(network())
        assert "everywhere" in hooks_remark(network())
    finally:
        handle.remove()
    assert hooks_remark(network()) == ""
