"""Logits are found in what a model returns, or the refusal says what was found instead."""

import dataclasses
import pickle
from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from carviz.evaluate import find_logits

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
    "squeezed": (torch.rand(3), r"found a tensor of shape \(3,\)"),
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
