"""A score of one's own: falls of it, against a loop over the network, and what is refused."""

import dataclasses
import functools
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small import Residual, Stubborn, planted
from support.woken import wake
from torch import nn
from torchvision.ops import box_iou

import carviz
from carviz import Run, ScoreTable
from carviz.ablation import GraphPlan

IMAGES = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(40) % 5


def right(outputs, target):
    return float(outputs.argmax() == target)


def share(outputs, target):
    return float(outputs.detach().softmax(0)[target])


def measure(model, data, layer, score, **options):
    return carviz.measure_car(model, data, layer, score=score, progress=False, **options)


def looped(model, end, filters, images, targets, score):
    """Return scores of a loop of hooks over the network, one image at a time."""
    found = []
    for filter in [None, *filters]:

        def zero(_module, _args, output, filter=filter):
            if filter is None:
                return None
            output = output.clone()
            output[:, filter] = 0
            return output

        hook = model.get_submodule(end).register_forward_hook(zero)
        with torch.no_grad():
            answers = [model(image[None]) for image in images]
        hook.remove()
        found.append([score(_first(a), t) for a, t in zip(answers, targets, strict=True)])
    return np.array(found)


def _first(answer):
    if isinstance(answer, dict):
        return {key: value[0] for key, value in answer.items()}
    return answer[0]


def test_the_fall_of_a_score_as_worked_out_by_hand():
    def ahead(outputs, target):
        return float(outputs[target] > outputs[1 - target])

    network, data = planted()
    table = measure(network, data, "0", ahead)
    assert isinstance(table, ScoreTable)
    assert table.score == 5 / 8
    assert table.fall.tolist() == [0.375, 0.0, 0.0, -0.25]
    assert table.moved.tolist() == [3, 0, 0, 2]
    half = measure(network, data, "0", lambda outputs, target: ahead(outputs, target) / 2)
    assert half.fall.tolist() == [0.1875, 0.0, 0.0, -0.125]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_the_score_of_right_and_wrong_is_accuracy(seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(10, 3, 6, 6, generator=generator)
    labels = torch.randint(0, 5, (10,), generator=generator)
    model = wake(Residual(), IMAGES)
    table = measure(model, (images, labels), "second", right)
    car = carviz.measure_car(model, (images, labels), "second", progress=False)
    assert np.array_equal(table.fall, car.car)
    assert np.array_equal(table.scores > 0, car.predictions == car.targets)


@pytest.mark.parametrize(
    ("network", "layer", "end"), [(Residual(), "first", "first"), (Stubborn(), "conv", "norm")]
)
@pytest.mark.filterwarnings("ignore:carviz")
def test_scores_are_those_of_a_loop_over_the_network(network, layer, end):
    model = wake(network, IMAGES)
    table = measure(model, (IMAGES, LABELS), layer, share)
    expected = looped(model, end, table.filters, IMAGES, LABELS, share)
    assert np.allclose(table.baseline, expected[0], atol=1e-5)
    assert np.allclose(table.scores, expected[1:], atol=1e-5)
    assert table.moved.any()


# -- networks of torchvision


@functools.cache
def segmenter():
    torch.manual_seed(0)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    images = torch.rand(5, 3, 48, 48)
    with torch.no_grad():
        model.train()(images)
        model.eval()
        maps = model(images)["out"].movedim(1, 0).flatten(1)
        last = model.classifier.high_classifier
        last.bias -= maps.mean(1)
        for head in (last, model.classifier.low_classifier):
            head.weight *= 1 / maps.std(1)[:, None, None, None]
    return model, (images, torch.randint(0, 4, (5, 48, 48)))


def mean_iou(outputs, target):
    found, shares = outputs["out"].argmax(0), []
    for number in target.unique():
        both = ((found == number) & (target == number)).sum()
        shares.append(both / ((found == number) | (target == number)).sum())
    return torch.stack(shares).mean()


def test_a_segmenter_is_measured_by_its_own_measure():
    model, (images, masks) = segmenter()
    table = measure(model, (images, masks), "backbone.0.0", mean_iou, filters=[0, 3, 5])
    assert table.passport["engine"] == "graph"
    expected = looped(model, "backbone.0.1", table.filters, images, masks, mean_iou)
    # A pixel whose best two classes are tied may change sides.
    assert np.allclose(table.baseline, expected[0], atol=1e-3)
    assert np.allclose(table.scores, expected[1:], atol=1e-3)
    assert (table.moved == 5).any()


def detected(outputs, target):
    if not len(outputs["boxes"]):
        return 0.0
    sure = box_iou(target["boxes"], outputs["boxes"]) * outputs["scores"]
    return float(sure.amax(1).mean())


def test_a_detector_is_measured_by_its_own_measure():
    torch.manual_seed(0)
    model = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    ).eval()
    images = torch.rand(2, 3, 64, 64)
    targets = [
        {"boxes": torch.tensor([[5.0, 5, 30, 30], [20, 20, 60, 60]]), "labels": [1, 2]},
        {"boxes": torch.tensor([[0.0, 9, 50, 40]]), "labels": [1]},
    ]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        model.backbone.train()(torch.rand(4, 3, 320, 320))  # else maps fade to nothing
        model.eval()
        for head in model.head.classification_head.module_list:
            head[1].weight.normal_(std=0.2)
        expected = []
        for filter in (None, 2, 7):
            zero = functools.partial(_without, filter)
            hook = model.backbone.features[0][0][1].register_forward_hook(zero)
            expected.append(
                [detected(model([x])[0], t) for x, t in zip(images, targets, strict=True)]
            )
            hook.remove()
    layer = "backbone.features.0.0.0"
    with pytest.warns(UserWarning, match="a list of any length"):
        table = measure(model, (images, targets), layer, detected, filters=[2, 7])
    assert table.passport["engine"] == "reference"
    assert table.baseline.tolist() == pytest.approx(expected[0], abs=1e-6)
    assert np.allclose(table.scores, expected[1:], atol=1e-6)
    assert table.moved.any()


def _without(filter, _module, _args, output):
    if filter is None:
        return None
    output = output.clone()
    output[:, filter] = 0
    return output


class Masks(nn.Module):
    """Gives the best class of each place, as whole numbers."""

    def __init__(self, bias):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)
        with torch.no_grad():
            self.last.bias[0] = bias

    def forward(self, images):
        return self.last(torch.relu(self.conv(images))).argmax(1)


@pytest.mark.parametrize(("bias", "how"), [(0.0, "graph"), (100.0, "reference")])
@pytest.mark.filterwarnings("ignore:carviz")
def test_masks_of_whole_numbers_are_judged_by_what_moves_or_not_at_all(bias, how):
    torch.manual_seed(1)
    model, masks = Masks(bias), torch.randint(0, 2, (40, 6, 6))

    def same(outputs, target):
        return (outputs == target).float().mean()

    table = measure(model, (IMAGES, masks), "conv", same)
    assert table.passport["engine"] == how
    expected = looped(model, "conv", table.filters, IMAGES, masks, same)
    assert np.allclose(table.scores, expected[1:], atol=1e-6)
    assert table.moved.any() == (how == "graph")


@pytest.mark.filterwarnings("ignore:carviz")
def test_a_head_of_timm_s_is_measured_by_its_labels_and_by_a_score():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=6).eval()
    model = nn.Sequential(network, nn.Sigmoid())
    images, rows = torch.rand(6, 3, 64, 64), torch.randint(0, 2, (6, 6))
    rows[0] = 1
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        network.train()(images)
        network.eval()
        logits = network(images)
        network.fc.weight /= logits.std(0)[:, None]
        network.fc.bias.copy_((network.fc.bias - logits.mean(0)) / logits.std(0))
    layer = carviz.list_banks(model).layer[0]
    table = carviz.measure_car(model, (images, rows), layer, filters=[0, 1, 2], progress=False)

    def agreeing(outputs, target):
        return ((outputs > 0.5) == (target > 0)).float().mean()

    found = measure(model, (images, rows), layer, agreeing, filters=[0, 1, 2])
    end = table.passport["ablation"].split("'")[1]
    expected = looped(model, end, [0, 1, 2], images, rows, agreeing)
    assert np.allclose(found.scores, expected[1:], atol=1e-6)
    assert np.allclose(table.car, (expected[0] - expected[1:]).mean(1), atol=1e-6)
    assert table.lost.any()


# -- runs


def test_a_checkpoint_and_an_executor_find_the_same(tmp_path):
    model, data, run = wake(Residual(), IMAGES), (IMAGES, LABELS), Run(checkpoint=tmp_path)
    whole = measure(model, data, "third", share)
    first = next(iter(carviz.iter_car(model, data, "third", score=share, run=run, progress=False)))
    assert len(first.images) == 32
    assert not first.complete
    calls = []

    def counted(table):
        calls.append(len(table.images))
        return table

    resumed = [
        counted(t)
        for t in carviz.iter_car(model, data, "third", score=share, run=run, progress=False)
    ]
    assert calls == [32, 40]
    assert resumed[-1] == whole
    with ThreadPoolExecutor(2) as executor:
        assert measure(model, data, "third", share, run=Run(executor=executor)) == whole
    with pytest.raises(ValueError, match="score was"):
        measure(model, data, "third", right, run=run)
    others = LABELS.clone()
    others[3] += 1
    with pytest.raises(ValueError, match=r"data was|the labels that it began with"):
        measure(model, (IMAGES, others), "third", share, run=run)


def test_a_score_that_cannot_be_told_from_another_keeps_no_checkpoint(tmp_path):
    lock = threading.Lock()

    def locked(outputs, target):
        with lock:
            return share(outputs, target)

    model, data = wake(Residual(), IMAGES), (IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"cannot be told from another.*leave checkpoint out"):
        measure(model, data, "third", locked, run=Run(checkpoint=tmp_path))
    assert not list(tmp_path.iterdir())


# -- what is refused

FAULTS = {
    "above 1": (lambda o, t: 1.5, r"of image \d+ it gave 1.5. Divide"),
    "below 0": (lambda o, t: -0.5, "gave -0.5"),
    "NaN": (lambda o, t: float("nan"), "gave nan"),
    "no number": (lambda o, t: "good", "gave a str. Return a float"),
    "several numbers": (lambda o, t: o, "gave a Tensor"),
    "an error": (lambda o, t: t.boxes, r"raised .*outputs are what the network gives"),
    "random": (lambda o, t: float(torch.rand(())), "the same number whenever"),
}


@pytest.mark.parametrize(("score", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_score_that_is_none_is_told(score, words):
    with pytest.raises(ValueError, match=words):
        measure(wake(Residual(), IMAGES), (IMAGES, LABELS), "third", score)


def test_a_score_that_fails_without_a_filter_names_both():
    model = wake(Residual(), IMAGES)
    whole = {
        share(model(x[None])[0], y): i for i, (x, y) in enumerate(zip(IMAGES, LABELS, strict=True))
    }

    def fails(outputs, target):
        value = share(outputs, target)
        near = min(whole, key=lambda known: abs(known - value))
        return value if abs(near - value) < 1e-5 else 2.0

    with pytest.raises(ValueError, match=r"of image \d+ without filter \d it gave 2"):
        measure(model, (IMAGES, LABELS), "third", fails)


def test_a_score_that_keeps_something_is_found_out():
    """Within a measurement answers are asked for once: what is verified at its end differs."""
    model, calls = wake(Residual(), IMAGES), [0]

    def drifting(outputs, target):
        calls[0] += 1
        return share(outputs, target) / (2 if calls[0] > 2 + 40 + 8 * 40 else 1)

    with pytest.raises(ValueError, match="must also be the same whenever"):
        measure(model, (IMAGES, LABELS), "third", drifting)


BAD = {
    "no function": ({"score": 3}, TypeError, "score is a function"),
    "top": ({"top": 2}, ValueError, "found top as well"),
    "top True": ({"top": True}, TypeError, "a whole number; found True"),
    "answers": ({"answers": "logits"}, ValueError, "Leave answers out"),
    "several banks": ({"layer": None}, ValueError, "one bank in a call"),
    "low precision": ({"run": Run(precision="bf16")}, ValueError, "measured in float32"),
}


@pytest.mark.parametrize(("options", "error", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_asked_is_told(options, error, words):
    options = {"layer": "third", "score": share, "progress": False, **options}
    with pytest.raises(error, match=words):
        carviz.measure_car(wake(Residual(), IMAGES), (IMAGES, LABELS), **options)


def test_a_function_that_cannot_be_sent_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with (
        ProcessPoolExecutor(1) as executor,
        pytest.raises(ValueError, match=r"pickle must take it.*leave executor out"),
    ):
        measure(
            wake(Residual(), IMAGES), (IMAGES, LABELS), "third", lambda o, t: 0.5,
            run=Run(executor=executor),
        )  # fmt: skip


LIMIT = 0.3


def above(outputs, target):
    return float(outputs.softmax(0)[target] > LIMIT)


class Elsewhere(Executor):
    """Runs all here, as a process would whose module has a value of its own."""

    def __init__(self, limit):
        self.limit = limit

    def submit(self, do, *args):
        future = Future()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(globals(), "LIMIT", self.limit)
            future.set_result(do(*args))
        return future


def test_processes_whose_module_has_other_values_are_told():
    model, data = wake(Residual(), IMAGES), (IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"other values of its module.*functools\.partial"):
        measure(model, data, "third", above, run=Run(executor=Elsewhere(0.31)))
    found = measure(model, data, "third", above, run=Run(executor=Elsewhere(0.3)))
    assert found == measure(model, data, "third", above)


def test_a_detector_s_collate_fn_may_give_lists():
    data = [(x, {"class": int(y)}) for x, y in zip(IMAGES, LABELS, strict=True)]
    loader = torch.utils.data.DataLoader(data, 8, collate_fn=lambda b: tuple(zip(*b, strict=True)))
    model = wake(Residual(), IMAGES)
    found = measure(model, loader, "third", lambda o, t: right(o, t["class"]), filters=[0, 1])
    assert np.array_equal(found.fall, measure(model, (IMAGES, LABELS), "third", right).fall[:2])


def test_a_score_may_write_into_what_it_is_given():
    def writing(outputs, target):
        return share(outputs.mul_(0.5).mul_(2), target)

    model = wake(Residual(), IMAGES)
    found = measure(model, (IMAGES, LABELS), "third", writing)
    assert np.allclose(found.scores, measure(model, (IMAGES, LABELS), "third", share).scores)


@pytest.mark.filterwarnings("ignore:carviz")
@pytest.mark.parametrize("what", ["the output", "an expanded output", "the target"])
def test_what_a_score_writes_reaches_no_other_image(what):
    class Scaled(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network
            self.register_buffer("scale", torch.ones(5))

        def forward(self, images):
            rows = (len(images), 5) if what == "an expanded output" else (5,)
            return {"logits": self.network(images), "scale": self.scale.expand(rows)}

    def pure(outputs, target):
        return share(outputs["logits"] * outputs["scale"], target["class"])

    def writing(outputs, target):
        found = pure(outputs, target)
        if what == "the target":
            target["class"] = 0
            target["row"].zero_()
        elif target["class"] == 1:
            outputs["scale"][1] = 0.3
        return found

    model = Scaled(wake(Residual(), IMAGES)).eval()
    targets = [{"class": int(y), "row": torch.ones(2)} for y in LABELS]
    data = list(zip(IMAGES, targets, strict=True))
    expected = measure(model, data, "network.third", pure)
    found = measure(model, data, "network.third", writing)
    assert np.array_equal(found.scores, expected.scores)
    assert model.scale.tolist() == [1] * 5
    assert all(t["row"].sum() == 2 for t in targets)


def test_images_of_several_sizes_are_told():
    data = [(IMAGES[0], "a"), (IMAGES[1, :, :6], "b"), (IMAGES[2], "c")]
    with pytest.raises(ValueError, match="one size"):
        measure(wake(Residual(), IMAGES), data, "third", lambda o, t: 0.5)


def test_a_network_whose_answers_are_random_is_told():
    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            maps = self.conv(images).mean((2, 3))
            return [{"x": row + torch.rand(4)} for row in maps]

    with pytest.raises(ValueError, match="a second pass gave another"):
        measure(Random(), (IMAGES, LABELS), "conv", lambda o, t: 0.5)


def test_pruning_has_no_score():
    with pytest.raises(TypeError, match="score"):
        carviz.prune_filters(Residual(), (IMAGES, LABELS), "third", score=share)
    targets = [(x, {"boxes": x}) for x in IMAGES]
    with pytest.raises(TypeError, match=r"image 0 has a dict of 1 .*measure_car\(…, score=\)"):
        carviz.prune_filters(Residual(), targets, "third", progress=False)


@pytest.mark.parametrize("faulty", ["nothing is removed", "another filter is removed"])
def test_a_plan_that_does_otherwise_than_the_network_scores_nothing(monkeypatch, faulty):
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, images):
            return {"out": self.last(torch.relu(self.conv(images)))}

    def closeness(outputs, target):
        return float(outputs["out"].sigmoid().mean())

    torch.manual_seed(0)
    model, tail = Maps(), GraphPlan.tail

    def wrong(self, values, batch, *more):
        if faulty.startswith("nothing"):
            sets = np.full_like(batch.sets, -1)
        else:
            sets = np.where(batch.sets < 0, -1, (batch.sets + 1) % 4)
        channels = torch.as_tensor(sets, device=batch.channels.device)
        return tail(self, values, dataclasses.replace(batch, sets=sets, channels=channels), *more)

    right_ones = measure(model, (IMAGES, LABELS), "conv", closeness)
    assert right_ones.passport["engine"] == "graph"
    monkeypatch.setattr(GraphPlan, "tail", wrong)
    with pytest.warns(UserWarning, match="changes the answers otherwise when filter"):
        found = measure(model, (IMAGES, LABELS), "conv", closeness)
    assert found.passport["engine"] == "hooks"
    assert np.allclose(found.scores, right_ones.scores, atol=1e-6)
