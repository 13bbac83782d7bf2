"""Names of pictures: another picture has another name."""

import dataclasses
import json

from support.snapshots import snapshot_of
from support.tables import known_table

from carviz.screen.keys import image_key, key


def test_a_name_tells_the_subject_the_bank_and_which_picture():
    shown = snapshot_of(table=known_table())
    others = [
        key(dataclasses.replace(shown, subject="model-others"), "small", "weights", 1, 1),
        key(dataclasses.replace(shown, layer="another"), "small", "weights", 1, 1),
        key(shown, "large", "weights", 1, 1),
        key(shown, "small", "weights", 1, 2),
        image_key(shown, 1),
        image_key(dataclasses.replace(shown, subject="model-others"), 1),
    ]
    found = key(shown, "small", "weights", 1, 1)
    assert len({found, *others}) == 7
    assert found == key(shown, "small", "weights", 1, 1)
    assert image_key(shown, 1) == image_key(dataclasses.replace(shown, layer="another"), 1)


def test_any_name_of_a_layer_comes_back():
    for layer in ('a"b', "鶴\n", "<script>", "x" * 300):
        shown = snapshot_of(table=dataclasses.replace(known_table(), layer=layer))
        assert json.loads(key(shown, "patch", 1, 2))[2:] == [layer, 1, 2]
