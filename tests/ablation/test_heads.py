"""What a head gives part by part is what it gives at once, in the same layout."""

import pytest
import torch

from carviz.ablation import layout_of
from carviz.ablation.heads import FEW, joined_head, together_in_head
from carviz.car import prepare_car
from carviz.evaluate import inference_mode
from carviz.zoo import load_data, load_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plan():
    return prepare_car(load_model("shapes"), load_data("shapes", limit=1), "features.3").plan


def test_parts_make_the_same_maps_in_the_same_layout(plan):
    images = torch.rand(10, 3, 64, 64).contiguous(memory_format=layout_of(plan))
    with inference_mode():
        whole = plan.head(images)
        joined = joined_head(plan, (images[i : i + 4] for i in range(0, 10, 4)), 10)
    assert len(joined) == len(whole) > 1
    for a, b in zip(joined, whole, strict=True):
        torch.testing.assert_close(a, b)
        assert a.stride() == b.stride()


def test_few_go_together_on_a_cpu_and_all_where_rows_are_tied(plan, monkeypatch):
    assert together_in_head(plan, CPU, 256) == FEW
    assert together_in_head(plan, CPU, 5) == 5
    assert together_in_head(plan, torch.device("cuda"), 256) == 256
    monkeypatch.setattr(plan, "rows_independent", False)
    assert together_in_head(plan, CPU, 256) == 256
