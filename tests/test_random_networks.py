"""A hundred random networks of all kinds that the definition speaks of; see `random_networks`."""

import collections

import pytest
import torch
from support.random_networks import Block, random_network
from support.removal_faults import faults_of

import carviz
from carviz.banks import units

SEEDS = range(100)
PART = 10
PARTS = [
    pytest.param(start, marks=pytest.mark.slow if start >= 60 else ())
    for start in range(SEEDS.start, SEEDS.stop, PART)
]


@pytest.mark.parametrize("start", PARTS)
def test_carviz_removes_what_the_networks_own_truth_removes(start):
    how: collections.Counter[str] = collections.Counter()
    faults = []
    for seed in range(start, start + PART):
        found, counts = faults_of(seed, banks=1)
        faults += found
        how += counts
    assert not faults, "\n".join(faults)
    assert how["moved"] > 0.9 * how["filters"]  # what changes nothing judges nothing
    assert how["graph"]
    assert how["hooks judged"]


def test_every_kind_is_among_them():
    seen = {kind.split(" (")[0] for seed in SEEDS for kind in random_network(seed).model.kinds}
    assert set(Block.kinds) <= seen


def test_the_judge_notices_a_unit_that_ends_too_early(monkeypatch):
    """With the engine and its audit both told to forget normalisations, the truth must object."""
    from carviz.reference import front

    monkeypatch.setattr(units, "_normalises", lambda *_args: False)
    monkeypatch.setattr(front, "end_of", lambda _call: front.End("convolution"))
    assert any(faults_of(seed, banks=1)[0] for seed in range(10))


def test_the_given_model_is_left_as_it_was():
    for seed in range(20):
        sample = random_network(seed)
        before = {name: (t, t._version, t.clone()) for name, t in sample.model.state_dict().items()}
        images = sample.images.clone()
        with torch.no_grad():
            tables = carviz.list_banks(sample.model)
        assert set(sample.model.banks) <= set(tables.layer)
        for name, tensor in sample.model.state_dict().items():
            given, version, values = before[name]
            assert tensor.data_ptr() == given.data_ptr()
            assert tensor._version == version
            assert torch.equal(tensor, values)
        assert torch.equal(images, sample.images)
