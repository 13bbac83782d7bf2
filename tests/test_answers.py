"""CAR and falls of log p are those of the logits, whatever a network makes of them at its end."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import carviz

IMAGES = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Ending(nn.Module):
    """A network whose answer a function makes of logits; `traced` by torch.fx or not."""

    def __init__(self, classes, end, traced):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last = nn.Conv2d(3, 6, 3), nn.Linear(6, classes)
        self.last.weight.data *= 40
        self.end, self.traced = end, traced
        if classes == 1:
            logits = self.last(self.conv(IMAGES).relu().mean((2, 3)))
            self.last.bias.data -= logits.detach().quantile(0.4)

    def forward(self, x):
        if not self.traced and x.sum() > 1e9:
            x = x * 2
        return self.end(self.last(self.conv(x).relu().mean((2, 3))))


def measure(classes, end, traced=True, **options):
    labels = torch.arange(64) % max(2, classes)
    table = carviz.measure_car(
        Ending(classes, end, traced), (IMAGES, labels), "conv", progress=False, **options
    )
    assert table.passport["engine"] == ("graph" if traced else "hooks")
    return table


SEVERAL = {
    "softmax": (lambda z: F.softmax(z, 1), "logits before the softmax"),
    "sigmoid": (torch.sigmoid, "logits before the sigmoid"),
    "shares": (lambda z: z.exp() / z.exp().sum(1, keepdim=True), "probabilities"),
    "log_softmax": (lambda z: z.log_softmax(1), None),
}


@pytest.mark.filterwarnings("ignore:carviz:UserWarning")
@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize(("end", "answers"), SEVERAL.values(), ids=SEVERAL.keys())
def test_probabilities_give_the_numbers_of_their_logits(end, answers, traced):
    expected, found = measure(4, lambda z: z), measure(4, end, traced)
    assert np.abs(expected.log_prob_drop_all).max() > 0.3
    assert np.array_equal(found.predictions, expected.predictions)
    np.testing.assert_allclose(found.log_prob_drop, expected.log_prob_drop, atol=1e-5)
    assert found.passport.get("answers") == answers


def test_probabilities_taken_for_logits_would_tell_smaller_falls():
    """What answers="logits" does, and what was told before the last step was seen."""
    with pytest.warns(UserWarning, match="input of the softmax"):
        seen = measure(4, lambda z: z.softmax(1))
    taken = measure(4, lambda z: z.softmax(1), answers="logits")
    assert np.abs(taken.log_prob_drop_all).max() < 0.6 * np.abs(seen.log_prob_drop_all).max()


ONE = {
    "a logit": (lambda z: z, {"answers": "logits"}),
    "squeezed": (lambda z: z.squeeze(1), {"answers": "logits"}),
    "a sigmoid": (torch.sigmoid, {}),
    "a squeezed sigmoid": (lambda z: z.sigmoid()[:, 0], {}),
    "a probability": (lambda z: 1 / (1 + (-z).exp()), {"answers": "probabilities"}),
}


@pytest.mark.filterwarnings("ignore:carviz:UserWarning")
@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize(("end", "options"), ONE.values(), ids=ONE.keys())
def test_one_logit_is_two_classes(end, options, traced):
    expected = measure(1, lambda z: torch.cat([torch.zeros_like(z), z], 1))
    found = measure(1, end, traced, **options)
    assert 0.2 < found.accuracy < 1
    assert len(np.unique(found.predictions)) == 2
    assert found.classes == ("0", "1")
    assert np.array_equal(found.predictions, expected.predictions)
    np.testing.assert_allclose(found.log_prob_drop, expected.log_prob_drop, atol=1e-5)


def test_what_is_assumed_is_said():
    with pytest.warns(UserWarning, match="that it is a logit is assumed"):
        table = measure(1, lambda z: z)
    assert table.passport["answers"] == "one logit (assumed)"


def test_labels_of_one_logit_are_0_and_1():
    labels = torch.arange(64) % 3
    with pytest.warns(UserWarning, match="one an image"):
        tables = carviz.iter_car(Ending(1, lambda z: z, True), (IMAGES, labels), "conv",
                                 progress=False)  # fmt: skip
    with pytest.raises(ValueError, match="2 logits, 0 to 1; image"):
        next(tables)


def test_pruning_takes_the_same_logits():
    labels = torch.arange(64) % 4

    def prune(end):
        network = Ending(4, end, True)
        return carviz.prune_filters(network, (IMAGES, labels), "conv", progress=False)

    expected = prune(lambda z: z.log_softmax(1))
    with pytest.warns(UserWarning, match="input of the softmax"):
        found = prune(lambda z: z.softmax(1))
    assert found.steps == expected.steps
    assert np.array_equal(found.accuracy, expected.accuracy)


def test_data_of_several_labels_is_neither_pruned_by_nor_explored():
    rows = (torch.rand(64, 4) > 0.5).float()
    with pytest.raises(ValueError, match=r"multi-label.*measures the accuracy of each label"):
        carviz.prune_filters(Ending(4, None, True), (IMAGES, rows), "conv", progress=False)
    with pytest.raises(ValueError, match="multi-label"):
        carviz.open_session(Ending(4, None, True), (IMAGES, rows))


def test_a_network_that_fails_on_one_image_is_told_so():
    labels = torch.arange(64) % 4
    network = Ending(4, lambda z: z.squeeze().softmax(1), True)
    with pytest.raises(ValueError, match=r"on one image alone .* raised IndexError"):
        carviz.measure_car(network, (IMAGES, labels), "conv", progress=False)
