"""One image, in words and numbers."""

import json

import numpy as np
import pytest
import torch
from support.gated import data, network
from support.shown import picture
from support.waiting import WAIT
from torch import nn

import carviz
from carviz.screen.image import image
from carviz.screen.take import figure_of
from carviz.session import changed_images
from carviz.wording import percent


@pytest.fixture(scope="module")
def session():
    made = carviz.open_session(network(), data())
    made.compute()
    made.wait(WAIT)
    made.look(view="image")
    made.settle(WAIT)
    yield made
    made.close()


def shown_of(session, **looks):
    session.look(**looks)
    session.settle(WAIT)
    return session.snapshot()


def test_it_says_what_the_network_says(session):
    shown = shown_of(session, image=7)
    found, one = image(shown), shown.one_image
    json.dumps(found, allow_nan=False)
    for name, shares in (("before", one.before), ("after", one.after)):
        assert [number for number, _ in found[name]] == np.argsort(-shares)[:5].tolist()
        assert [share for _, share in found[name]] == sorted(shares, reverse=True)[:5]
    assert percent(one.before.max()) in found["sentence"]
    assert ("changes from" in found["sentence"]) == found["changed"]
    assert found["label"] == shown.table.targets[7]


def test_one_goes_through_the_images_that_the_filter_changes(session):
    shown = shown_of(session, image=-1)
    among = changed_images(shown.table, shown.filter)
    seen = []
    for _ in among:
        found = image(session.snapshot())
        seen.append(found["number"])
        session.look(image=found["going"]["after"])
    assert seen == among
    found = image(shown_of(session, image=among[0]))
    assert found["going"]["words"].startswith(f"1 of {len(among)} image")
    other = next(n for n in range(80) if n not in among)
    assert image(shown_of(session, image=other))["going"]["words"].startswith("beside the")


def test_pictures_are_of_this_image_and_filter_and_of_no_other(session):
    shown = shown_of(session, image=7)
    found = image(shown)
    plain, on_map = (picture(shown, found[name][0]) for name in ("picture", "map"))
    assert plain.shape == on_map.shape
    assert not np.allclose(plain, on_map)
    later = shown_of(session, image=8)
    with pytest.raises(AttributeError):  # there is no such picture any more
        picture(later, found["map"][0])
    assert image(later)["map"][0] != found["map"][0]


def test_filters_that_it_needs_come_first_and_what_changes_is_said(session):
    shown = shown_of(session, image=7)
    found, drop = image(shown)["needed"], shown.needed.drop
    most = [row["filter"] for row in found["rows"]]
    assert most == [n for n in np.argsort(-drop).tolist() if drop[n] > 1e-4][:5]
    for row in found["rows"]:
        answer = shown.needed.answers[row["filter"]]
        assert bool(row["becomes"]) == (answer != shown.one_image.before.argmax())


def test_nobody_looks(session):
    assert image(shown_of(session, view="filter")) == {}
    session.look(view="image")


def looked_at(model, images, layer):
    session = carviz.open_session(model, (images, torch.zeros(len(images)).long()))
    session.layer = layer
    shown = shown_of(session, view="image", image=0)
    session.close()
    return shown, image(shown)


def test_an_answer_between_pixels_is_no_silence():
    conv = nn.Conv2d(1, 1, 2, stride=2)
    conv.weight.data.fill_(1.0), conv.bias.data.fill_(-3.5)
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    images = torch.zeros(2, 1, 12, 12)
    images[:, :, 4:6, 6:8] = 1.0
    shown, found = looked_at(model.eval(), images, "0")
    assert "brightest at 0.50" in found["note"]
    drawn = picture(shown, found["map"][0])
    middle = drawn.shape[0] * 5 // 12, drawn.shape[1] * 7 // 12
    red, _, blue = drawn[middle][:3].astype(float) / drawn.max()
    assert red > blue + 0.2, "the image is grey, and the map's colour is not"


class Crops(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, images):
        crops = torch.cat([images[..., :8, :8], images[..., 8:, 8:]])
        first, second = self.conv(crops).relu().mean((2, 3)).chunk(2)
        return self.head(first + second)


def test_a_bank_of_crops_has_answers_and_says_why_it_has_no_map():
    torch.manual_seed(0)
    shown, found = looked_at(Crops().eval(), torch.rand(3, 3, 16, 16), "conv")
    assert found["map"] is None
    assert "conv reads crops or frames" in found["note"]
    assert found["problem"] == ""
    assert len(found["before"]) == 2
    with pytest.raises(ValueError, match=r"no map to take along\. conv reads crops"):
        figure_of(shown)
