"""What is said above all numbers: weights of noise, and a network that guesses."""

import numpy as np
import pytest
import torch
from support.tables import bank_table

import carviz
from carviz.results import CarTable
from carviz.screen.doubts import guesses, is_noise


def index_of(weights):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, len(weights), weights.shape[-1], bias=False))
    net[0].weight.data.copy_(weights)
    return carviz.measure_selectivity(net, "0", progress=False).color_index


@pytest.mark.parametrize(("size", "filters"), [(3, 32), (7, 64), (11, 96)])
@pytest.mark.parametrize("draw", [torch.nn.init.normal_, torch.nn.init.kaiming_uniform_])
def test_weights_of_noise_are_known_by_their_indices(size, filters, draw):
    generator = torch.Generator().manual_seed(size)
    weights = draw(torch.empty(filters, 3, size, size), generator=generator)
    assert is_noise(index_of(weights), size * size)
    weights[: filters // 2] = weights[: filters // 2].mean(1, keepdim=True)  # half of them grey
    assert not is_noise(index_of(weights), size * size)


def test_a_trained_network_is_not_called_noise_nor_a_small_bank():
    kinds = carviz.measure_selectivity(carviz.load_model("shapes"), "features.0", progress=False)
    assert not is_noise(kinds.color_index, 81)
    generator = torch.Generator().manual_seed(0)
    assert not is_noise(index_of(torch.randn(8, 3, 3, 3, generator=generator)), 9)


def answers(said, true, total=None):
    K = 10
    M = len(true)
    return CarTable(
        "conv", filters=[0], classes=tuple("abcdefghij"), images=range(M), total=total or M,
        targets=true, baseline=said, predictions=[said],
        log_prob_drop=np.where(np.bincount(true, minlength=K) > 0, 0.0, np.nan)[None],
    )  # fmt: skip


def test_a_network_guesses_where_its_answers_do_not_go_with_the_classes():
    generator = np.random.default_rng(0)
    true = np.arange(200) % 10
    assert guesses(answers(generator.permutation(true), true))
    assert guesses(answers(np.zeros(200, int), true)), "always the same answer"
    right = np.where(generator.random(200) < 0.3, true, generator.permutation(true))
    assert not guesses(answers(right, true))


def test_what_cannot_be_known_is_not_said():
    true = np.arange(60) % 10
    nothing = np.zeros(60, int)
    assert guesses(answers(nothing, true))
    assert not guesses(answers(nothing, true, total=600)), "these are the first of many"
    assert not guesses(answers(nothing[:10], true[:10])), "ten images"
    assert not guesses(answers(nothing + 1, nothing)), "one class alone"
    assert not guesses(bank_table(np.ones((2, 30), bool)))
