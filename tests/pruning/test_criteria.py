"""Each criterion orders filters by what its paper says; all are evaluated alike."""

import numpy as np
import pytest
import torch
from support.naive_pruning import predict
from support.small import Pooled, Residual, Stubborn, Twice, planted, random_images
from support.woken import wake
from torch.nn import functional

import carviz
from carviz.pruning import CRITERIA, prune_filters

IMAGES, LABELS = random_images(40)


def order_of(scores):
    return np.argsort(scores, kind="stable").tolist()


def maps_and_gradients(model, site):
    """Return (image, channel, place) maps of a site and the gradient of each image's loss."""
    kept = []

    def keep(_module, _args, output):
        output.retain_grad()
        kept.append(output)
        return output.clone()

    hook = model.get_submodule(site).register_forward_hook(keep)
    gradients = []
    for image, label in zip(IMAGES, LABELS, strict=True):
        model.zero_grad()
        functional.cross_entropy(model(image[None]), label[None]).backward()
        gradients.append(kept[-1].grad.flatten(2))
    hook.remove()
    return torch.cat([z.detach().flatten(2) for z in kept]), torch.cat(gradients)


@pytest.mark.parametrize(
    ("kind", "layer", "site"),
    [(Residual, "second", "norm"), (Residual, "first", "first"), (Pooled, "first", "norm")],
)
def test_the_order_is_the_score_s(kind, layer, site):
    model = wake(kind(), IMAGES)
    weight = model.get_submodule(layer).weight.detach().flatten(1).double().numpy()
    maps, gradients = maps_and_gradients(model, site)
    table = carviz.measure_car(model, (IMAGES, LABELS), layer, progress=False)
    expected = {
        "l1": np.abs(weight).sum(1),
        "l2": np.linalg.norm(weight, axis=1),
        "taylor": (maps * gradients).mean(2).abs().mean(0).numpy(),
        "apoz": -(maps <= 0).double().mean((0, 2)).numpy(),
        "car-once": table.car,
        "log-prob": table.log_prob_drop_all,
    }
    for criterion, scores in expected.items():
        path = prune_filters(model, (IMAGES, LABELS), layer, criterion=criterion, progress=False)
        assert path.order.tolist() == order_of(scores.round(9)), criterion


@pytest.mark.parametrize("criterion", CRITERIA)
def test_each_step_is_what_the_ablated_network_predicts(criterion):
    model = wake(Residual(), IMAGES)
    sites = {"third": "third", "second": "norm"}
    path = prune_filters(model, (IMAGES, LABELS), list(sites), criterion=criterion, progress=False)
    assert len(path) == 14
    gone = []
    for step in range(len(path)):
        gone.append((sites[path.layers[step]], int(path.order[step])))
        np.testing.assert_array_equal(path.predictions[step], predict(model, IMAGES, gone))
    if criterion != "car":
        assert not path.evaluated.any()


def test_several_banks_are_compared_by_their_share_of_the_bank_s_norm():
    model = wake(Residual(), IMAGES)
    with torch.no_grad():
        model.second.weight *= 100  # undone by nothing but the normalisation of scores
    scores = []
    for layer in ("first", "second"):
        l1 = model.get_submodule(layer).weight.detach().abs().flatten(1).sum(1).double().numpy()
        scores.append(l1 / np.linalg.norm(l1))
    path = prune_filters(
        model, (IMAGES, LABELS), ["first", "second"], criterion="l1", progress=False
    )
    filters = [(layer, i) for layer in ("first", "second") for i in range(6)]
    expected = [filters[place] for place in order_of(np.concatenate(scores))]
    assert list(zip(path.layers, path.order.tolist(), strict=True)) == expected


def test_equal_scores_are_ties():
    model, data = planted()
    path = prune_filters(model, data, "0", criterion="l1", progress=False)
    assert path.order.tolist() == [0, 1, 2, 3]  # all weigh 1
    assert path.decided_by_tie.tolist() == [True, True, True, False]


def test_random_is_seeded_and_jointly_drawn():
    model = wake(Residual(), IMAGES)
    paths = [
        prune_filters(
            model, (IMAGES, LABELS), ["first", "third"], criterion="random", progress=False
        )
        for _ in range(2)
    ]
    assert paths[0] == paths[1]
    assert not paths[0].decided_by_tie.any()
    assert len(set(paths[0].layers[:8])) == 2


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_bank_used_twice_and_a_network_without_a_graph(criterion):
    twice = prune_filters(
        wake(Twice(), IMAGES), (IMAGES, LABELS), "shared", criterion=criterion, progress=False
    )
    assert sorted(twice.order) == [0, 1, 2, 3]
    with pytest.warns(UserWarning, match=r"torch\.fx"):
        path = prune_filters(
            wake(Stubborn(), IMAGES), (IMAGES, LABELS), "conv", criterion=criterion, progress=False
        )
    assert sorted(path.order) == list(range(6))


def test_every_criterion_names_its_source():
    for function in CRITERIA.values():
        assert function.__doc__
    assert all("arXiv" in CRITERIA[n].__doc__ for n in ("car", "l1", "l2", "taylor", "apoz"))
