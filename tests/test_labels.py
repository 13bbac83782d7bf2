"""Data with a row of labels an image: CAR of each label, against a loop over the network."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference import baseline, reference_logits
from support.small import Residual, Stubborn
from support.woken import wake
from torch import nn
from torch.nn.functional import logsigmoid

import carviz
from carviz import LabelTable, Run

IMAGES = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
ROWS = (torch.rand(40, 5, generator=torch.Generator().manual_seed(2)) < 0.3).int()


class Head(nn.Module):
    """A network with something at its end."""

    def __init__(self, network, end):
        super().__init__()
        self.network, self.end = network, end

    def forward(self, images):
        return self.end(self.network(images))


def measure(model, layer, data=(IMAGES, ROWS), **options):
    return carviz.measure_car(model, data, layer, progress=False, **options)


def woken(network):
    """Return a network some of whose logits are on either side of 0."""
    network = wake(network, IMAGES)
    with torch.no_grad():
        network.last.bias -= baseline(network, IMAGES).mean(0)
    return network


def planted():
    """Return two filters, each of which alone sees one label, and images that have them.

    Filter 0 sees red and votes for label 0, filter 1 sees green and votes for label 1; label 2 is
    never predicted. A logit is above 0 where the colour is.
    """
    conv = nn.Conv2d(3, 2, 1, bias=False)
    last = nn.Linear(2, 3)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0] = conv.weight[1, 1] = 1
        last.weight.zero_()
        last.weight[0, 0] = last.weight[1, 1] = 2
        last.bias[:] = -1
    network = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    images = torch.zeros(4, 3, 1, 1)
    images[[0, 1], 0] = 1  # red
    images[[1, 2], 1] = 1  # green
    rows = torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
    return network, (images, rows)


def test_car_of_each_label_as_worked_out_by_hand():
    network, data = planted()
    table = measure(network, "0", data)
    assert isinstance(table, LabelTable)
    # Green on image 2 is predicted, and is not there; label 2 is missed on image 1.
    assert table.right.tolist() == [4, 3, 3]
    assert table.positives.tolist() == [2, 1, 1]
    assert table.label_car.tolist() == [[0.5, 0, 0], [0, 0, 0]]
    assert table.lost.tolist() == [[2, 0, 0], [0, 1, 0]]
    assert table.gained.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert table.recall_fall.tolist() == [[1.0, 0, 0], [0, 1.0, 0]]
    assert table.car.tolist() == pytest.approx([1 / 6, 0])
    fall = logsigmoid(torch.tensor(1.0)) - logsigmoid(torch.tensor(-1.0))
    assert table.log_prob_drop[0].tolist() == pytest.approx([float(fall) / 2, 0, 0])
    assert table.passport["targets"] == "labels"


@pytest.mark.parametrize(
    ("network", "layer", "end"),
    [(Residual(), "third", "third"), (Residual(), "second", "norm"), (Stubborn(), "conv", "norm")],
)
@pytest.mark.filterwarnings("ignore:carviz")
def test_labels_are_those_of_a_loop_over_the_network(network, layer, end):
    model = woken(network)
    table = measure(Head(model, torch.sigmoid), f"network.{layer}")
    assert table.passport["answers"] == "logits before the sigmoid"
    whole, filters = baseline(model, IMAGES), list(range(len(table.filters)))
    without, true = reference_logits(model, IMAGES, end, filters), ROWS > 0
    before, after = (whole > 0) == true, (without > 0) == true
    assert np.array_equal(table.lost, (before & ~after).sum(1))
    assert np.array_equal(table.gained, (~before & after).sum(1))
    assert np.array_equal(table.lost_positives, (before & ~after & true).sum(1))
    assert np.array_equal(table.gained_positives, (~before & after & true).sum(1))
    assert np.array_equal(table.right_without, after.sum(2))
    assert table.lost.any()
    sign = torch.where(true, 1.0, -1.0)
    falls = (logsigmoid(sign * whole) - logsigmoid(sign * without)).mean(1)
    assert np.allclose(table.log_prob_drop, falls, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_what_labels_lose_is_what_images_lose(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = (torch.rand(12, 5, generator=generator) < 0.4).int()
    rows[0] = 1
    images = torch.randn(12, 3, 6, 6, generator=generator)
    model = woken(Residual())
    table = measure(model, "third", (images, rows))
    whole = model(images)
    labels = (((whole > 0) == (rows > 0)).sum() * 1.0).item()
    assert table.right.sum() == labels
    summed = (table.lost - table.gained).sum(1)
    assert np.array_equal(summed, (table.right_labels - table.right_without).sum(1))
    assert np.allclose(table.car, summed / (12 * 5))
    shares = measure(model, "third", (images, rows), score=_share_right)
    assert np.allclose(shares.fall, table.car, atol=1e-6)


def _share_right(outputs, target):
    return float(((outputs > 0) == (target > 0)).float().mean())


def test_probabilities_said_to_be_such_give_the_numbers_of_their_logits():
    model = woken(Residual())
    plain = measure(model, "third")
    hidden = Head(model, lambda z: 1 / (1 + (-z).exp()))
    with pytest.raises(ValueError, match="Say answers='logits' or answers='probabilities'"):
        measure(hidden, "network.third")
    with pytest.warns(UserWarning, match="above 0.5"):
        found = measure(hidden, "network.third", answers="probabilities")
    assert np.array_equal(found.lost, plain.lost)
    assert np.allclose(found.log_prob_drop, plain.log_prob_drop, atol=1e-4)


def test_a_checkpoint_and_an_executor_find_the_same(tmp_path):
    model, run = woken(Residual()), Run(checkpoint=tmp_path)
    whole = measure(model, "third")
    first = next(iter(carviz.iter_car(model, (IMAGES, ROWS), "third", run=run, progress=False)))
    assert len(first.images) == 32
    assert measure(model, "third", run=run) == whole
    assert measure(model, "third", run=run) == whole  # all of it is kept
    with ThreadPoolExecutor(2) as executor:
        assert measure(model, "third", run=Run(executor=executor)) == whole
    others = ROWS.clone()
    others[7, 2] = 1 - others[7, 2]
    with pytest.raises(ValueError, match=r"data was|the labels that it began with"):
        measure(model, "third", (IMAGES, others), run=run)


def test_a_dataset_whose_first_images_have_one_label_says_so():
    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 200

        def __getitem__(self, number):
            row = torch.eye(5)[number % 5]
            row[1] += number == 78
            return IMAGES[number % 40], row

    data, model = Data(), woken(Residual())
    with pytest.raises(ValueError, match="multi_label = True"):
        measure(model, "third", data, filters=[0])
    data.multi_label, data.classes = True, list("abcde")
    table = measure(model, "third", data, filters=[0])
    assert table.labels == tuple("abcde")
    assert table.positives.sum() == 201


@pytest.mark.parametrize("value", [np.True_, True])
def test_data_may_say_that_they_are_rows(value):
    data = [(x, y) for x, y in zip(IMAGES, torch.eye(5)[torch.arange(40) % 5], strict=True)]
    rows = _Said(data, value)
    assert isinstance(measure(woken(Residual()), "third", rows, filters=[0]), LabelTable)


@pytest.mark.parametrize("value", [1, "yes"])
def test_what_says_neither_yes_nor_no_is_told(value):
    rows = _Said([(x, 0) for x in IMAGES], value)
    with pytest.raises(TypeError, match=r"multi_label is True where.*found (1|'yes')"):
        measure(woken(Residual()), "third", rows, filters=[0])


class _Said(list):
    def __init__(self, data, value):
        super().__init__(data)
        self.multi_label = value


def _with(value):
    rows = torch.eye(5)[torch.arange(40) % 5]
    rows[:, 3] = value
    return IMAGES, rows


BAD = {
    "unknown": (_with(-1), {}, ValueError, r"row of labels.*-1 to 1\. Leave unlabelled images out"),
    "two": (_with(2), {}, ValueError, r"row of labels.*0 to 2\. Leave unlabelled"),
    "NaN": (_with(float("nan")), {}, ValueError, "row of labels.*0 to 1, some of them NaN. Leave"),
    "a share more": (_with(0.5), {}, ValueError, "row of labels.*let shares be 0 or 1"),
    "top True": ((IMAGES, ROWS), {"top": True}, TypeError, "a whole number; found True"),
    "another length": ((IMAGES, ROWS[:, :4]), {}, ValueError, "4 labels, the network 5 logits"),
    "shares": ((IMAGES, ROWS * 0.5), {}, ValueError, "a row of 5 values, 0 to 0.5"),
    "several banks": (
        (IMAGES, ROWS), {"layer": ["third", "first"]}, ValueError, "one bank in a call",
    ),
    "top": ((IMAGES, ROWS), {"top": 2}, ValueError, "one class an image"),
    "low precision": (
        (IMAGES, ROWS), {"run": Run(precision="bf16")}, ValueError, "measured in float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "options", "error", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_told(data, options, error, words):
    layer = options.pop("layer", "third")
    with pytest.raises(error, match=words):
        measure(woken(Residual()), layer, data, **options)


def test_classes_that_exclude_one_another_are_no_labels():
    with pytest.raises(ValueError, match=r"exclude one another.*score="):
        measure(Head(woken(Residual()), lambda z: z.softmax(1)), "network.third")


def test_the_cost_is_told():
    plan = carviz.plan_car(woken(Residual()), (IMAGES, ROWS), "third")
    assert (plan.how, plan.images) == ("graph", 40)
