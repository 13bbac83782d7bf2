"""Compressing equals ablating, for random plans on small networks of every kind."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.compression_judge import ablated_logits, logits, parameters, relative
from support.compression_networks import Dense, Depthwise, Plain, Skipping, example

from carviz.compression import compress


@st.composite
def plans(draw, sizes):
    """Some filters of some banks, never a whole bank."""
    return {
        bank: draw(st.lists(st.integers(0, count - 1), unique=True, max_size=count - 1))
        for bank, count in sizes.items()
    }


def sizes_of(kind, banks=None):
    network = kind()
    return {b: network.get_submodule(b).out_channels for b in banks or kind.sites}


def check(kind, plan, seed):
    model, data = example(kind, seed)
    small = compress(model, plan, data)
    sites = {kind.sites[bank]: filters for bank, filters in plan.items() if filters}
    expected = ablated_logits(model, sites, data[0])
    # Constants that are folded are rounded to the float32 of a bias; what follows may widen that.
    assert relative(logits(small, data[0]), expected) < 5e-6
    if sites:
        assert parameters(small) < parameters(model)
        assert relative(logits(model, data[0]), expected) > 1e-3, "the ablation moved nothing"


@pytest.mark.parametrize("kind", [Plain, Dense, Depthwise])
def test_compressing_equals_ablating(kind):
    @settings(max_examples=20, deadline=None)
    @given(plans(sizes_of(kind)), st.integers(0, 3))
    def law(plan, seed):
        if kind is Depthwise:  # the two lose filters together: something must be left of both
            assume(len({*plan["expand"], *plan["depthwise"]}) < 8)
        check(kind, plan, seed)

    law()


@settings(max_examples=20, deadline=None)
@given(plans(sizes_of(Skipping, Skipping.free)), st.integers(0, 3))
def test_banks_inside_residual_blocks(plan, seed):
    check(Skipping, plan, seed)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 5), unique=True, max_size=5), plans({"a1": 4, "b1": 5}))
def test_banks_that_meet_at_a_skip_go_together(shared, plan):
    check(Skipping, plan | dict.fromkeys(Skipping.coupled, shared), 0)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 5), unique=True, max_size=5),
    st.lists(st.integers(0, 5), unique=True, max_size=5),
)
def test_a_skip_loses_what_all_of_its_banks_lose_and_nothing_else(stem, branch):
    model, data = example(Skipping)
    plan = {"stem": stem, "a2": branch, "b2": stem}
    if set(stem) == set(branch):
        check(Skipping, plan, 0)
    else:
        with pytest.raises(ValueError, match="skip or a gate"):
            compress(model, plan, data)


@settings(max_examples=10, deadline=None)
@given(plans({"b": 5, "c": 6}), plans({"a": 3, "c": 6}))
def test_compressing_twice_is_compressing_once(first, second):
    """The filters of the second plan are numbered as the first left them."""
    model, data = example(Dense)
    sizes = sizes_of(Dense)
    kept = {b: [i for i in range(n) if i not in first.get(b, [])] for b, n in sizes.items()}
    second = {b: [i for i in f if i < len(kept[b])] for b, f in second.items()}
    second = {b: f[: len(kept[b]) - 1] for b, f in second.items()}
    both = {b: sorted({*first.get(b, []), *(kept[b][i] for i in second.get(b, []))}) for b in kept}
    twice = compress(compress(model, first, data), second, data)
    once = compress(model, both, data)
    assert {n: p.shape for n, p in twice.named_parameters()} == {
        n: p.shape for n, p in once.named_parameters()
    }
    torch.testing.assert_close(logits(twice, data[0]), logits(once, data[0]), rtol=1e-5, atol=1e-5)
