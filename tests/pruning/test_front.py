"""The front door of pruning: what it refuses, what it keeps, and that the model stays as it is."""

import copy
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.small import Residual, planted, random_images
from support.woken import wake

import carviz
from carviz.banks import open_network
from carviz.evaluate import arithmetic
from carviz.pruning import CRITERIA, prepare_pruning, prune_filters
from carviz.pruning.state import PruningState

IMAGES, LABELS = random_images(60)


def model():
    return wake(Residual(), IMAGES)


def prune(network=None, data=(IMAGES, LABELS), layer="first", **options):
    return prune_filters(network or model(), data, layer, progress=False, **options)


def test_paths_grow_step_by_step():
    pruning = prepare_pruning(model(), (IMAGES, LABELS), "first", count=3)
    paths = list(pruning.paths())
    assert [len(path) for path in paths] == [0, 1, 2, 3]
    assert all(path == paths[-1].prefix(len(path)) for path in paths)
    assert list(pruning.paths()) == paths  # a second time: nothing was left over


def test_progress_rises_to_one():
    for criterion in CRITERIA:
        shares = []
        prune_filters(
            model(), (IMAGES, LABELS), ["first", "third"], criterion=criterion,
            count=4, progress=shares.append, run=carviz.Run(batch_size=16),
        )  # fmt: skip
        assert shares == sorted(shares)
        assert shares[0] >= 0
        assert shares[-1] == 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_what_progress_raises_ends_the_pruning_within_a_batch(criterion, monkeypatch):
    class CancelledError(Exception):
        pass

    batches = []
    original = PruningState._ask

    def counted(self, *args):
        batches.append(1)
        return original(self, *args)

    monkeypatch.setattr(PruningState, "_ask", counted)
    network, told = model(), []
    before = copy.deepcopy(network.state_dict())

    def progress(share):
        told.append(len(batches))
        if len(told) == 9:
            raise CancelledError

    with pytest.raises(CancelledError):
        prune_filters(
            network, (IMAGES, LABELS), "first", criterion=criterion, progress=progress,
            run=carviz.Run(batch_size=8),
        )  # fmt: skip
    assert len(told) == 9
    assert max(np.diff(told)) <= 1
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())


def test_the_floor_ends_the_path_before_the_step_that_falls_below_it():
    with torch.inference_mode():
        data = IMAGES, model()(IMAGES).argmax(1)
    whole = prune(data=data)
    floor = float(np.median(whole.accuracy))
    path = prune(data=data, floor=floor)
    assert path == whole.at_or_above(floor)
    assert 0 < len(path) < len(whole)
    with pytest.raises(ValueError, match="an accuracy that the whole network reaches"):
        prune(floor=0.9)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_given_model_stays_as_it_is(criterion):
    network = model().train()
    before = copy.deepcopy(network.state_dict())
    opened = open_network(network)
    kept = copy.deepcopy(opened.model.state_dict())
    prune(opened, criterion=criterion, layer=["first", "second"])
    prune(network, criterion=criterion, layer=network.second)
    for tensors, old in ((network.state_dict(), before), (opened.model.state_dict(), kept)):
        assert all(torch.equal(tensor, old[name]) for name, tensor in tensors.items())
    assert network.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in opened.model.modules())


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"criterion": "tailor"}, ValueError, "Did you mean 'taylor'"),
        ({"criterion": 3}, TypeError, "criterion is a name"),
        ({"count": 7}, ValueError, r"0 to 6 \(all of them\); found 7"),
        ({"count": 2.0}, TypeError, "a whole number.* or None; found 2.0"),
        ({"floor": 80}, ValueError, r"a fraction, in \[0, 1\]; found 80"),
        ({"floor": "high"}, TypeError, "or None; found 'high'"),
        ({"layer": []}, ValueError, "found an empty list"),
        ({"layer": ["first", "first"]}, ValueError, "pruned once"),
        ({"layer": 3}, TypeError, "found int"),
        ({"layer": "frist"}, ValueError, "Nearest: 'first'"),
        ({"run": 3}, TypeError, "Run or None; found int"),
        ({"data": (IMAGES, LABELS + 3)}, ValueError, r"image \d+ has label"),
    ],
)
def test_what_is_refused(options, error, named):
    with pytest.raises(error, match=named):
        prune(**options)


def test_an_executor_is_refused():
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="measure_car"):
        prune(run=carviz.Run(executor=executor))


def test_logits_that_are_not_finite_name_the_image():
    network = model()
    images = IMAGES.clone()
    images[41] *= 1e38
    with pytest.raises(ValueError, match="image 41 has NaN or infinity"):
        prune(network, (images, LABELS))


def test_the_passport_says_where_the_numbers_come_from():
    path = prune(layer=["second", "first"], count=1)
    assert path.passport["criterion"] == "car"
    assert list(path.passport["ablation"]) == ["second", "first"]
    assert "'norm'" in path.passport["ablation"]["second"]
    assert {"model", "data", "seed", "device", "precision", "versions"} <= set(path.passport)


@pytest.mark.parametrize("criterion", ["car", "car-once", "taylor"])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_pruning_decides_in_float32_whatever_is_asked_for(monkeypatch, criterion, precision):
    asked = []
    computing = arithmetic

    def noting(precision, device):
        asked.append(precision)
        return computing(precision, device)

    for name in [name for name in sys.modules if name.startswith("carviz.")]:
        if getattr(sys.modules[name], "arithmetic", None) is computing:
            monkeypatch.setattr(sys.modules[name], "arithmetic", noting)
    options = {"criterion": criterion, "count": 2}
    expected = prune(**options)
    with pytest.warns(UserWarning, match=f"decides in float32, whatever is asked for .{precision}"):
        path = prune(run=carviz.Run(precision=precision), **options)
    assert set(asked) == {"float32"}
    np.testing.assert_array_equal(path.order, expected.order)
    np.testing.assert_array_equal(path.predictions, expected.predictions)
    assert path.passport["precision"] == "float32"
    assert "float32" in path.passport["remark"]


def test_out_of_memory_goes_on_in_smaller_batches(monkeypatch):
    from carviz.ablation.plan import GraphPlan

    expected = prune()
    original, sizes = GraphPlan.tail, []

    def tail(self, values, batch, value=0):
        if batch.rows is not None and len(batch.rows) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch.channels))
        return original(self, values, batch, value)

    monkeypatch.setattr(GraphPlan, "tail", tail)
    path = prune()
    np.testing.assert_array_equal(path.order, expected.order)
    np.testing.assert_array_equal(path.predictions, expected.predictions)
    assert max(sizes) <= 5


def test_the_bar_is_shown(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    network, data = planted()
    prune_filters(network, data, "0")
    assert "Pruning 0 by car: 100%" in capsys.readouterr().err
