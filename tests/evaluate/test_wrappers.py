"""Wrapped models are seen through, at any depth, and answer to both names."""

import pytest
import torch
from torch import nn

from carviz.evaluate import check_model, name_in_copy, names_in_copy, shadow, unwrap


def network():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()), nn.Flatten(), nn.Linear(32, 3)
    )


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.fixture
def group():
    from torch import distributed

    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def distributed_wrapper(model):
    return nn.parallel.DistributedDataParallel(model)


WRAPPERS = {
    "compiled": ([compiled], "_orig_mod."),
    "parallel": ([nn.DataParallel], "module."),
    "distributed": ([distributed_wrapper], "module."),
    "nested": ([nn.DataParallel, compiled], "_orig_mod.module."),
    "other way round": ([compiled, distributed_wrapper], "module._orig_mod."),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrapped_model(kind, group):
    wrappers, prefix = WRAPPERS[kind]
    inner = model = network()
    for wrap in wrappers:
        model = wrap(model)
    assert unwrap(model) is inner
    assert check_model(model) is model
    twin = shadow(model)
    assert type(twin) is nn.Sequential
    assert [n for n, _ in twin.named_modules()] == [n for n, _ in inner.named_modules()]
    assert twin[0][0].weight.data_ptr() == inner[0][0].weight.data_ptr()
    images = torch.rand(2, 3, 6, 6)
    torch.testing.assert_close(twin(images), inner(images))
    assert torch.fx.symbolic_trace(twin)
    for layer in (f"{prefix}0.0", "0.0", inner[0][0]):
        assert name_in_copy(model, layer) == "0.0"
    assert name_in_copy(model, inner) == ""
    assert name_in_copy(model, model) == ""
    assert name_in_copy(model, "0.nothing") == "0.nothing"
    assert name_in_copy(model, nn.ReLU()) is None


def test_wrappers_inside_a_model():
    model = network()
    conv = model[0][0]
    model[0][0] = compiled(conv)
    model[0] = nn.DataParallel(model[0])
    twin = shadow(model)
    assert type(twin[0]) is nn.Sequential
    assert type(twin[0][0]) is nn.Conv2d
    twin[0][0].register_forward_hook(lambda _m, _args, out: out * 0)
    one, other = twin(torch.rand(2, 3, 6, 6))
    assert torch.equal(one, other)
    assert {n: k for n, k in names_in_copy(model).items() if k == "0.0"} == {
        "0.module.0": "0.0",
        "0.module.0._orig_mod": "0.0",
    }
    assert name_in_copy(model, conv) == name_in_copy(model, model[0].module[0]) == "0.0"
    assert set(names_in_copy(model).values()) == {n for n, _ in twin.named_modules()}


def test_a_module_under_two_names_has_both():
    model = nn.Sequential()
    model.one = model.two = nn.DataParallel(nn.Sequential(nn.Conv2d(1, 1, 1)))
    assert {"one.0", "two.0"} <= set(names_in_copy(model).values())
    assert {n for n, _ in shadow(model).named_modules(remove_duplicate=False)} == set(
        names_in_copy(model).values()
    )


def test_a_wrapper_with_a_forward_pass_of_its_own_is_no_wrapper():
    class Doubled(nn.DataParallel):
        def forward(self, x):
            return 2 * self.module(x)

    model = Doubled(network())
    assert unwrap(model) is model
    images = torch.rand(2, 3, 6, 6)
    torch.testing.assert_close(shadow(model)(images), model(images))
    assert name_in_copy(model, "module.0.0") == "module.0.0"

    class Same(nn.DataParallel):
        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

    assert unwrap(Same(model)) is model


def test_plain_models_keep_their_names():
    model = network()
    assert unwrap(model) is model
    assert all(a == b for a, b in names_in_copy(model).items())
