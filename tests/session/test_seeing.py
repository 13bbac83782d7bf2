"""Pictures of what filters see: made in the background, in which order, beside a job, and kept."""

import threading
import time

import numpy as np
import pytest
import torch
from support.gated import GATE, Network, data, network
from support.own_data import Own
from support.waiting import WAIT

import carviz
from carviz import Run, open_session
from carviz.pictures import effective, effective_weights, excite, top_patches, weight_pictures
from carviz.selectivity import measurement
from carviz.session.seeing.padding import DARK, LIGHT, outside
from carviz.session.seeing.seeing import PAUSE
from carviz.siblings import measure_siblings

SMALL = Run(batch_size=4)


@pytest.fixture(autouse=True)
def _open_gate():
    yield
    GATE.act = None


def looking(data=None, model=None, **options):
    """Return a session whose pictures are looked at, made so far as `look` says."""
    looks = {n: options.pop(n) for n in ("gallery", "large", "siblings") if n in options}
    session = open_session(model or network(), _data() if data is None else data, **options)
    session.look(**looks)
    return session


def _data():
    return data()


def near(picture, expected) -> bool:
    """Whether a picture of bytes is one in [0, 1]."""
    return np.abs(picture / 255 - expected).max() < 0.003


class Untraced(Network):
    """The same network, whose path depends on the image's values: torch.fx cannot trace it."""

    def forward(self, images):
        if images.sum() > 1e12:
            return self.last(images)
        return super().forward(images)


def untraced():
    made = Untraced().eval()
    made.load_state_dict(network().state_dict())
    return made


def test_a_deep_bank_fills_by_itself_with_effective_weights():
    session = looking(layer="second")
    session.settle(WAIT)
    expected = weight_pictures(effective_weights(network(), data(), "second").weights)
    found = session.snapshot().seen.weights
    assert sorted(found) == [0, 1, 2, 3]
    assert all(near(found[filter], picture) for filter, picture in enumerate(expected))


@pytest.mark.parametrize("gallery", ["weights", "synthesised"])
def test_each_filter_of_a_deep_bank_is_pulled_back_once(monkeypatch, gallery):
    pulled: list[int] = []

    def watch(pull_back):
        def counted(*arguments):
            for number, weights in pull_back(*arguments):
                pulled.append(number)
                yield number, weights

        return counted

    for place in (effective, measurement):
        monkeypatch.setattr(place, "pull_back", watch(place.pull_back))
    session = looking(layer="third", gallery=gallery)
    session.settle(WAIT)
    assert sorted(pulled) == list(range(8))
    kinds = session.selectivity
    expected = carviz.measure_selectivity(network(), "third", data=data())
    assert len(pulled) == 16, "and this test would see it"
    assert (kinds.reading, kinds.passport) == (expected.reading, expected.passport)
    for name in ("energy", "color_index", "activation_index"):
        # Pulled back in other company, the last digits are others.
        assert np.allclose(getattr(kinds, name), getattr(expected, name), rtol=1e-5)
    assert np.array_equal(kinds.kind, expected.kind)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_patches_siblings_and_a_synthesised_picture_of_the_chosen_filter(layer):
    session = looking(layer=layer)
    session.filter = 2
    session.settle(WAIT)
    seen = session.snapshot().seen
    expected = top_patches(network(), data(), layer, 2, normalize=None)
    for item, label, response in zip(
        seen.sheets[2], expected.labels, expected.responses, strict=True
    ):
        assert f"class {label}, response {response:.2f}" in item.words
    assert near(seen.synthesised[2], excite(network(), layer, 2, data=data()))
    assert seen.finished == {2}
    assert seen.siblings is None, "nobody asked for them"
    session.look(siblings=True)
    session.settle(WAIT)
    found = session.snapshot().seen.nearest(2)
    siblings = measure_siblings(network(), data(), layer, progress=False)
    by_activation = siblings.nearest(2, 3, by="activation")
    assert [number for number, _ in found] == by_activation["filter"].tolist()
    assert np.allclose([like for _, like in found], by_activation["similarity"])


def test_a_synthesised_picture_becomes_better_and_is_kept():
    session = open_session(network(), data(), layer="first")
    session.filter = 4
    shown: list[bytes] = []

    def hear(_) -> None:
        picture = session.snapshot().seen.synthesised.get(4)
        if picture is not None and picture.tobytes() not in shown:
            shown.append(picture.tobytes())

    session.listen(hear)
    session.look(large="synthesised")
    session.settle(WAIT)
    assert len(shown) > 2
    kept = session.snapshot().seen.synthesised[4]
    assert shown[-1] == kept.tobytes()
    session.filter = 0
    session.settle(WAIT)
    session.filter = 4
    session.settle(WAIT)
    assert session.snapshot().seen.synthesised[4] is kept


@pytest.mark.parametrize("layer", ["first", "second"])
def test_all_of_any_sort_where_the_gallery_shows_them(layer):
    session = looking(layer=layer, gallery="patches")
    session.settle(WAIT)
    count = session.snapshot().bank.filters
    expected = top_patches(network(), data(), layer, count=1)
    found = session.snapshot().seen.best
    assert sorted(found) == list(range(count))
    for i, picture in enumerate(expected.pictures[:, 0]):
        beyond = outside(picture.shape[:2], expected.boxes[i, 0], (8, 8))
        assert near(found[i][~beyond], picture[~beyond])
        assert set(np.unique(found[i][beyond])) <= {DARK, LIGHT}, "no grey that an image could have"
    session.look(gallery="synthesised")
    session.settle(WAIT)
    expected = excite(network(), layer, data=data())
    found = session.snapshot().seen.synthesised
    assert sorted(found) == list(range(count))
    assert all(near(found[i], expected[i]) for i in range(count))


def test_what_was_made_is_not_made_again():
    own = Own()
    session = looking(own, layer="second", large="patches", siblings=True)
    session.settle(WAIT)
    kept = session.snapshot().seen.weights
    assert len(kept) == 4
    session.layer = "first"
    session.settle(WAIT)
    own.readers.clear()
    session.layer = "second"
    seen = session.snapshot().seen
    assert all(seen.weights[i] is kept[i] for i in range(4)), "at once"
    assert len(seen.sheets[0]) == 9
    session.settle(WAIT)
    assert own.readers == []
    assert all(session.snapshot().seen.weights[i] is kept[i] for i in kept)


def test_another_bank_ends_what_is_under_way():
    session = looking(layer="first")
    session.settle(WAIT)
    news: list = []
    with GATE.closed(after=12) as (reached, opened):  # in the midst of the weights
        session.layer = "third"
        assert reached.wait(WAIT)
        session.layer = "first"
        session.listen(news.append)
        time.sleep(PAUSE)  # then news would be due
        opened.set()
        session.settle(WAIT)
    assert news == [], "what came of the other bank is no news of this one"
    session.layer = "third"
    there = session.snapshot().seen
    assert 0 < len(there.weights) < 8
    assert not there.failed
    session.settle(WAIT)
    assert len(session.snapshot().seen.weights) == 8
    assert len(session.selectivity.kind) == 8


def test_another_filter_is_served_before_the_bank_goes_on():
    session = open_session(network(), data(), layer="third")

    def act(_: int) -> None:
        if len(session.snapshot().seen.weights) == 1:  # in the midst of the second
            session.filter = 7

    GATE.act = act
    session.look()
    session.settle(WAIT)
    assert list(session.snapshot().seen.weights)[:3] == [0, 1, 7]
    assert len(session.snapshot().seen.weights) == 8


def test_pictures_go_on_after_a_job_that_came_in_their_midst():
    session = open_session(network(), data(), layer="third", run=SMALL)
    with GATE.closed(after=12) as (reached, opened):
        session.look()
        assert reached.wait(WAIT)
        session.compute()
        assert len(session.snapshot().seen.weights) == 1
        opened.set()
        session.wait(WAIT)
    assert session.table == carviz.measure_car(
        network(), data(), "third", run=SMALL, progress=False
    ), "pictures that are made beside it change no number"
    session.settle(WAIT)
    assert len(session.snapshot().seen.weights) == 8
    assert session.selectivity.activation_index.shape == (8,)
    assert session.snapshot().seen.failed == {}


def test_what_is_made_beside_a_job_is_what_is_made_alone():
    session = open_session(network(), data(), layer="second", run=SMALL)
    first, came = GATE.passes, []

    def hear(_) -> None:
        seen = session.snapshot().seen
        if not came and 0 in seen.finished and len(seen.weights) == 4 and seen.siblings:
            came.append(session.busy)

    session.listen(hear)
    with session.lock:  # the job is asked for first
        GATE.act = lambda number: time.sleep(0.05 if number < first + 80 and not came else 0)
        session.compute()
        session.look(large="synthesised", siblings=True)
    session.wait(WAIT)
    session.settle(WAIT)
    seen = session.snapshot().seen
    assert came == [True]
    assert near(seen.synthesised[0], excite(network(), "second", 0, data=data()))
    expected = weight_pictures(effective_weights(network(), data(), "second").weights)
    assert all(near(seen.weights[filter], picture) for filter, picture in enumerate(expected))
    assert seen.failed == {}
    assert session.snapshot().story == ""


@pytest.mark.parametrize(("model", "beside"), [(network, True), (untraced, False)])
def test_what_is_looked_at_comes_beside_a_job_only_of_a_traced_network(model, beside):
    session = open_session(model(), data(), layer="second", run=SMALL)
    session.filter = 3
    came = []

    def hear(_) -> None:
        if not came and 3 in session.snapshot().seen.sheets:
            came.append((session.busy, session.progress < 1))

    session.listen(hear)
    first = GATE.passes
    with session.lock:  # the job is asked for first
        GATE.act = lambda number: time.sleep(0.02 if number < first + 50 and not came else 0)
        session.compute()
        session.look(large="patches")
    session.wait(WAIT)
    GATE.act = None
    session.settle(WAIT)
    assert came == [(True, True) if beside else (False, False)]
    alone = carviz.measure_car(network(), data(), "second", run=SMALL, progress=False)
    assert np.array_equal(session.table.predictions, alone.predictions)


def test_what_fails_is_told_and_tried_again_when_the_bank_is_chosen_anew():
    own = Own()
    session = looking(own, layer="first")
    session.settle(WAIT)
    own.broken.add(7)
    session.layer = "second"
    session.settle(WAIT)
    assert "Pictures of second: ValueError" in session.status
    assert "image 7" in session.status
    assert "Traceback" in session.snapshot().story
    assert not session.busy
    own.broken.clear()
    session.layer = "first"
    session.layer = "second"
    session.settle(WAIT)
    assert len(session.snapshot().seen.weights) == 4
    assert "ValueError" not in session.status


def test_what_nobody_looks_at_fails_silently():
    own = Own()
    session = looking(own, layer="first")
    session.settle(WAIT)
    status = session.status
    own.broken.update(range(1, len(own)))
    session.filter = 5
    session.settle(WAIT)
    assert (session.status, session.snapshot().story) == (status, "")
    assert set(session.snapshot().seen.failed) == {("sheet", 5)}


def test_other_data_has_its_own_pictures_and_the_former_ones_come_back():
    session = looking(data(0), layer="second")
    session.settle(WAIT)
    first = session.snapshot().seen
    session.load(data=data(1))
    session.wait(WAIT)
    session.layer = "second"
    session.settle(WAIT)
    other = session.snapshot().seen
    assert len(other.weights) == len(first.weights) == 4
    assert not np.array_equal(other.weights[0], first.weights[0])
    session.load(data=data(0))
    session.wait(WAIT)
    session.layer = "second"
    assert session.snapshot().seen.weights[0] is first.weights[0]


def test_closed_it_makes_nothing_more_and_lets_go_of_all_pictures():
    session = looking(layer="second")
    session.settle(WAIT)
    assert session.snapshot().seen.weights
    with GATE.closed(after=12) as (reached, opened):
        session.layer = "third"
        assert reached.wait(WAIT)
        threading.Timer(0.1, opened.set).start()
        session.close()
        passes = GATE.passes
    session.settle(WAIT)
    assert GATE.passes == passes
    for layer in ("third", "second"):
        session.layer = layer
        seen = session.snapshot().seen
        assert (seen.weights, seen.sheets, seen.exciting) == ({}, {}, None)


def test_opened_in_inference_mode_it_has_the_same_pictures():
    model = network()
    with torch.inference_mode():
        session = looking(model=model, layer="second")
        session.settle(WAIT)
    seen = session.snapshot().seen
    assert seen.failed == {}
    assert len(seen.weights) == 4
    assert seen.finished == {0}


def test_no_picture_is_made_of_a_network_that_has_changed():
    model = network()
    session = carviz.open_session(model, data(), layer="second")
    session.look(large="synthesised")
    session.settle(WAIT)
    with torch.no_grad():
        model.second.weight.mul_(-1)
    session.filter = 3
    session.settle(WAIT)
    shown = session.snapshot()
    assert 3 not in shown.seen.synthesised
    assert "has changed since it was opened" in shown.status
    session.compute()
    session.wait(WAIT)
    session.settle(WAIT)
    found = session.snapshot().seen.synthesised[3]
    alone = carviz.excite(model, "second", 3, data=data(), progress=False)
    assert abs(found / 255 - alone).max() < 0.003
