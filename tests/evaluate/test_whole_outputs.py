"""All that a model gives for one image, whatever its form."""

import dataclasses
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import torch

from carviz.evaluate import AnswersPick, WholePick, find_layout


class Named(NamedTuple):
    maps: Any
    note: Any


@dataclasses.dataclass
class Held:
    logits: Any
    loss: Any = None


class Output(OrderedDict):
    """As Hugging Face's outputs: a mapping with attributes."""

    def __getattr__(self, name):
        return self[name]


def give(form, rows):
    maps = torch.arange(rows * 4.0).reshape(rows, 2, 2)
    return {
        "a tensor": lambda: maps,
        "a mapping": lambda: {"out": maps, "aux": maps + 1, "scale": torch.ones(5)},
        "an ordered one": lambda: Output(out=maps),
        "a named tuple": lambda: Named(maps, "x"),
        "a record": lambda: Held(maps),
        "scales": lambda: [maps, maps.reshape(rows, 4)],
        "as many scales as images": lambda: [maps, maps, maps],
        "a list an image": lambda: [{"boxes": torch.ones(i, 4)} for i in range(rows)],
        "a mapping of lists": lambda: {"boxes": [torch.ones(i, 4) for i in range(rows)]},
    }[form]()


FORMS = {
    "a tensor": lambda a: a,
    "a mapping": lambda a: a["out"],
    "an ordered one": lambda a: a.out,
    "a named tuple": lambda a: a.maps,
    "a record": lambda a: a.logits,
    "scales": lambda a: a[0],
    "as many scales as images": lambda a: a[2],
}


@pytest.mark.parametrize(("form", "maps"), FORMS.items(), ids=FORMS.keys())
def test_an_image_s_answer_is_its_row_of_all_that_follows_the_images(form, maps):
    layout = find_layout(give(form, 3), give(form, 1), 3)
    assert not layout.ragged
    many = give(form, 5) if "as many" not in form else give(form, 3)
    answers = AnswersPick(layout=layout)(many)
    assert type(answers[1]) is type(many) or form == "a tensor"
    assert [maps(a).tolist() for a in answers[:3]] == give("a tensor", 3).tolist()
    rows = WholePick(layout=layout)(many)
    assert rows.shape[0] == len(answers)
    assert rows[1, :4].tolist() == [4, 5, 6, 7]


def test_what_does_not_follow_the_images_is_handed_on_whole():
    layout = find_layout(give("a mapping", 3), give("a mapping", 1), 3)
    assert AnswersPick(layout=layout)(give("a mapping", 2))[1]["scale"].tolist() == [1.0] * 5


def test_what_is_of_all_images_at_once_is_handed_to_none():
    def output(rows):
        maps = torch.arange(rows * 2.0).reshape(rows, 2)
        return {"out": maps, "loss": maps.mean(), "count": rows, "name": "x"}

    layout = find_layout(output(3), output(1), 3)
    first = AnswersPick(layout=layout)(output(2))[0]
    assert first["out"].tolist() == [0, 1]
    assert (first["loss"], first["count"], first["name"]) == (None, None, "x")


@pytest.mark.parametrize("form", ["a list an image", "a mapping of lists"])
def test_lists_an_image_may_be_of_any_length(form):
    layout = find_layout(give(form, 3), give(form, 1), 3)
    assert layout.ragged
    answers = AnswersPick(layout=layout)(give(form, 4))
    assert [len(a["boxes"]) for a in answers] == [0, 1, 2, 3]


def test_a_plain_mapping_becomes_what_the_network_gives():
    layout = find_layout(give("an ordered one", 3), give("an ordered one", 1), 3)
    (first, *_) = AnswersPick(layout=layout)(dict(give("an ordered one", 2)))
    assert type(first) is Output


def test_numbers_that_are_not_finite_count_as_0():
    many = torch.tensor([[1.0, float("-inf")], [float("nan"), 2.0], [0.0, 0.0]])
    layout = find_layout(many, many[:1], 3)
    assert WholePick(layout=layout)(many).tolist() == [[1, 0], [0, 2], [0, 0]]


def test_whole_numbers_count_where_there_are_no_others():
    many = torch.arange(6).reshape(3, 2)
    layout = find_layout(many, many[:1], 3)
    assert WholePick(layout=layout)(many).dtype == torch.float32


@pytest.mark.parametrize(
    ("many", "one"),
    [
        (torch.ones(4, 4), torch.ones(4, 4)),  # nothing follows
        (torch.ones(6, 2), torch.ones(2, 2)),  # two rows an image
        ({"a": torch.ones(3, 2)}, {"b": torch.ones(1, 2)}),
        (None, None),
    ],
)
def test_what_follows_no_image_is_refused(many, one):
    with pytest.raises(ValueError, match="A score is taken of what the model gives for one image"):
        find_layout(many, one, 3)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda rows: {"out": torch.eye(3)[:rows].to_sparse()}, "sparse_coo"),
        (
            lambda rows: torch.nested.nested_tensor([torch.ones(2)] * rows, layout=torch.jagged),
            "nested",
        ),
    ],
    ids=["sparse", "nested"],
)
def test_tensors_that_are_not_dense_are_refused(made, kind):
    with pytest.raises(ValueError, match=f"dense tensors.*gives one that is {kind}"):
        find_layout(made(3), made(1), 3)
