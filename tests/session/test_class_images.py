"""Images beside the classes: which one, when it is read, and those that a removal changed."""

import threading

import numpy as np
import pytest
import torch
from support.gated import GATE, data, network
from support.own_data import Own
from support.results_examples import car_table
from support.shown import decode
from support.small import planted
from support.waiting import WAIT

import carviz
from carviz import Run, open_session
from carviz.evaluate import Images, Normalization
from carviz.session.class_rows import classes_shown
from carviz.session.seeing.class_images import changed_images, choose_faces


def measured(images=None, **options):
    """Return a session that is looked at, its bank measured and every picture made."""
    session = open_session(network(), data() if images is None else images, **options)
    session.look()
    session.compute()
    session.wait(WAIT)
    session.settle(WAIT)
    return session


def shown(session):
    return [str(number) for number in classes_shown(session.snapshot().classes())]


def test_the_image_that_is_lost_comes_first_then_any_that_changes_then_a_right_one():
    table = car_table()
    for filter in table.filters.tolist():
        chosen = choose_faces(table, filter, range(len(table.classes)))
        after = table.predictions[table.row(filter)]
        for number in range(len(table.classes)):
            own = np.flatnonzero(table.targets == number)
            if not len(own):
                assert number not in chosen
                continue
            place = int(np.flatnonzero(table.images == chosen[number].image)[0])
            right, changed = table.baseline == table.targets, after != table.baseline
            for kind in (right & changed, changed, right, np.ones(len(own) + 999, bool)):
                if kind[own].any():
                    assert place == own[kind[own]][0]
                    break


def test_the_words_say_what_it_is_and_becomes():
    table = carviz.measure_car(network(), data(), "first", progress=False)
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    face = choose_faces(table, filter, [number])[number]
    flips = table.flips(filter, number).set_index("image")
    assert flips.change[face.image] == "lost"
    assert face.words == (
        f"Image {face.image}: right; without filter {filter} taken for {flips.after[face.image]}"
    )
    same = np.flatnonzero((table.lost + table.gained)[0] == 0)
    for number in same:
        assert "with and without filter 0" in choose_faces(table, 0, [number])[number].words


def test_every_class_that_is_shown_gets_its_own_picture():
    session = measured()
    for filter in (0, 4):
        session.filter = filter
        session.settle(WAIT)
        faces = session.snapshot().faces()
        assert sorted(faces) == sorted(shown(session))
        for number, face in choose_faces(session.table, filter, map(int, faces)).items():
            found = faces[str(number)]
            assert found["words"] == face.words
            own = data()[0][face.image].permute(1, 2, 0).numpy()
            stretched = (own - own.min()) / (own.max() - own.min())
            assert np.abs(decode(found["src"]) - stretched).max() < 0.003
    assert session.snapshot().classes()["faced"]


def test_nobody_looks_nothing_is_read():
    own = Own()
    session = open_session(network(), own)
    session.compute()
    session.wait(WAIT)
    before = len(own.readers)
    session.settle(WAIT)
    assert len(own.readers) == before
    assert session.snapshot().faces() == {}


def test_pictures_are_read_once():
    own = Own()
    session = measured(own)
    session.filter = 3
    session.settle(WAIT)
    assert len(session.snapshot().faces()) == 5
    # What filters see is made for both by now: nothing else is read.
    own.readers.clear()
    session.filter = 0
    assert sorted(session.snapshot().faces()) == sorted(shown(session)), "at once"
    session.settle(WAIT)
    assert own.readers == []


def test_what_cannot_be_read_is_left_out():
    own = Own()
    session = measured(own)
    known = set(session.snapshot().face_pictures)
    assert len(session.snapshot().faces()) == 5
    filter, number, image = next(
        (filter, number, face.image)
        for filter in range(1, 6)
        for number, face in choose_faces(session.table, filter, range(5)).items()
        if face.image not in known
    )
    own.broken.add(image)
    session.filter = filter
    session.settle(WAIT)
    faces = session.snapshot().faces()
    assert len(faces) == 4
    assert str(number) not in faces


def test_tables_of_other_images_have_no_pictures_and_no_room_for_them(tmp_path):
    carviz.measure_car(network(), data(0), "first", progress=False).save(tmp_path / "t.npz")
    session = open_session(network(), data(1), tables=tmp_path)
    session.look(opened=0)
    session.settle(WAIT)
    found = session.snapshot()
    assert not found.classes()["faced"]
    assert (found.faces(), found.face_pictures) == ({}, {})
    assert "measured on other images" in found.changed["problem"]


@pytest.mark.parametrize("layer", ["first", "second"])
def test_other_data_has_its_own_pictures(layer):
    session = measured(data(0), layer=layer)
    assert len(session.snapshot().faces()) == 5
    session.load(data=data(1))
    session.wait(WAIT)
    assert session.snapshot().face_pictures == {}
    session.compute()
    session.wait(WAIT)
    session.settle(WAIT)
    assert len(session.snapshot().faces()) == len(shown(session)) > 0


def test_a_class_opens_to_the_images_that_changed():
    session = measured()
    table = session.table
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    session.filter = filter
    session.look(opened=number)
    session.settle(WAIT)
    changed = session.snapshot().changed
    flips = table.flips(filter, number)
    assert (changed["filter"], changed["number"]) == (filter, number)
    assert len(changed["items"]) + changed["more"] == len(flips) > 0
    images = {item["image"]: (item["before"], item["after"]) for item in changed["items"]}
    for _, row in flips.iterrows():
        if row["image"] in images:
            assert images[row["image"]] == (row["before"], row["after"])
    session.filter = (filter + 1) % 6
    session.settle(WAIT)
    assert session.snapshot().changed["filter"] == session.filter
    session.layer = "second"
    assert (session.snapshot().changed, session.snapshot().looks.opened) == ({}, -1)


def test_an_unreadable_image_is_told_where_it_would_be():
    own = Own()
    session = measured(own)
    table = session.table
    number = int(np.argmax(table.lost[0] + table.gained[0]))
    own.broken.update(range(len(own)))
    session.look(opened=number)
    session.settle(WAIT)
    changed = session.snapshot().changed
    assert "gone" in changed["problem"]
    assert "items" not in changed
    assert session.snapshot().story == "", "the numbers stand"


def test_thumbnails_are_raw_rgb():
    model, (images, labels) = planted()
    table = carviz.measure_car(model, (images, labels), "0", progress=False)
    raw = torch.rand(8, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    found = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.1), "a test")
    seen = (raw - torch.tensor(found.mean).view(3, 1, 1)) / torch.tensor(found.std).view(3, 1, 1)
    shown = changed_images(table, 3, 0, Images((seen, labels)), found)
    assert [item["change"] for item in shown["items"]] == ["now right"] * 2
    for item in shown["items"]:
        expected = raw[item["image"]].permute(1, 2, 0).numpy()
        assert np.abs(decode(item["src"]) - expected).max() < 0.003
    assert shown["note"] == ""
    grey = changed_images(table, 3, 0, Images((images, labels)), None)
    assert "colours stretched" in grey["note"]


def test_lost_images_come_first_and_the_rest_is_counted():
    table = car_table()
    images = Images((torch.zeros(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])))
    shown = changed_images(table, 0, 1, images, None)
    assert [(i["image"], i["change"]) for i in shown["items"]] == [(1, "now wrong")]
    assert shown["more"] == 0


def test_what_reads_the_data_for_somebody_is_done_between_two_batches_of_a_job():
    session = open_session(network(), Own(), run=Run(batch_size=4))
    with GATE.closed(after=20) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        GATE.act = None  # this pass waits, and none after it
        threading.Timer(0.2, opened.set).start()  # when it is asked for
        found = session.read(lambda: (threading.current_thread().name, session.busy))
        session.wait(WAIT)
    assert found == ("carviz-session", True)
    with pytest.raises(OSError, match="gone"):
        session.read(_raise)


def _raise():
    raise OSError("gone")
