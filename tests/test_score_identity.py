"""By what a score is told from another: code, what it holds, what it takes from elsewhere."""

import functools
import os
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import pytest
from torch import nn

from carviz.car.score_identity import identity_of

LIMIT = 0.5


def code(score):
    found = identity_of(score)["code"]
    assert found != "unknown"
    return found


def above(outputs, target):
    return float(outputs[target] > LIMIT)


def above_by_another(outputs, target):
    return above(outputs, target)


def held(power):
    return lambda outputs, target: outputs[target] ** power


def holding_a_function(power):
    class Holds:
        def __init__(self):
            self.judge = lambda p: p**power

        def __call__(self, outputs, target):
            return self.judge(outputs[target])

    return Holds()


def by_a_method(power):
    class Judges:
        def __call__(self, outputs, target):
            return self.judge(outputs, target)

    Judges.judge = _judge_a if power == 2 else _judge_b
    return Judges()


def _judge_a(self, outputs, target):
    return outputs[target]


def _judge_b(self, outputs, target):
    return outputs[target] / 2


def a_module(power):
    class Metric(nn.Module):
        forward = _judge_a if power == 2 else _judge_b

    return Metric()


def a_module_in_another(power):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Identity(), a_module(power))

        def forward(self, outputs, target):
            return self.inner[1](outputs, target)

    return Whole()


def weighted(power):
    metric = nn.Linear(2, 2)
    nn.init.constant_(metric.weight, power)
    nn.init.zeros_(metric.bias)
    return metric


def sluggish(power):
    return functools.lru_cache(held(power))


def by_a_slot(power):
    class Slotted:
        __slots__ = ("power",)

        def __call__(self, outputs, target):
            return outputs[target] ** self.power

    found = Slotted()
    found.power = power
    return found


MADE = [
    held, holding_a_function, by_a_method, a_module, a_module_in_another, weighted, sluggish,
    by_a_slot, lambda power: functools.partial(pow, power),
    lambda power: holding_a_function(power).__call__,
]  # fmt: skip


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_a_score_is_told_by_its_code_and_what_it_holds(made):
    assert code(made(2)) == code(made(2))
    assert code(made(2)) != code(made(3))


def test_a_global_value_counts_also_through_another_function(monkeypatch):
    before = code(above), code(above_by_another)
    assert before == (code(above), code(above_by_another))
    monkeypatch.setitem(globals(), "LIMIT", 0.45)
    after = code(above), code(above_by_another)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_value_of_a_module_that_is_imported_counts(monkeypatch):
    helpers = types.ModuleType("helpers_of_a_user")
    helpers.LIMIT, helpers.other = 0.5, 1
    scope = {"helpers": helpers, "__name__": "notebook_of_a_user"}
    exec("def score(outputs, target): return outputs[target] > helpers.LIMIT", scope)
    before = code(scope["score"])
    helpers.other = 2
    assert code(scope["score"]) == before
    helpers.LIMIT = 0.45
    assert code(scope["score"]) != before


def test_what_holds_what_cannot_be_read_is_unknown():
    assert identity_of(above)["name"].endswith("test_score_identity.above")
    assert identity_of(held(i for i in ()))["code"] == "unknown"
    assert identity_of(holding_a_function(threading.Lock()))["code"] == "unknown"


def test_what_holds_itself_is_read_once():
    metric = a_module(2)
    metric.list = [metric]
    assert code(metric) == code(metric)


@pytest.mark.slow
def test_another_process_finds_the_same(tmp_path):
    """Sets of words are in another order there."""
    (tmp_path / "scored.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch.nn import functional as F
            from torchvision.ops import box_iou

            NAMES = {"boxes", "scores", "labels", "masks"}

            class Metric(torch.nn.Module):
                def forward(self, outputs, target):
                    assert target in {"a", "b", "c", "d"} or target in NAMES
                    return float(F.softmax(box_iou(outputs, outputs), 0).sum())

            score = Metric()
            """
        )
    )
    asked = "from carviz.car.score_identity import identity_of as i, UNKNOWN\n"
    asked += "from scored import score\nprint(i(score)['code'])"
    root = str(Path(__file__).parent.parent)
    found = [
        subprocess.run(
            [sys.executable, "-c", asked],
            env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}", "PYTHONHASHSEED": n},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for n in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1] != "unknown"
