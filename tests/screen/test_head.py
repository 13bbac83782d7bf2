"""The head of the screen: what is explored, how good it is, what is chosen and being done."""

import dataclasses

from support.paths import known_path
from support.shown import text
from support.snapshots import snapshot_of
from support.tables import known_table

from carviz.screen.head import choice, head, names, work
from carviz.wording import percent


def test_it_says_what_is_explored_and_on_how_many_images_it_is_how_good():
    found = head(snapshot_of(table=known_table(), own_data=True))
    said = text(found["facts"])
    assert said.startswith("model Network data given tensors, 4 images on cpu whole network")
    assert said.endswith(f"{percent(known_table().accuracy)} right")
    partial = text(head(snapshot_of(table=known_table(total=200), own_data=True))["facts"])
    assert partial.endswith("right on 100 so far")
    slow = head(snapshot_of(table=known_table(), untraceable=True))
    assert "measured the slow way" in text(slow["facts"])


def test_an_accuracy_of_the_images_that_pruning_chose_on_says_so():
    shown = snapshot_of(path=known_path())
    assert text(head(shown)["facts"]).endswith("right on 100 images")
    measured = dataclasses.replace(shown, table=known_table(), own_data=True)
    assert text(head(measured)["facts"]).endswith("right")
    nothing = dataclasses.replace(shown, path=None)
    assert "not measured yet" in text(head(nothing)["facts"])


def test_what_can_be_chosen_has_its_names(measured):
    found = names(measured)
    assert found["banks"][1] == {"layer": "second", "words": "second (4 filters)"}
    assert found["devices"][0] == "cpu"
    assert found["classes"] == list("01234")
    twins = dataclasses.replace(known_table(), classes=("crane", "crane"))
    assert names(snapshot_of(table=twins))["classes"] == ["crane (0)", "crane (1)"]


def test_classes_that_the_data_names_are_there_before_anything_is_measured(measured):
    class Named:
        classes = ("cat", "dog")

    assert names(dataclasses.replace(measured, table=None))["classes"] == []
    shown = dataclasses.replace(measured, table=None, images=Named())
    assert names(shown)["classes"] == ["cat", "dog"]


def test_what_can_be_asked_for_now(pruned):
    shown = dataclasses.replace(pruned, count=2)
    assert work(shown)["can"] == {
        "cancel": False, "choose": True, "compare": False, "export": True
    }, "all criteria are compared"  # fmt: skip
    paths = dataclasses.replace(shown, paths=shown.paths[:1])
    assert work(paths)["can"]["compare"]
    assert not work(dataclasses.replace(pruned, count=0))["can"]["export"]
    busy = work(dataclasses.replace(paths, busy=True, opening=True))["can"]
    assert busy == {"cancel": True, "choose": False, "compare": False, "export": False}


def test_what_is_looked_at_is_told(measured):
    found = choice(dataclasses.replace(measured, filter=4))
    assert (found["layer"], found["filter"], found["view"], found["siblings"]) == (
        "first", 4, "filter", True
    )  # fmt: skip
