"""CAR as Torch-Pruning's importance, judged with its own dependency graph and pruner."""

import numpy as np
import pytest
import torch
import torch_pruning as tp
from support.compression_networks import Depthwise, Plain, Skipping, example
from support.small import planted
from support.woken import smooth_images
from torch import nn

from carviz.ablation import Run
from carviz.car import measure_car
from carviz.compression import CarImportance


def groups_of(model, images):
    graph = tp.DependencyGraph().build_dependency(model, images[:2])
    return graph, {graph._module2name[g[0].dep.target.module]: g for g in graph.get_all_groups()}


def pruned(steps: int) -> torch.Tensor:
    """Return the weights (filter,) that a real pruner leaves of the network planted by hand."""
    model, data = planted()
    pruner = tp.pruner.BasePruner(
        model, data[0][:2], importance=CarImportance(model, data), pruning_ratio=steps / 4,
        iterative_steps=steps, ignored_layers=[model[4]],
    )  # fmt: skip
    for _ in range(steps):
        pruner.step()
    assert model(data[0]).shape == (8, 2)
    return model[0].weight.detach().flatten()


def test_the_filter_that_misleads_goes_first_and_the_vital_one_last():
    """CAR is known by hand: filter 3 (weight 1) misleads, 1 and 2 (weight -1) are twins.

    Once 3 is gone, either twin goes, then 0: without it class 0 still wins the ties. The twin that
    is left alone sees class 1, and is vital.
    """
    assert pruned(1).tolist() == [1, -1, -1]
    assert pruned(3).tolist() == [-1]


def test_the_importance_of_a_plain_bank_is_its_car():
    model, data = example(Plain)
    _, groups = groups_of(model, data[0])
    scores = CarImportance(model, data)(groups["first"])
    car = measure_car(model, data, "first", progress=False).car
    assert scores.shape == (6,)
    # Ties are told apart by less than half an image.
    assert np.abs(scores.numpy() - car).max() < 0.5 / len(data[0])
    assert len(np.unique(scores.numpy())) == 6


def test_ties_go_by_the_fall_of_the_log_probability():
    model, data = example(Skipping)
    table = measure_car(model, data, "b1", progress=False)
    _, groups = groups_of(model, data[0])
    scores = CarImportance(model, data)(groups["b1"]).numpy()
    count = np.bincount(table.targets, minlength=len(table.classes))
    fall = np.nansum(table.log_prob_drop * count, axis=1)
    assert scores.argsort().tolist() == np.lexsort([fall, table.car]).tolist()


def test_where_log_p_was_left_out_the_scores_are_car():
    model, data = example(Skipping)
    run = Run(precision="bf16")
    table = measure_car(model, data, "b1", progress=False, run=run)
    _, groups = groups_of(model, data[0])
    scores = CarImportance(model, data, run=run)(groups["b1"]).numpy()
    assert not table.has_log_prob_drop
    np.testing.assert_allclose(scores, table.car, atol=1e-7)


def test_a_group_has_the_mean_over_its_convolutions():
    model, data = example(Skipping)
    _, groups = groups_of(model, data[0])
    importance = CarImportance(model, data)
    group = next(g for g in groups.values() if len(g[0].idxs) == 6)
    banks = {i.dep.target.module for i in group if isinstance(i.dep.target.module, nn.Conv2d)}
    assert {model.stem, model.a2, model.b2} <= banks
    each = [importance._scores(bank) for bank in (model.stem, model.a2, model.b2)]
    np.testing.assert_allclose(importance(group).numpy(), np.mean(each, axis=0), rtol=1e-5)


def test_a_depthwise_convolution_counts_with_its_expansion():
    model, data = example(Depthwise)
    _, groups = groups_of(model, data[0])
    importance = CarImportance(model, data)
    group = next(g for g in groups.values() if len(g[0].idxs) == 8)
    each = [importance._scores(model.expand), importance._scores(model.depthwise)]
    np.testing.assert_allclose(importance(group).numpy(), np.mean(each, axis=0), rtol=1e-5)


def test_part_of_a_group_has_its_filters_scores():
    model, data = example(Plain)
    graph, groups = groups_of(model, data[0])
    importance = CarImportance(model, data)
    whole = importance(groups["first"])
    part = graph.get_pruning_group(model.first, tp.prune_conv_out_channels, [4, 1])
    assert importance(part).tolist() == whole[[4, 1]].tolist()


def test_a_bank_is_measured_once_and_again_when_the_model_has_changed(monkeypatch):
    model, data = example(Plain)
    graph, groups = groups_of(model, data[0])
    importance = CarImportance(model, data)
    measured = []
    measure = importance._measure
    monkeypatch.setattr(importance, "_measure", lambda n: (measured.append(n), measure(n))[1])
    first = importance(groups["first"])
    importance(groups["third"])
    assert torch.equal(importance(groups["first"]), first)
    assert measured == ["first", "third"]
    with torch.no_grad():
        model.second.weight[0] *= 3
    importance(groups["first"])
    assert measured == ["first", "third", "first"]
    graph.get_pruning_group(model.first, tp.prune_conv_out_channels, [2]).prune()
    _, groups = groups_of(model, data[0])
    assert importance(groups["first"]).shape == (5,)


def test_groups_without_a_convolution_are_left_alone():
    model, data = example(Plain)
    _, groups = groups_of(model, data[0])
    assert CarImportance(model, data)(groups["hidden"]) is None
    pruner = tp.pruner.BasePruner(
        model, data[0][:2], importance=CarImportance(model, data), pruning_ratio=0.5,
        global_pruning=True, ignored_layers=[model.last],
    )  # fmt: skip
    pruner.step()
    assert model.hidden.out_features == 8
    assert model.first.out_channels + model.second.out_channels + model.third.out_channels < 18
    assert model(data[0]).shape == (12, 5)


def test_another_model_is_refused():
    model, data = example(Plain)
    _, groups = groups_of(example(Plain)[0], data[0])
    with pytest.raises(ValueError, match="Give both the same"):
        CarImportance(model, data)(groups["first"])


def test_data_is_checked_at_once():
    model, _ = example(Plain)
    with pytest.raises(TypeError, match="data is"):
        CarImportance(model, smooth_images(3, 12))
