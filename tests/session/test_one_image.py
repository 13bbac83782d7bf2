"""One image: what the network says without a filter is what CAR is of, and so is what it needs."""

import dataclasses

import numpy as np
import pytest
import torch
import torchvision
from support.gated import GATE, data, network
from support.waiting import WAIT, eventually

import carviz
from carviz import open_session
from carviz.session import changed_images


def look(session, **looks):
    session.look(view="image", **looks)
    session.settle(WAIT)
    return session.snapshot()


@pytest.fixture
def session():
    made = open_session(network(), data())
    yield made
    GATE.act = None
    made.close()


def test_answers_are_those_that_car_is_of(session):
    session.compute("bank")
    session.wait(WAIT)
    table = session.table
    for filter in range(6):
        session.filter = filter
        for number in (*changed_images(table, filter)[:3], 7):
            one = look(session, image=number).one_image
            place = int(np.flatnonzero(table.images == number)[0])
            assert one.before.argmax() == table.baseline[place]
            assert one.after.argmax() == table.predictions[table.row(filter), place]
            assert one.before.sum() == pytest.approx(1)
            assert one.label == table.targets[place]


def test_what_an_image_needs_is_the_fall_of_its_log_p(session):
    before = look(session, image=5).needed  # measured for this image alone
    session.compute("bank")
    session.wait(WAIT)
    table, place = session.table, 5
    np.testing.assert_allclose(before.drop, table.image_log_prob_drop[:, place], atol=1e-4)
    np.testing.assert_array_equal(before.answers, table.predictions[:, place])
    session.layer = "second"
    session.layer = "first"
    look(session, image=6)
    after = look(session, image=5).needed  # taken from the table
    np.testing.assert_array_equal(after.drop, table.image_log_prob_drop[:, place])


def test_the_fall_agrees_with_the_answers_of_a_network_with_batch_norms():
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5).eval()
    images = (torch.rand(3, 3, 48, 48), torch.arange(3))
    session = open_session(model, images)
    shown = look(session, image=1)
    drop = np.log(shown.one_image.before[1]) - np.log(shown.one_image.after[1])
    assert shown.needed.drop[0] == pytest.approx(drop, abs=1e-4)
    session.filter = 3
    session.settle(WAIT)
    shown = session.snapshot()
    drop = np.log(shown.one_image.before[1]) - np.log(shown.one_image.after[1])
    assert shown.needed.drop[3] == pytest.approx(drop, abs=1e-4)
    session.close()


def test_nothing_is_shown_under_the_name_of_another_filter_image_or_bank(session):
    first = look(session, image=3)
    assert first.one_image.key == (3, 0)
    with session.lock:
        session.filter = 2
        assert session.snapshot().one_image is None
        assert session.snapshot().needed is not None, "it is of all filters"
        session.look(image=4)
        assert session.snapshot().needed is None
        session.layer = "second"
        assert session.snapshot().one_image is None
    session.settle(WAIT)
    assert session.snapshot().one_image.layer == "second"


def test_without_a_choice_it_is_the_first_image_that_the_filter_changes(session):
    assert session.snapshot().image == 0
    session.compute("bank")
    session.wait(WAIT)
    for filter in range(6):
        session.filter = filter
        expected = changed_images(session.table, filter)
        assert session.snapshot().image == (expected[0] if expected else 0)
    session.look(image=10_000)
    assert session.snapshot().image in (0, *expected[:1])


def test_it_is_looked_at_while_a_job_goes_on(session):
    session.settle(WAIT)
    with GATE.closed(3) as (reached, opened):
        session.compute("bank")
        assert reached.wait(WAIT)
        session.look(view="image", image=2)
        opened.set()
        eventually(lambda: session.snapshot().one_image is not None)
    session.wait(WAIT)


class Shaky(torch.utils.data.Dataset):
    """Images of which one cannot be read any more."""

    gone = False

    def __len__(self):
        return 6

    def __getitem__(self, number):
        if self.gone and number == 4:
            raise OSError("the disk is gone")
        return torch.full((3, 8, 8), number / 6), number % 5


def test_what_cannot_be_read_is_told_and_another_image_is_looked_at():
    images = Shaky()
    session = open_session(network(), images)
    images.gone = True
    shown = look(session, image=4)
    assert "the disk is gone" in shown.image_problem
    assert shown.one_image is None
    shown = look(session, image=3)
    assert (shown.image_problem, shown.one_image.key) == ("", (3, 0))
    session.close()


def test_a_network_that_was_trained_meanwhile_is_not_looked_at():
    model = network()
    session = open_session(model, data())
    look(session, image=2)
    with torch.no_grad():
        model.last.weight.mul_(-1)
    shown = look(session, image=3)
    assert shown.one_image is None
    assert "The network has changed since it was opened" in shown.image_problem
    session.compute("bank")
    session.wait(WAIT)
    session.settle(WAIT)
    shown = look(session, image=3)
    place = int(np.flatnonzero(session.table.images == 3)[0])
    assert shown.one_image.before.argmax() == session.table.baseline[place]
    session.close()


def test_a_map_is_that_of_activation_maps(session):
    shown = look(session, image=9)
    found = carviz.activation_maps(network(), data(), "first", 0, numbers=[9])
    maps = shown.one_image.maps
    np.testing.assert_allclose(maps.maps, found.maps, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(maps.field, found.field)
    assert shown.one_image.strongest >= maps.highest[0]
    assert dataclasses.is_dataclass(shown.one_image)
