"""One image, in words and numbers."""

import json

import numpy as np
import pytest
from support.gated import data, network
from support.shown import picture
from support.waiting import WAIT

import carviz
from carviz.screen.image import image
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
