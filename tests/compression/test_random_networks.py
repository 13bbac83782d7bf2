"""Random networks: the smaller one computes what the network's own truth says, or words say why."""

import pytest
import torch
from support.random_networks import logits_of, random_network

from carviz.compression import compress

SEEDS = range(100)
PART = 10
PARTS = [
    pytest.param(start, marks=pytest.mark.slow if start >= 60 else ())
    for start in range(SEEDS.start, SEEDS.stop, PART)
]
GONE = [0, 2]


def told(seed: int) -> tuple[int, list[str]]:
    """Return how many banks of a seed's network were cut, and what was wrong."""
    sample = random_network(seed)
    before = {name: value.clone() for name, value in sample.model.state_dict().items()}
    cut, faults = 0, []
    for bank in sample.model.banks:
        if " + " in bank:
            continue
        try:
            small = compress(sample.model, {bank: GONE}, (sample.images.clone(), sample.targets))
        except ValueError as error:
            if len(str(error)) < 80:
                faults.append(f"seed {seed}, {bank}: {error}")
            continue
        except Exception as error:
            faults.append(f"seed {seed}, {sample.model.kinds}, {bank}: {type(error)}: {error}")
            continue
        cut += 1
        found, expected = logits_of(small, sample.images), sample.truth(bank, GONE)
        off = float((found.double() - expected).abs().max() / expected.abs().max())
        if not off < 1e-4:
            faults.append(f"seed {seed}, {sample.model.kinds}, {bank}: logits differ by {off:.2g}")
    after = sample.model.state_dict()
    if any(not torch.equal(value, after[name]) for name, value in before.items()):
        faults.append(f"seed {seed}: the model was changed")
    return cut, faults


@pytest.mark.filterwarnings("ignore:carviz. ")
@pytest.mark.parametrize("start", PARTS)
def test_a_random_network_is_cut_rightly_or_refused_in_words(start):
    cut, faults = 0, []
    for seed in range(start, start + PART):
        count, found = told(seed)
        cut, faults = cut + count, faults + found
    assert not faults, "\n".join(faults)
    assert cut  # some are


def test_channels_that_a_reshaping_moves_to_other_images_are_refused_in_words():
    sample = random_network(36)
    assert "folded (none)" in sample.model.kinds
    with pytest.raises(ValueError, match=r"number 17 of .last., which has 16: a reshaping moves"):
        compress(sample.model, {"blocks.0.a.conv": [0, 2]}, (sample.images, sample.targets))
