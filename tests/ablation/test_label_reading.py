"""Answers of workers about labels, scores and first classes: wrong ones are found out."""

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.small import Residual
from support.woken import wake

import carviz
from carviz import Run

IMAGES = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
ROWS = torch.tile(torch.tensor([[1, 0, 1, 0, 0], [0, 1, 1, 0, 1]]), (20, 1))
CLASSES = torch.arange(40) % 5


class Workers(ThreadPoolExecutor):
    """A pool whose answers are changed on their way."""

    def __init__(self, change):
        super().__init__(1)
        self.change = change

    def submit(self, fn, *args):
        future, answer = Future(), fn(*args)
        future.set_result(dataclasses.replace(answer, **self.change(answer)))
        return future


def share(outputs, target):
    return float(0.5 + outputs.softmax(0)[target] / 2)


KINDS = {
    "labels": (ROWS, {}),
    "score": (CLASSES, {"score": share}),
    "top": (CLASSES, {"top": 2}),
}


def measure(kind, change):
    targets, options = KINDS[kind]
    with Workers(change) as executor:
        return carviz.measure_car(
            wake(Residual(), IMAGES), (IMAGES, targets), "third", progress=False,
            run=Run(executor=executor), **options,
        )  # fmt: skip


WRONG = {
    "other labels": ("labels", lambda a: {"predictions": 1 - a.predictions}, "predict"),
    "other falls": ("labels", lambda a: {"drop": a.drop + 0.1}, "has the log-likelihood of label"),
    "other scores": ("score", lambda a: {"predictions": a.predictions / 2}, "has score"),
    "scores a little off": ("score", lambda a: {"predictions": a.predictions * 0.99}, "has score"),
    "other first classes": (
        "top",
        lambda a: {
            "top_predictions": np.where(a.predictions == a.targets, 1, 1 - a.top_predictions)
        },
        "has . to . logits ahead",
    ),
}


@pytest.mark.parametrize(("kind", "change", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_the_network_itself_says_otherwise_is_refused(kind, change, words):
    with pytest.raises(ValueError, match=f"without filter.*the network itself {words}"):
        measure(kind, change)


NONSENSE = {
    "labels of 2": ("labels", lambda a: {"predictions": a.predictions + 2}, "neither 0 nor 1"),
    "another shape": ("labels", lambda a: {"baseline": a.baseline.T}, "have shape"),
    "other images' labels": ("labels", lambda a: {"targets": 1 - a.targets}, "other images'"),
    "scores of 2": ("score", lambda a: {"baseline": a.baseline + 2}, r"no scores in \[0, 1\]"),
    "scores of NaN": ("score", lambda a: {"predictions": a.predictions * np.nan}, "no scores"),
    "whole scores": ("score", lambda a: {"baseline": a.baseline.astype(int)}, "are int64"),
    "another first class": (
        "top",
        lambda a: {"predictions": 0 * a.predictions + a.targets},
        "not among its first",
    ),
    "hits of 2": ("top", lambda a: {"top_baseline": a.top_baseline + 2}, "neither 0 nor 1"),
}


@pytest.mark.parametrize(("kind", "change", "words"), NONSENSE.values(), ids=NONSENSE.keys())
def test_what_cannot_be_an_answer_is_measured_here(kind, change, words):
    with pytest.warns(UserWarning, match=words):
        table = measure(kind, change)
    assert table == measure(kind, lambda _answer: {})
