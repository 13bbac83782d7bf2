"""What is read of answers: classes among the highest logits."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.reference import baseline, reference_logits
from support.small import Residual, Stubborn
from support.woken import wake
from torch import nn

import carviz
from carviz import Run
from carviz.ablation.readings import is_among

IMAGES = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(40) % 5


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1, max_size=8),
    st.integers(0, 5),
)
def test_more_first_classes_hold_more_and_ties_go_to_the_lower_class(rows, target):
    logits, targets = torch.tensor(rows).float(), torch.full((len(rows),), target)
    hits = torch.stack([is_among(logits, targets, k) for k in range(1, 7)])
    assert (hits.int().diff(dim=0) >= 0).all()
    assert hits[-1].all()
    # A stable sort is the plain way of it.
    order = logits.argsort(dim=1, descending=True, stable=True)
    for k in range(1, 7):
        assert torch.equal(hits[k - 1], (order[:, :k] == target).any(1))


def test_a_network_that_says_nothing_is_not_right_about_all_images():
    hits = is_among(torch.zeros(5, 5), torch.arange(5), 2)
    assert hits.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("model", "layer", "end"), [(Residual(), "third", "third"), (Stubborn(), "conv", "norm")]
)
def test_first_classes_are_those_of_a_loop_over_the_network(model, layer, end):
    model = wake(model, IMAGES)
    told = pytest.warns(UserWarning, match="torch.fx") if end == "norm" else nullcontext()
    with told:
        table = carviz.measure_car(model, (IMAGES, LABELS), layer, progress=False, top=3)
    filters = list(range(len(table.filters)))
    whole = baseline(model, IMAGES)
    without = reference_logits(model, IMAGES, end, filters)
    assert table.top_accuracy == pytest.approx(_hits(whole, 3).float().mean())
    for i in filters:
        hits = _hits(without[i], 3)
        assert table.top_predictions[i].tolist() == hits.tolist()
        fall = _hits(whole, 3).float().mean() - hits.float().mean()
        assert table.top_car[i] == pytest.approx(float(fall), abs=1e-6)
    assert table.top_lost.any()


def test_the_first_class_alone_is_measured_as_before():
    model = wake(Residual(), IMAGES)
    plain = carviz.measure_car(model, (IMAGES, LABELS), "second", progress=False)
    table = carviz.measure_car(model, (IMAGES, LABELS), "second", progress=False, top=2)
    assert "top" not in plain.passport
    assert table.passport["top"] == 2
    assert np.array_equal(plain.predictions, table.predictions)
    assert np.array_equal(plain.image_log_prob_drop, table.image_log_prob_drop)
    assert np.array_equal(plain.top_car, plain.car)
    assert (table.top_accuracy, plain.top_accuracy) >= (plain.accuracy, plain.accuracy)


def test_a_silent_channel_keeps_the_first_classes():
    model = wake(Residual(), IMAGES)
    with torch.no_grad():
        model.third.weight[2] = 0
        model.third.bias[2] = 0
    table = carviz.measure_car(model, (IMAGES, LABELS), "third", progress=False, top=2)
    assert np.array_equal(table.top_predictions[2], table.top_baseline)
    assert table.top_q_value[2] == 1


def test_several_banks_have_first_classes():
    model = wake(Residual(), IMAGES)
    tables = carviz.measure_car(model, (IMAGES, LABELS), ["first", "third"], progress=False, top=2)
    alone = carviz.measure_car(model, (IMAGES, LABELS), "third", progress=False, top=2)
    assert np.array_equal(tables["third"].top_predictions, alone.top_predictions)
    frame = tables.to_frame()
    assert len(frame) == 14
    assert frame["top2_q_value"].notna().all()


def test_a_checkpoint_keeps_the_first_classes_and_is_of_so_many(tmp_path):
    model, run = wake(Residual(), IMAGES), Run(checkpoint=tmp_path)
    first = next(
        iter(carviz.iter_car(model, (IMAGES, LABELS), "third", run=run, progress=False, top=2))
    )
    again = carviz.measure_car(model, (IMAGES, LABELS), "third", run=run, progress=False, top=2)
    whole = carviz.measure_car(model, (IMAGES, LABELS), "third", progress=False, top=2)
    assert len(first.images) < len(again.images)
    assert again == whole
    with pytest.raises(ValueError, match="top was 2, is 3"):
        carviz.measure_car(model, (IMAGES, LABELS), "third", run=run, progress=False, top=3)


@pytest.mark.parametrize(
    ("top", "error", "words"),
    [
        (0, ValueError, r"1 to 4 \(fewer than the network's 5 logits\); found 0"),
        (5, ValueError, "found 5"),
        (True, TypeError, "found True"),
        (2.5, TypeError, "a whole number"),
    ],
)
def test_a_number_of_first_classes_that_cannot_be_is_told(top, error, words):
    with pytest.raises(error, match=words):
        carviz.measure_car(Residual(), (IMAGES, LABELS), "third", progress=False, top=top)


def test_of_two_classes_only_one_is_first():
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1)
    )
    with pytest.raises(ValueError, match=r"fewer than there are classes; found 2.*two classes"):
        carviz.measure_car(model, (IMAGES, LABELS % 2), "0", progress=False, top=2)


def test_low_precision_has_no_first_classes():
    run = Run(precision="bf16")
    with pytest.raises(ValueError, match="top above 1 is measured in float32; found precision"):
        carviz.measure_car(Residual(), (IMAGES, LABELS), "third", run=run, progress=False, top=2)


def _hits(logits, top):
    order = logits.argsort(dim=1, descending=True, stable=True)
    return (order[:, :top] == LABELS[:, None]).any(1)
