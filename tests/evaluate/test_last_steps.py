"""The last softmax or sigmoid of a forward pass is found, whatever way it is written."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from carviz.evaluate import LastSteps

LOGITS = torch.randn(5, 3)
ONE = torch.randn(5, 1)

FOUND = {
    "a module": (nn.Softmax(1), LOGITS, "softmax"),
    "a function": (lambda z: F.softmax(z, -1), LOGITS, "softmax"),
    "a method": (lambda z: z.softmax(dim=1), LOGITS, "softmax"),
    "no axis": (lambda z: torch.softmax(input=z, dim=1), LOGITS, "softmax"),
    "in float32": (lambda z: z.bfloat16().softmax(1).float(), LOGITS.bfloat16(), "softmax"),
    "flattened": (lambda z: z[:, :, None, None].softmax(1).flatten(1), LOGITS, "softmax"),
    "a sigmoid": (torch.sigmoid, LOGITS, "sigmoid"),
    "its module": (nn.Sigmoid(), ONE, "sigmoid"),
    "in place": (lambda z: z.clone().sigmoid_(), ONE, "sigmoid"),
    "squeezed": (lambda z: torch.sigmoid(z).squeeze(1), ONE, "sigmoid"),
    "its only column": (lambda z: z.sigmoid()[:, 0], ONE, "sigmoid"),
    "the last of several": (lambda z: (z * z.sigmoid().mean()).softmax(1), None, "softmax"),
}


@pytest.mark.parametrize(("step", "logits", "name"), FOUND.values(), ids=FOUND.keys())
def test_the_input_of_the_last_step_is_found(step, logits, name):
    start = LOGITS if logits is None or logits.shape == LOGITS.shape else ONE
    with LastSteps() as steps, torch.inference_mode():
        output = step(start)
    given, found = steps.find(output)
    assert found == name
    assert given.shape == output.shape
    again = given.softmax(1) if name == "softmax" else given.sigmoid()
    torch.testing.assert_close(again.float(), output.float(), rtol=1e-2, atol=1e-3)


OTHERS = {
    "no step": lambda z: z * 2,
    "over images": lambda z: z.softmax(0),
    "logs": lambda z: z.log_softmax(1),
    "changed behind": lambda z: z.softmax(1) * 0.5,
    "a part of a softmax": lambda z: z.softmax(1)[:, 1],
    "a mean of two": lambda z: (z.softmax(1) + z.flip(1).softmax(1)) / 2,
    "a gate": lambda z: z * z.sigmoid(),
    "weighted in place": lambda z: z.softmax(1).mul_(torch.tensor([0.05, 5.0, 1.0])),
    "limited in place": lambda z: z.sigmoid().clamp_(0.45, 0.55),
    "a class set to zero": lambda z: _without_class_0(z.softmax(1)),
    "a class set to zero, reshaped": lambda z: _without_class_0(z.softmax(1)).flatten(1),
    "over maps, flattened": lambda z: z[..., None].expand(5, 3, 2).softmax(1).flatten(1),
}


def _without_class_0(shares):
    shares[:, 0] = 0
    return shares


@pytest.mark.parametrize("step", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_last_step_is_not_taken_for_one(step):
    with LastSteps() as steps:
        output = step(LOGITS)
    assert steps.find(output) is None


def test_a_sigmoid_of_one_image_alone_is_found_where_it_is_squeezed():
    with LastSteps() as steps:
        output = torch.sigmoid(ONE[:1].squeeze())
    assert output.ndim == 0
    assert steps.find(output) == (ONE[0, 0], "sigmoid")


def test_logits_that_were_overwritten_afterwards_are_not_taken():
    with LastSteps() as steps:
        logits = LOGITS.clone()
        output = logits.softmax(1)
        logits.zero_()
    assert steps.find(output) is None


def test_what_a_network_does_is_unchanged():
    network = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2), nn.Softmax(1))
    expected = network(LOGITS)
    with LastSteps():
        assert torch.equal(network(LOGITS), expected)
