"""Which pairs are measured: all, those that are given, or those that siblings propose."""

import numpy as np
import pytest
import torch
from support.families import ROWS
from support.results_examples import sibling_table
from support.small import Residual, random_images
from support.woken import family, wake
from torch import nn

import carviz
from carviz.joint import all_pairs, proposed_pairs
from carviz.results import SiblingTable

IMAGES, LABELS = random_images(40, classes=5)


def model():
    return wake(Residual(), IMAGES[:24], seed=1)


def measure(network=None, layer="first", data=(IMAGES, LABELS), **options):
    network = network or model()
    return carviz.measure_pairs(network, data, layer, progress=False, **options)


def test_siblings_propose_each_filter_with_its_nearest():
    # By weights 0, 1 and 2 are nearest to 1, 0 and 0; by activation 0, 1, 2, 3 to 1, 0, 1, 1.
    assert proposed_pairs(sibling_table()) == [(0, 1), (0, 2), (1, 2), (1, 3)]
    table = measure()
    siblings = carviz.measure_siblings(model(), (IMAGES, LABELS), "first", progress=False)
    assert table.pairs.tolist() == [list(pair) for pair in proposed_pairs(siblings)]
    assert table.passport["chosen"] == "siblings"


def test_without_a_likeness_nothing_is_proposed():
    nan = np.full((2, 2), np.nan)
    with pytest.raises(ValueError, match=r"no two of 'conv' have a similarity.*or 'all'"):
        proposed_pairs(SiblingTable("conv", images=1, places=1, by_weights=nan, by_activation=nan))


def test_all_pairs_of_a_bank():
    table = measure(pairs="all")
    assert table.pairs.tolist() == [list(pair) for pair in all_pairs(6)]
    assert len(table) == 15
    given = measure(pairs=np.array([[5, 0], [2, 1]]))
    assert given.pairs.tolist() == [[0, 5], [1, 2]]
    rows = [table.row(pair) for pair in given.pairs.tolist()]
    np.testing.assert_allclose(given.interaction, table.interaction[rows])
    assert (given.passport["chosen"], table.passport["chosen"]) == ("given", "all")


@pytest.mark.parametrize(
    ("pairs", "error", "words"),
    [
        ([[0, 1, 2]], ValueError, r"two filters; found \[0, 1, 2\]. carviz.measure_joint"),
        ([[0, 0]], ValueError, "in a pair once; found 0 twice"),
        ([[0, 1], [1, 0]], ValueError, r"Each pair is.*pairs\[1\] is pairs\[0\] again"),
        ([0, 1], TypeError, r"Did you mean \[\[0, 1\]\]"),
        ([[0, 6]], ValueError, "filters 0 to 5; found 6"),
        ("every", ValueError, "'all', or None for siblings; found 'every'"),
        ([], ValueError, "pairs are one pair at least"),
        ([[]], ValueError, r"A pair has two filters; pairs\[0\] is empty"),
        (3, TypeError, "a list of pairs of filters"),
        ([{"first": [0, 1]}], TypeError, r"carviz\.measure_joint with layer=None"),
    ],
)
def test_what_is_no_pair_is_told(pairs, error, words):
    with pytest.raises(error, match=words):
        measure(pairs=pairs)


def test_a_bank_of_one_filter_has_no_pair():
    lone = nn.Sequential(nn.Conv2d(3, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 5))
    with pytest.raises(ValueError, match="A pair has two filters; bank '0' has one"):
        measure(lone, "0")


def test_a_gate_has_pairs_as_well():
    row = next(row for row in ROWS if row.id.startswith("mobilenet_v3_small-features.6"))
    network, images, _ = family(row.family)
    data = images, torch.arange(len(images)) % 5
    table = measure(network, row.bank, data, pairs=[row.filters[:2]])
    frame = carviz.list_banks(network).set_index("layer")
    assert bool(frame.gate[row.bank])
    assert table.pairs.tolist() == [list(row.filters[:2])]


def test_a_sum_of_branches_is_a_bank_with_pairs():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.large = nn.Conv2d(3, 4, 3, padding=1)
            self.small = nn.Conv2d(3, 4, 1)
            self.last = nn.Linear(4, 5)

        def forward(self, images):
            return self.last(torch.relu(self.large(images) + self.small(images)).mean((2, 3)))

    network = wake(Branches(), IMAGES[:24], seed=3)
    table = measure(network, "large + small")
    row = table.pairs.tolist()[0]
    maps = torch.relu(network.large(IMAGES) + network.small(IMAGES)).detach()
    maps[:, row] = 0
    with torch.inference_mode():
        expected = network.last(maps.mean((2, 3))).argmax(1)
    np.testing.assert_array_equal(table.predictions[0], expected.numpy())
