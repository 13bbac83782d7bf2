"""The panels of what filters see: gallery, the large picture with its tabs, siblings, classes."""

import numpy as np
import pytest
from support.gated import GATE, data, network
from support.own_data import Own
from support.shown import decode, tiles
from support.waiting import WAIT

import carviz
from carviz.explorer import explore
from carviz.pictures import effective_weights, excite, top_patches, weight_pictures
from carviz.session.seeing.class_images import choose_faces
from carviz.siblings import measure_siblings


@pytest.fixture(autouse=True)
def _open_gate():
    yield
    GATE.act = None


def opened(images=None, **options):
    """Return an explorer whose pictures are all made."""
    explorer = explore(network(), data() if images is None else images, **options)
    explorer.session.settle(WAIT)
    return explorer


def look(explorer, name):
    explorer.listener.hear({"look": name})


def near(picture, expected) -> bool:
    return np.abs(picture - expected).max() < 0.003


def test_a_deep_bank_s_gallery_fills_with_effective_weights():
    explorer = explore(network(), data(), layer="second")
    gallery, panel = explorer.panels.gallery, explorer.panels.sight
    assert gallery.pictured
    explorer.session.settle(WAIT)
    expected = weight_pictures(effective_weights(network(), data(), "second").weights)
    found = tiles(gallery)
    assert sorted(found) == [0, 1, 2, 3], "at the end all are there for who looks then"
    assert all(near(found[filter], picture) for filter, picture in enumerate(expected))
    assert near(decode(panel.content["src"]), expected[0])
    assert panel.content["coarse"]
    explorer.filter = 3
    assert near(decode(panel.content["src"]), expected[3])


def test_a_deep_bank_is_told_apart_by_both_readings():
    explorer = opened(layer="second")
    kinds = carviz.measure_selectivity(network(), "second", data=data())
    assert [t["mark"] for t in explorer.panels.gallery.tiles] == [
        {"color": "C", "shape": "S", "dead": "×"}[kind] for kind in kinds.kind
    ]
    for filter in range(4):
        explorer.filter = filter
        panel = explorer.panels.panel.value
        assert f"colour index <b>{kinds.color_index[filter]:.2f}</b>" in panel
        assert f"falls by <b>{kinds.activation_index[filter]:.0%}</b> in grey" in panel
        assert ("disagree" in panel) == bool(kinds.disagrees[filter])
    explorer.panels.sort.value = "color"
    order = [tile["filter"] for tile in explorer.panels.gallery.tiles]
    assert np.all(np.diff(kinds.color_index[order]) <= 0)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_patches_of_the_chosen_filter(layer):
    explorer = explore(network(), data(), layer=layer)
    explorer.filter = 2
    look(explorer, "patches")
    explorer.session.settle(WAIT)
    expected = top_patches(network(), data(), layer, 2, normalize=None)
    items = explorer.panels.sight.content["items"]
    assert len(items) == 9
    for item, picture, label, response in zip(
        items, expected.pictures, expected.labels, expected.responses, strict=True
    ):
        assert near(decode(item["src"]), picture)
        assert f"class {label}, response {response:.2f}" in item["words"]


def test_a_synthesised_picture_becomes_better():
    explorer = opened()
    shown = []
    explorer.panels.sight.observe(lambda change: shown.append(change["new"]["src"]), "content")
    with explorer.session.lock:  # before the first of it comes
        explorer.filter = 4
        look(explorer, "synthesised")
        assert explorer.panels.sight.content["words"].startswith("Comes")
    explorer.session.settle(WAIT)
    assert len({src for src in shown if src}) > 3, "the weights, and ever better ones"
    assert near(decode(shown[-1]), excite(network(), "first", 4, data=data()))
    last = explorer.panels.sight.content["src"]
    explorer.filter = 0
    explorer.session.settle(WAIT)
    explorer.filter = 4
    assert explorer.panels.sight.content["src"] == last, "at once"


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_filter_s_three_pictures_stand_side_by_side(layer):
    explorer = explore(network(), data(), layer=layer)
    panel = explorer.panels.sight
    explorer.filter = 3
    explorer.session.settle(WAIT)
    small = dict(panel.small)
    assert set(small) == {"weights", "patches", "synthesised"}
    for name in ("weights", "synthesised"):
        look(explorer, name)
        assert small[name]["src"] == panel.content["src"]
        assert small[name]["coarse"] == panel.content["coarse"]
    look(explorer, "patches")
    assert small["patches"]["src"] == panel.content["items"][0]["src"], "at once: all are kept"
    explorer.filter = 0
    explorer.session.settle(WAIT)
    assert all(panel.small[name] != small[name] for name in small), "another filter's pictures"


def test_what_nobody_looks_at_fails_silently_and_is_told_on_its_tab():
    own = Own()
    explorer = opened(own)
    status = explorer.status
    own.broken.update(range(1, len(own)))
    explorer.filter = 5
    explorer.session.settle(WAIT)
    assert explorer.status == status
    assert set(explorer.panels.sight.small) == {"weights", "synthesised"}
    look(explorer, "patches")
    assert explorer.panels.sight.content["words"].startswith("No picture: ")
    assert explorer.status == status


def test_what_is_looked_at_and_fails_is_told():
    own = Own()
    explorer = opened(own)
    own.broken.add(7)
    explorer.layer = "second"
    explorer.session.settle(WAIT)
    assert "Pictures of second: ValueError" in explorer.status
    assert "Show the traceback" in explorer.panels.status.value
    assert "image 7" in explorer.panels.sight.content["words"]
    own.broken.clear()
    explorer.layer = "first"
    explorer.layer = "second"
    explorer.session.settle(WAIT)
    assert "ValueError" not in explorer.panels.status.value
    assert explorer.panels.sight.content["src"]


@pytest.mark.parametrize("layer", ["first", "second"])
def test_siblings_come_when_they_are_asked_for(layer):
    explorer = opened(layer=layer)
    panel = explorer.panels.siblings
    assert not panel.content["open"]
    explorer.listener.hear({"open": True})
    assert panel.content["open"]
    explorer.session.settle(WAIT)
    near = measure_siblings(network(), data(), layer, progress=False).nearest(0, 3, by="activation")
    assert [item["filter"] for item in panel.content["items"]] == near["filter"].tolist()
    said = [float(item["words"].replace("−", "-")) for item in panel.content["items"]]
    assert np.allclose(said, near["similarity"], atol=0.0051)
    assert all(item["src"] for item in panel.content["items"])
    explorer.listener.hear({"choose": panel.content["items"][1]["filter"]})
    assert explorer.filter == near["filter"][1]
    explorer.listener.hear({"open": False})
    assert panel.content["items"] == []


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_gallery_can_show_any_of_the_pictures(layer):
    explorer = opened(layer=layer)
    gallery, count = explorer.panels.gallery, explorer.session.snapshot().bank.filters
    weights = tiles(gallery)
    explorer.panels.show.value = "patches"
    explorer.session.settle(WAIT)
    expected = top_patches(network(), data(), layer, count=1).pictures[:, 0]
    found = tiles(gallery)
    assert sorted(found) == list(range(count))
    assert all(near(found[i], expected[i]) for i in range(count))
    explorer.panels.show.value = "synthesised"
    explorer.session.settle(WAIT)
    expected = excite(network(), layer, data=data())
    found = tiles(gallery)
    assert sorted(found) == list(range(count))
    assert all(near(found[i], expected[i]) for i in range(count))
    explorer.panels.show.value = "weights"
    assert all(np.array_equal(tiles(gallery)[i], weights[i]) for i in range(count)), "at once"


def test_a_bank_that_was_left_is_drawn_no_more_and_comes_back_at_once():
    explorer = opened()
    gallery = explorer.panels.gallery
    with GATE.closed(after=12) as (reached, opened_gate):  # in the midst of the weights
        explorer.layer = "third"
        assert reached.wait(WAIT)
        sent = gallery.shows
        explorer.layer = "first"
        assert gallery.shows == sent + 1
        drawn, sprite = gallery.drawn, gallery.sprite
        opened_gate.set()
        explorer.session.settle(WAIT)
    assert (gallery.drawn, gallery.sprite) == (drawn, sprite)
    explorer.layer = "third"
    explorer.session.settle(WAIT)
    assert sorted(gallery.drawn) == list(range(8))
    explorer.layer = "first"
    explorer.layer = "third"
    assert sorted(gallery.drawn) == list(range(8)), "at once"


def test_every_class_that_is_shown_gets_its_own_picture():
    explorer = opened()
    explorer.compute()
    explorer.wait(WAIT)
    for filter in (0, 4):
        explorer.filter = filter
        explorer.session.settle(WAIT)
        classes = explorer.panels.classes
        rows = [row for block in classes.content["blocks"] for row in block["rows"]]
        assert classes.content["faced"]
        assert classes.faces["filter"] == filter
        assert sorted(classes.faces["of"]) == sorted(str(row["number"]) for row in rows)
        for number, face in choose_faces(explorer.table, filter, range(5)).items():
            assert classes.faces["of"][str(number)]["words"] == face.words
    explorer.filter = 0
    assert classes.faces["filter"] == 0
    assert len(classes.faces["of"]) == 5, "at once"


def test_a_class_opens_to_the_images_that_changed():
    explorer = opened()
    explorer.compute()
    explorer.wait(WAIT)
    table, classes = explorer.table, explorer.panels.classes
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    explorer.filter = filter
    explorer.listener.hear({"open": number})
    assert classes.opened == number
    explorer.session.settle(WAIT)
    assert (classes.changed["filter"], classes.changed["number"]) == (filter, number)
    shown = {item["image"] for item in classes.changed["items"]}
    assert shown <= set(table.flips(filter, number)["image"])
    assert shown
    explorer.filter = (filter + 1) % 6
    explorer.session.settle(WAIT)
    assert classes.changed["filter"] == explorer.filter
    explorer.listener.hear({"open": -1})
    assert classes.opened == -1
