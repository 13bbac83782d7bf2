"""Logits are found in what a model returns, or the refusal says what was found instead."""

import dataclasses
import pickle
from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from carviz.evaluate import LastSteps, check_answers, find_logits

LOGITS, MAPS, TOKENS = torch.rand(2, 3), torch.rand(2, 4, 5, 5), torch.rand(7, 3)
LABELS = torch.ones(2, 3, dtype=torch.long)
Named = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2"])
Pair = namedtuple("Pair", ["maps", "scores"])


class Output(OrderedDict):
    """As Hugging Face's: a mapping whose entries are attributes, too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


@dataclasses.dataclass
class Fields:
    logits: torch.Tensor
    loss: None = None


TAKEN = {
    "a tensor": (LOGITS, ""),
    "a mapping": ({"embedding": torch.rand(2, 3), "logits": LOGITS}, "the output's 'logits'"),
    "a Hugging Face output": (Output(loss=None, logits=LOGITS), "the output's 'logits'"),
    "a named tuple": (Named(LOGITS, torch.rand(2, 3)), "the output's 'logits'"),
    "a dataclass": (Fields(LOGITS), "the output's 'logits'"),
    "an object": (SimpleNamespace(logits=LOGITS), "the output's 'logits'"),
    "a tuple": ((MAPS, LOGITS, None), "output 2 of 3"),
    "a list": ([LOGITS, [LOGITS], LABELS, TOKENS], "output 1 of 4"),
    "a tuple of one": ((LOGITS,), ""),
    "a named tuple without the name": (Pair(MAPS, LOGITS), "output 2 of 2"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_logits_are_found(kind):
    output, words = TAKEN[kind]
    pick = find_logits(output, 2)
    assert pick.words == words
    assert pick.classes == 3
    assert pick(output) is LOGITS
    assert pickle.loads(pickle.dumps(pick)) == pick


REFUSED = {
    "maps": (MAPS, r"found a tensor of shape \(2, 4, 5, 5\)\. Wrap it"),
    "one by one": (torch.rand(2, 3, 1, 1), r"found a tensor of shape \(2, 3, 1, 1\)"),
    "rows folded": (TOKENS, r"found a tensor of shape \(7, 3\)"),
    "numbers": (LABELS, r"found a tensor of shape \(2, 3\) of int64"),
    "of other rows": (torch.rand(3), r"found a tensor of shape \(3,\)"),
    "wrong logits": ({"logits": MAPS}, r"found 'logits' as a tensor of shape \(2, 4, 5, 5\)"),
    "two": (
        (LOGITS, LOGITS),
        r"found a tuple of 2 \(a tensor of shape \(2, 3\), a tensor of shape \(2, 3\)\), "
        r"of which 2 members could be the logits\. Wrap it",
    ),
    "none": ([MAPS, LABELS, None], r"found a list of 3 .*int64, NoneType\), of which no member"),
    "another name": (
        {"out": LOGITS},
        r"found a dict of 1 \('out': a tensor of shape \(2, 3\)\)\. Return .* the name 'logits'",
    ),
    "text": ("logits", r"found a str\. Return"),
    "nothing": (None, "found a NoneType"),
    "an output": (Output(loss=None), r"found an Output of 1 \('loss': NoneType\)"),
    "fields": (Fields(None), r"found a Fields of 2 \(logits: NoneType, loss: NoneType\)"),
    "many": (tuple(range(9)), r"found a tuple of 9 \(int, int, int, int, int, int, …\)"),
    "names": (Pair(MAPS, MAPS), r"found a Pair of 2 \(maps: a tensor .*, scores: a tensor"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_outputs_are_described(kind):
    output, found = REFUSED[kind]
    with pytest.raises(ValueError, match=found) as error:
        find_logits(output, 2)
    assert str(error.value).startswith("The model maps 2 images to logits (2, class)")


def test_a_single_image_s_squeezed_logits_are_a_row():
    pick = find_logits((MAPS, LOGITS), 2)
    alone = (MAPS[:1], LOGITS[0])
    torch.testing.assert_close(pick(alone), LOGITS[:1])
    assert pick((MAPS, LOGITS[:1])).shape == (1, 3)
    # Of another length it is no row of logits, and stays what it is.
    assert pick((MAPS, torch.rand(2))).shape == (2,)


ONE = torch.tensor([[-2.0], [0.5], [3.0]])


@pytest.mark.parametrize("output", [ONE, ONE[:, 0], {"logits": ONE}, (MAPS, ONE)])
def test_one_number_an_image_is_the_logit_of_two_classes(output):
    pick = find_logits(output, 3)
    assert (pick.classes, pick.form, pick.assumed) == (2, "one logit", True)
    assert "answers='probabilities'" in pick.words
    logits = pick(output)
    torch.testing.assert_close(logits.softmax(1)[:, 1], torch.sigmoid(ONE[:, 0]))
    assert logits.argmax(1).tolist() == [0, 1, 1]
    if pick.key is None:  # squeezed, of one image alone
        assert pick(ONE[0, 0]).shape == (1, 2)
    said = find_logits(output, 3, answers="logits")
    assert not said.assumed
    assert said.answers == "one logit"


def test_one_probability_is_never_guessed():
    shares = torch.tensor([[0.2], [0.9]])
    assert find_logits(shares, 2).answers == "one logit (assumed)"
    pick = find_logits(shares, 2, answers="probabilities")
    torch.testing.assert_close(pick(shares).softmax(1)[:, 1], shares[:, 0])
    assert pick(torch.tensor([[0.0], [1.0]])).isfinite().all()
    with pytest.raises(ValueError, match=r"found -2 to 0\.9"):
        pick(torch.tensor([[-2.0], [0.9]]))


def test_rows_that_sum_to_1_are_probabilities_until_one_does_not():
    shares = torch.tensor([[0.2, 0.8], [1.0, 0.0]])
    pick = find_logits(shares, 2)
    assert pick.answers == "probabilities"
    torch.testing.assert_close(pick(shares).softmax(1), shares)
    with pytest.raises(ValueError, match="one does not"):
        pick(torch.tensor([[0.2, 0.9]]))
    assert find_logits(shares, 2, answers="logits").answers == "logits"
    with pytest.raises(ValueError, match=r"sums of 0\.2 to 1\.2"):
        find_logits(torch.tensor([[0.1, 0.1], [0.4, 0.8]]), 2, answers="probabilities")


def test_columns_between_0_and_1_are_taken_as_they_are_and_said_to_be():
    columns = torch.tensor([[0.2, 0.9], [0.8, 0.7]])
    pick = find_logits(columns, 2)
    assert pick(columns) is columns
    assert pick.answers == "logits (assumed)"
    assert find_logits(columns * 5, 2).answers == "logits"


def test_the_input_of_a_last_step_is_taken_in_every_pass():
    logits = torch.randn(2, 3)
    with LastSteps() as steps:
        output = {"logits": logits.softmax(1)}
    pick = find_logits(output, 2, steps)
    assert pick.answers == "logits before the softmax"
    assert (
        pick.words
        == "the input of the softmax that is the model's last step (the output's 'logits')"
    )
    with pick.reading() as read:
        assert read({"logits": (logits * 2).softmax(1)}).equal(logits * 2)
    with pytest.raises(ValueError, match="last step was a softmax"), pick.reading() as read:
        read({"logits": logits})
    # Somebody says that the probabilities are to be taken for logits.
    assert find_logits(output, 2, steps, "logits").answers == "logits"


def test_a_loss_beside_logits_is_none():
    assert find_logits((torch.rand(2), LOGITS), 2).key == 1


def test_answers_are_one_of_two_words():
    check_answers(None)
    with pytest.raises(ValueError, match="found 'softmax'"):
        check_answers("softmax")
