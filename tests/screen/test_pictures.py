"""A picture comes by its name: the right one, encoded, or none."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from support.shown import decode, picture
from support.snapshots import snapshot_of
from support.tables import known_table

from carviz.evaluate import Images, Normalization
from carviz.screen import make_picture
from carviz.screen.keys import image_key, key
from carviz.screen.sight import sight
from carviz.session import SIDE


def _weights(shown):
    own = shown.pictures
    return shown.seen.weights[shown.filter] / 255 if own is None else own[shown.filter]


def near(found, expected, by=0.003) -> bool:
    return found.shape == expected.shape and np.abs(found - expected).max() < by


def test_the_pictures_of_a_filter(measured, deep):
    for shown in (measured, deep):
        tabs = {tab["name"]: tab for tab in sight(shown)["tabs"]}
        weights = _weights(shown)
        assert near(picture(shown, tabs["weights"]["large"]["picture"][0]), weights)
        made = shown.seen.synthesised[shown.filter] / 255
        assert near(picture(shown, tabs["synthesised"]["small"][0]), made)
        kept, items = shown.seen.sheets[shown.filter], tabs["patches"]["large"]["items"]
        assert len(items) == len(kept) == 9
        for (name, _), patch in zip(items, kept, strict=True):
            assert near(picture(shown, name), decode(patch.png))


@pytest.mark.parametrize("side", [8, 300])
def test_an_image_of_the_data_is_raw_rgb_and_small(side):
    smooth = torch.linspace(0, 1, side).expand(3, side, side)
    raw = torch.stack([smooth, 1 - smooth])
    found = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.1), "a test")
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (found.mean, found.std))
    images = Images(((raw - mean) / std, torch.tensor([0, 1])))
    shown = snapshot_of(table=known_table(), images=images, normalization=found)
    made = make_picture(shown, image_key(shown, 1))
    assert made.mime == "image/webp"
    decoded = decode(made.data)
    width = min(side, SIDE)
    assert decoded.shape == (width, width, 3)
    expected = np.linspace(1, 0, width)[np.newaxis, :, np.newaxis]
    assert np.abs(decoded - expected).max() < 0.06, "as near as WebP keeps it"


def test_what_is_not_there_is_no_picture(measured):
    shown = measured
    other = dataclasses.replace(shown, subject="another-model")
    missing = [
        "", "no JSON", "3", "[]", json.dumps(["x", "y"]),
        image_key(other, 0), image_key(shown, -1),
        json.dumps([shown.subject, "image"]), json.dumps([shown.subject, "image", "0"]),
        json.dumps([shown.subject, "image", 0.5]),
        key(other, "small", "weights", 0, 1),
        key(dataclasses.replace(shown, layer="second"), "small", "weights", 0, 1),
        key(shown, "patch", 0, 99, 1), key(shown, "patch", 0, -1, 1),
        key(shown, "sheet", "no sort", 0, 1), key(shown, "large", "no sort", 0, 1),
        key(shown, "small", "synthesised", (shown.filter + 1) % 6, 1),
        key(shown, "sheet", "patches", 64, 1),
        key(shown, "nonsense", 0),
    ]  # fmt: skip
    assert [make_picture(shown, name) for name in missing] == [None] * len(missing)
