"""Effective weights are found in little memory, in any order, and nobody else notices."""

import threading

import numpy as np
import pytest
import torch
from support.small import Residual, random_images
from support.woken import wake
from torch import nn

from carviz.banks import open_network
from carviz.pictures import effective_weights, iter_effective_weights, pulling, rgb_weights


def test_a_filter_that_nothing_excites_has_no_weight_and_a_grey_picture():
    model, data = Residual(), random_images()
    model.norm.bias.data[3] = -1e6
    weights = effective_weights(model, data, "second").weights
    assert (weights[3] == 0).all()
    assert (np.abs(weights).max(axis=(1, 2, 3)) > 0).tolist() == [i != 3 for i in range(6)]
    assert (rgb_weights(model, "second", 3, data=data) == 0.5).all()


def test_neither_model_nor_data_notice():
    model, (images, labels) = Residual().train(), random_images()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.ndim > 1)
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = images.clone()
    found = effective_weights(model, (images, labels), model.third)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(m.training and not m._forward_hooks for m in model.modules())
    assert torch.equal(images, kept)
    assert not images.requires_grad
    again = effective_weights(open_network(model), (images, labels), "third")
    assert np.array_equal(found.weights, again.weights)
    with torch.inference_mode():
        inside = effective_weights(model, (images * 1, labels), "third")
    assert np.array_equal(found.weights, inside.weights)
    assert torch.is_grad_enabled()


def test_worker_threads_share_an_opened_network():
    network, data = open_network(wake(Residual(), random_images()[0])), random_images()
    alone = effective_weights(network, data, "third").weights
    results: list[np.ndarray] = []

    def work() -> None:
        results.append(effective_weights(network, data, "third").weights)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    with torch.inference_mode():
        logits = [network.model(data[0]) for _ in range(5)]
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found, alone) for found in results)
    assert len(results) == 2
    assert all(torch.equal(one, logits[0]) for one in logits)


def test_little_memory_gives_the_same(monkeypatch):
    model, data = wake(Residual(), random_images()[0]).double(), random_images()
    plain = effective_weights(model, data, "third").weights
    sizes = []
    backward = pulling._Puller._backward

    def watched(self, batch, pulls):
        sizes.append(len(pulls))
        return backward(self, batch, pulls)

    monkeypatch.setattr(pulling._Puller, "_backward", watched)
    monkeypatch.setattr(pulling, "MEMORY", 1)
    tight = effective_weights(model, data, "third").weights
    assert set(sizes) == {1}
    assert np.allclose(tight, plain, rtol=1e-9, atol=1e-12)
    sizes.clear()
    monkeypatch.setattr(pulling, "MEMORY", 2**40)
    effective_weights(model, data, "third")
    assert sizes[0] == 1  # the first shows what an image costs
    assert 1 < max(sizes) <= pulling.MOST


def test_filters_come_in_the_order_asked_for_and_can_be_stopped(monkeypatch):
    model, data = Residual(), random_images()
    all_of_them = effective_weights(model, data, "third").weights
    stream = iter_effective_weights(model, data, "third", filters=[6, 1, 4])
    filter, weights = next(stream)
    assert filter == 6
    assert np.allclose(weights, all_of_them[6], atol=1e-6)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)
    rest = [i for i, _ in iter_effective_weights(model, data, "third", filters=[6, 1, 4])]
    assert rest == [6, 1, 4]


def test_progress_is_told_and_can_end_it():
    told: list[float] = []
    effective_weights(Residual(), random_images(), "second", progress=told.append)
    assert told[-1] == 1
    assert told == sorted(told)

    def stop(share: float) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        effective_weights(Residual(), random_images(), "second", progress=stop)


def test_bad_arguments_are_refused_at_once():
    model, data = Residual(), random_images()
    with pytest.raises(ValueError, match=r"0 to 7; found 8"):
        iter_effective_weights(model, data, "third", filters=[8])
    with pytest.raises(TypeError, match="images is how many"):
        effective_weights(model, data, "third", images=2.0)
    grey = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1))
    with pytest.raises(ValueError, match=r"three channels.*have 1\."):
        effective_weights(grey, (torch.rand(2, 1, 4, 4), torch.zeros(2).long()), "1")
