"""Plans take a set of channels and a value for each row, at any number of units."""

import pytest
import torch
from support.small import Fork, Pooled, Residual, Twice, random_images
from support.woken import wake

from carviz.ablation.batches import Batch
from carviz.ablation.plan import RowsError, layout_of
from carviz.ablation.planning import (
    layout_for,
    plan_by_graph,
    plan_by_hooks,
    plan_by_reference,
    plan_like,
)
from carviz.banks import open_network, zero_channels
from carviz.reference import Reference

IMAGES, _ = random_images(6)
SETS = torch.tensor([[0, 2], [-1, -1], [3, -1], [1, 3], [2, -1]])
ROWS = torch.tensor([4, 0, 0, 3, 5])


def by_graph_channel_by_channel(network, layer, sample):
    """Return the plan as a GPU runs it in float32."""
    return plan_by_graph(network, layer, sample, layout=torch.contiguous_format)


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        (Residual, "first"),
        (Residual, "second"),
        (Fork, "first"),
        (Pooled, "first"),
        (Twice, "shared"),
    ],
)
@pytest.mark.parametrize("make", [by_graph_channel_by_channel, plan_by_graph, plan_by_hooks])
@torch.inference_mode()
def test_each_row_loses_its_set(kind, layer, make):
    network = open_network(wake(kind(), IMAGES))
    plan = make(network, layer, IMAGES[:3])
    reference = Reference(network.model)
    images = IMAGES.to(memory_format=layout_of(plan))
    found = plan.tail(plan.head(images), Batch.of(ROWS, SETS))
    for logits, row, channels in zip(found, ROWS, SETS.tolist(), strict=True):
        gone = {layer: [c for c in channels if c >= 0]}
        expected = reference.without(IMAGES[row : row + 1], gone)
        torch.testing.assert_close(logits[None], expected, atol=2e-4, rtol=0)


def test_the_layout_follows_the_device_and_the_precision():
    first, last = torch.contiguous_format, torch.channels_last
    assert layout_for("cuda", "float32") == first
    assert [layout_for("cuda", p) for p in ("tf32", "bf16")] == [last, last]
    assert layout_for("cpu", "float32") == last
    network = open_network(wake(Pooled(), IMAGES))
    for layout in (first, last):
        plan = plan_by_graph(network, "first", IMAGES[:3], layout=layout)
        again = plan_like(plan, network, "first", IMAGES[:3])
        assert layout_of(plan) == layout_of(again) == layout
        weights = [m.weight for m in plan.cut_head.modules() if isinstance(m, torch.nn.Conv2d)]
        assert any(w.is_contiguous(memory_format=layout) for w in weights)
    assert layout_of(plan_by_hooks(network, "first", IMAGES[:3])) == first


@torch.inference_mode()
def test_one_set_for_all_rows_and_another_value():
    network = open_network(wake(Fork(), IMAGES))
    value = 0.3
    expected = []
    hook = network.model.first.register_forward_hook(
        lambda _m, _a, out: zero_channels(out, torch.tensor([[1, 3]]), value)
    )
    expected = network.model(IMAGES)
    hook.remove()
    hooks = plan_by_hooks(network, "first", IMAGES[:3])
    torch.testing.assert_close(
        hooks.tail(hooks.head(IMAGES), Batch.together([1, 3]), value), expected
    )
    zero = Reference(network.model).without(IMAGES, {"first": [1, 3]})
    plans = (hooks, plan_by_graph(network, "first", IMAGES[:3]))
    for plan in (*plans, plan_by_reference(network, "first", IMAGES[:3])):
        found = plan.tail(plan.head(IMAGES), Batch.together([1, 3]))
        torch.testing.assert_close(found, zero, atol=2e-4, rtol=0)


@torch.inference_mode()
def test_hooks_refuse_rows_that_are_no_images():
    class Folded(Fork):
        def forward(self, images):
            return super().forward(torch.cat([images, images.flip(3)])).chunk(2)[0]

    network = open_network(wake(Folded(), IMAGES))
    plan = plan_by_hooks(network, "first", IMAGES[:3])
    with pytest.raises(RowsError, match="other rows than 5 images"):
        plan.tail(plan.head(IMAGES), Batch.of(ROWS, SETS))
    again = plan_like(plan, network, "first", IMAGES[:3])
    assert again.how == "hooks"
    assert not plan_by_graph(network, "first", IMAGES[:3]).rows_independent
