"""Which numbers are the logits of labels."""

import pytest
import torch

from carviz.evaluate import LastSteps, find_label_logits
from carviz.interrupts import whole

LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def test_logits_are_taken_as_they_are():
    pick = find_label_logits(LOGITS, 2)
    assert (pick.answers, pick.words) == ("logits", "")
    assert torch.equal(pick(LOGITS), LOGITS)


def test_the_input_of_a_last_sigmoid_is_taken():
    with whole(LastSteps) as steps:
        output = LOGITS.sigmoid()
    pick = find_label_logits(output, 2, steps)
    assert pick.answers == "logits before the sigmoid"
    assert torch.equal(pick(output, steps), LOGITS)


def test_probabilities_are_cut_at_a_half():
    shares = torch.tensor([[0.5, 0.5000001, 1.0], [0.0, 0.25, 0.4999999]])
    pick = find_label_logits(shares, 2, answers="probabilities")
    logits = pick(shares)
    assert torch.isfinite(logits).all()
    assert torch.equal(logits > 0, shares > 0.5)
    assert torch.allclose(logits[1, 1].sigmoid(), torch.tensor(0.25))
    with pytest.raises(ValueError, match="0 to 1; found"):
        pick(shares + 0.5)


@pytest.mark.parametrize(
    ("output", "answers", "words"),
    [
        (LOGITS.softmax(1), None, "exclude one another.*score="),
        (LOGITS.sigmoid(), None, "Say answers='logits' or answers='probabilities'"),
        (LOGITS, "probabilities", r"0 to 1; found -2 to 3"),
        (LOGITS[:, :1], None, "found one number an image"),
        ({"a": LOGITS}, None, "a dict of 1"),
    ],
)
def test_what_cannot_be_logits_of_labels_is_told(output, answers, words):
    with pytest.raises(ValueError, match=words):
        find_label_logits(output, 2, None, answers)


def test_a_last_softmax_is_refused():
    with whole(LastSteps) as steps:
        output = LOGITS.softmax(1)
    with pytest.raises(ValueError, match="shares that sum to 1"):
        find_label_logits(output, 2, steps)
    assert find_label_logits(output, 2, steps, "logits").answers == "logits"
