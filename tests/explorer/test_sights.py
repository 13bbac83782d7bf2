"""Pictures of what filters see: made in the background, in which order, by whom, and kept."""

import base64
import io
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from support.gated import GATE, data, network

import carviz
from carviz.explorer import explore
from carviz.explorer.panels import filter_panel
from carviz.pictures import effective_weights, excite, top_patches, weight_pictures
from carviz.pictures.pulling import _Puller
from carviz.results import SelectivityTable
from carviz.session.seeing.kept import Demand, Seen, is_looked_at, still_wanted
from carviz.siblings import measure_siblings

WAIT = 30


def eventually(true):
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def rest(explorer):
    """Wait until nothing is made any more."""
    eventually(lambda: explorer._screen.sights._thread is None)


def decode(src):
    png = base64.b64decode(src.split(",")[1]) if isinstance(src, str) else src
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255


def tiles(gallery):
    """Return the pictures that the browser was last sent, by filter."""
    sheet, w, h = decode(gallery.sprite), gallery.tile_width, gallery.tile_height
    places = (divmod(i, gallery.columns) for i in range(len(gallery.drawn)))
    cut = [sheet[y * h : (y + 1) * h, x * w : (x + 1) * w] for y, x in places]
    return dict(zip(gallery.drawn, cut, strict=True))


def look(explorer, name):
    explorer.listener.hear({"look": name})


def open_siblings(explorer, opened=True):
    explorer.listener.hear({"open": opened})


class Own(torch.utils.data.Dataset):
    """A user's own data: notes down who reads it, and whether two do at a time."""

    def __init__(self) -> None:
        self.images, labels = data()
        self.targets = labels.tolist()
        self.readers: list[str] = []
        self.inside: list[str] = []
        self.together: set[frozenset[str]] = set()
        self.broken: set[int] = set()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index):
        name = threading.current_thread().name
        self.readers.append(name)
        self.together.update(frozenset({name, other}) for other in self.inside)
        self.inside.append(name)
        time.sleep(0.0005)
        self.inside.remove(name)
        if index in self.broken:
            raise OSError("gone")
        return self.images[index], self.targets[index]


def demand(**changes):
    return Demand(
        **{"layer": "x", "filter": 1, "deep": True, "order": (0, 1, 2), **changes}  # type: ignore[arg-type]
    )


def test_what_is_looked_at_goes_first():
    seen, beside = Seen(), [("sheet", 1), ("synthesised", 1)]
    assert still_wanted(seen, demand()) == [
        ("exciting", -1), ("weights", 1), ("all weights", -1), ("kinds", -1), *beside
    ]  # fmt: skip
    assert still_wanted(seen, demand(deep=False, siblings=True, large="synthesised")) == [
        ("synthesised", 1), ("siblings", -1), ("exciting", -1), ("sheet", 1)
    ]  # fmt: skip
    assert still_wanted(seen, demand(deep=False, gallery="patches", large="patches")) == [
        ("exciting", -1), ("sheet", 1), ("all patches", -1), ("synthesised", 1)
    ]  # fmt: skip
    assert still_wanted(seen, demand(gallery="patches"), told_apart=True) == [
        ("exciting", -1), ("weights", 1), ("all patches", -1), *beside
    ]  # fmt: skip
    assert still_wanted(seen, demand(gallery="patches"))[2:5] == [
        ("all patches", -1), ("all weights", -1), ("kinds", -1)
    ], "the filters are told apart by all weights, also where none are looked at"  # fmt: skip
    seen.failed[("all weights", -1)] = "gone"
    assert still_wanted(seen, demand()) == [("exciting", -1), ("weights", 1), *beside]
    seen.failed[("exciting", -1)] = "gone"
    assert still_wanted(seen, demand(large="synthesised")) == [("synthesised", 1)]


def test_what_only_stands_beside_comes_last_and_is_not_looked_at():
    seen = Seen()
    shallow = demand(deep=False)
    assert still_wanted(seen, shallow) == [("exciting", -1), ("sheet", 1), ("synthesised", 1)]
    assert not any(is_looked_at(piece, seen, shallow) for piece in still_wanted(seen, shallow))
    opened = demand(deep=False, large="patches")
    assert is_looked_at(("exciting", -1), seen, opened)
    assert is_looked_at(("sheet", 1), seen, opened)
    assert not is_looked_at(("synthesised", 1), seen, opened)


def test_a_deep_bank_fills_by_itself_with_effective_weights():
    explorer = explore(network(), data(), layer="second")
    gallery = explorer.panels.gallery
    assert gallery.pictured
    rest(explorer)
    expected = weight_pictures(effective_weights(network(), data(), "second").weights)
    found = tiles(gallery)
    assert sorted(found) == [0, 1, 2, 3], "at the end all are there for who looks then"
    for filter, picture in enumerate(expected):
        assert np.abs(found[filter] - picture).max() < 0.003
    content = explorer.panels.sight.content
    assert np.abs(decode(content["src"]) - expected[0]).max() < 0.003
    assert content["coarse"]
    explorer.filter = 3
    assert np.abs(decode(explorer.panels.sight.content["src"]) - expected[3]).max() < 0.003


def test_a_deep_bank_is_told_apart_by_both_readings():
    explorer = explore(network(), data(), layer="second")
    rest(explorer)
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


@pytest.mark.parametrize("gallery", ["weights", "synthesised"])
def test_each_filter_of_a_deep_bank_is_pulled_back_once(monkeypatch, gallery):
    pulled: list[int] = []
    pull = _Puller.weights
    monkeypatch.setattr(
        _Puller, "weights", lambda self, filters: pulled.extend(filters) or pull(self, filters)
    )
    explorer = explore(network(), data(), layer="first")
    explorer.panels.show.value = gallery
    explorer.layer = "third"
    rest(explorer)
    assert sorted(pulled) == list(range(8))
    kinds = explorer._findings.kinds["third"]
    expected = carviz.measure_selectivity(network(), "third", data=data())
    assert (kinds.reading, kinds.passport) == (expected.reading, expected.passport)
    for name in ("energy", "color_index", "activation_index"):
        # Pulled back in other company, the last digits are others.
        assert np.allclose(getattr(kinds, name), getattr(expected, name), rtol=1e-5)
    assert np.array_equal(kinds.kind, expected.kind)


def test_the_panel_says_that_the_two_disagree():
    table = SelectivityTable(
        "x", 0.5, np.array([0.8, 0.2]), np.array(["color", "shape"]), np.ones(2),
        np.array([0.1, 0.3]),
    )  # fmt: skip
    assert "disagree" in filter_panel("x", 0, 2, table, None)
    assert "disagree" not in filter_panel("x", 1, 2, table, None)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_patches_of_the_chosen_filter(layer):
    explorer = explore(network(), data(), layer=layer)
    explorer.filter = 2
    look(explorer, "patches")
    rest(explorer)
    expected = top_patches(network(), data(), layer, 2, normalize=None)
    items = explorer.panels.sight.content["items"]
    assert len(items) == 9
    for item, picture, label, response in zip(
        items, expected.pictures, expected.labels, expected.responses, strict=True
    ):
        assert np.abs(decode(item["src"]) - picture).max() < 0.003
        assert f"class {label}, response {response:.2f}" in item["words"]


def test_a_synthesised_picture_becomes_better_and_is_kept():
    explorer = explore(network(), data(), layer="first")
    explorer.filter = 4
    shown = []
    explorer.panels.sight.observe(lambda change: shown.append(change["new"]["src"]), "content")
    look(explorer, "synthesised")
    assert explorer.panels.sight.content["words"].startswith("Comes")
    rest(explorer)
    assert len({src for src in shown if src}) > 2
    expected = excite(network(), "first", 4, data=data())
    assert np.abs(decode(shown[-1]) - expected).max() < 0.003
    explorer.filter = 0
    rest(explorer)
    before = explorer.results().seen.synthesised[4]
    explorer.filter = 4
    assert explorer._screen.sights._thread is None
    assert explorer.results().seen.synthesised[4] is before


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_filter_s_three_pictures_stand_side_by_side(layer):
    explorer = explore(network(), data(), layer=layer)
    panel = explorer.panels.sight
    explorer.filter = 3
    rest(explorer)
    small = dict(panel.small)
    assert set(small) == {"weights", "patches", "synthesised"}
    for name in ("weights", "synthesised"):
        look(explorer, name)
        assert small[name]["src"] == panel.content["src"]
        assert small[name]["coarse"] == panel.content["coarse"]
    look(explorer, "patches")
    assert small["patches"]["src"] == panel.content["items"][0]["src"]
    assert explorer._screen.sights._thread is None, "all of them are kept"
    explorer.filter = 0
    rest(explorer)
    assert all(panel.small[name] != small[name] for name in small), "another filter's pictures"


def test_what_nobody_looks_at_fails_silently_and_is_told_on_its_tab():
    own = Own()
    explorer = explore(network(), own, layer="first")
    rest(explorer)
    status = explorer.status
    own.broken.update(range(1, len(own)))
    explorer.filter = 5
    rest(explorer)
    assert explorer.status == status
    assert set(explorer.panels.sight.small) == {"weights", "synthesised"}
    look(explorer, "patches")
    assert explorer.panels.sight.content["words"].startswith("No picture: ")
    assert explorer.status == status


@pytest.mark.parametrize("layer", ["first", "second"])
def test_siblings_come_when_they_are_asked_for(layer):
    explorer = explore(network(), data(), layer=layer)
    rest(explorer)
    panel = explorer.panels.siblings
    assert not panel.content["open"]
    assert explorer.results().seen.siblings is None
    open_siblings(explorer)
    rest(explorer)
    near = measure_siblings(network(), data(), layer, progress=False).nearest(0, 3, by="activation")
    assert [item["filter"] for item in panel.content["items"]] == near["filter"].tolist()
    said = [float(item["words"].replace("−", "-")) for item in panel.content["items"]]
    assert np.allclose(said, near["similarity"], atol=0.0051)
    assert all(item["src"] for item in panel.content["items"])
    panel._heard(None, {"choose": panel.content["items"][1]["filter"]}, [])
    assert explorer.filter == near["filter"][1]
    open_siblings(explorer, False)
    assert panel.content["items"] == []


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_gallery_can_show_any_of_the_pictures(layer):
    explorer = explore(network(), data(), layer=layer)
    gallery, count = explorer.panels.gallery, explorer._bank.filters
    rest(explorer)
    weights = tiles(gallery)
    explorer.panels.show.value = "patches"
    rest(explorer)
    expected = top_patches(network(), data(), layer, count=1).pictures[:, 0]
    found = tiles(gallery)
    assert sorted(found) == list(range(count))
    assert all(np.abs(found[i] - expected[i]).max() < 0.003 for i in range(count))
    explorer.panels.show.value = "synthesised"
    rest(explorer)
    expected = excite(network(), layer, data=data())
    found = tiles(gallery)
    assert sorted(found) == list(range(count))
    assert all(np.abs(found[i] - expected[i]).max() < 0.003 for i in range(count))
    explorer.panels.show.value = "weights"
    assert explorer._screen.sights._thread is None
    assert all(np.array_equal(tiles(gallery)[i], weights[i]) for i in range(count))


def test_what_was_made_is_not_made_again():
    own = Own()
    explorer = explore(network(), own, layer="second")
    look(explorer, "patches")
    open_siblings(explorer)
    rest(explorer)
    kept = dict(explorer.results().seen.weights)
    assert len(kept) == 4
    explorer.layer = "first"
    rest(explorer)
    own.readers.clear()
    explorer.layer = "second"
    assert sorted(explorer.panels.gallery.drawn) == [0, 1, 2, 3], "at once"
    assert len(explorer.panels.sight.content["items"]) == 9
    rest(explorer)
    assert own.readers == []
    assert all(explorer.results().seen.weights[i] is kept[i] for i in kept)


def test_another_bank_ends_what_is_under_way():
    explorer = explore(network(), data(), layer="first")
    with GATE.closed(after=8) as (reached, opened):  # in the midst of the weights
        explorer.layer = "third"
        assert reached.wait(WAIT)
        sent = explorer.panels.gallery.shows
        explorer.layer = "first"
        assert explorer.panels.gallery.shows == sent + 1
        drawn, sprite = explorer.panels.gallery.drawn, explorer.panels.gallery.sprite
        opened.set()
        rest(explorer)
    third = explorer._findings.seen["third"]
    assert len(third.weights) < 8
    assert not third.failed
    assert (explorer.panels.gallery.drawn, explorer.panels.gallery.sprite) == (drawn, sprite)
    explorer.layer = "third"
    rest(explorer)
    assert len(third.weights) == 8
    assert len(explorer._findings.kinds["third"].kind) == 8


def test_a_job_goes_before_pictures_and_they_go_on_after_it():
    explorer = explore(network(), data(), layer="first")
    with GATE.closed(after=8) as (reached, opened):
        explorer.layer = "third"
        assert reached.wait(WAIT)
        explorer.compute()
        made = len(explorer.results().seen.weights)
        opened.set()
        explorer.wait(WAIT)
    assert made < 8
    assert explorer.table.complete
    rest(explorer)
    assert len(explorer.results().seen.weights) == 8
    assert explorer._findings.kinds["third"].activation_index.shape == (8,)


def test_another_filter_is_served_before_the_bank_goes_on():
    explorer = explore(network(), data(), layer="first")
    sights = explorer._screen.sights
    with GATE.closed(after=7) as (reached, opened):
        explorer.layer = "third"
        assert reached.wait(WAIT)
        explorer.filter = 7
        opened.set()
        rest(explorer)
    assert list(sights.seen.weights).index(7) < 5


def test_what_fails_is_told_and_tried_again_when_the_bank_is_chosen_anew():
    own = Own()
    explorer = explore(network(), own, layer="first")
    own.broken.add(7)
    explorer.layer = "second"
    rest(explorer)
    eventually(lambda: "Pictures of second: ValueError" in explorer.status)
    assert "image 7" in explorer.status
    assert "Show the traceback" in explorer.panels.status.value
    assert "image 7" in explorer.panels.sight.content["words"]
    assert not explorer.busy
    own.broken.clear()
    explorer.layer = "first"
    explorer.layer = "second"
    rest(explorer)
    assert len(explorer.results().seen.weights) == 4
    assert "ValueError" not in explorer.status


def test_one_thread_at_a_time_reads_a_user_s_data():
    own = Own()
    explorer = explore(network(), own, layer="first")
    explorer.compute()
    explorer.wait(WAIT)
    explorer.layer = "second"
    own.readers.clear()
    explorer.compute()
    for filter, name in enumerate(("patches", "synthesised", "patches", "weights")):
        look(explorer, name)
        explorer.filter = filter
        explorer.listener.hear({"open": filter})
        time.sleep(0.05)
    explorer.wait(WAIT)
    for filter in (1, 2, 3):
        explorer.filter = filter
        time.sleep(0.02)
    rest(explorer)
    eventually(lambda: explorer._screen.faces._thread is None)
    assert {"carviz-explorer", "carviz-faces", "carviz-sights"} <= set(own.readers)
    # The images of an opened class are read at once, whether a job runs or not.
    assert own.together <= {frozenset({"MainThread", "carviz-explorer"})}


def test_other_data_has_its_own_pictures_and_the_former_ones_come_back():
    explorer = explore(network(), data(0), layer="second")
    rest(explorer)
    first = explorer.results().seen
    explorer.load(data=data(1))
    explorer.wait(WAIT)
    explorer.layer = "second"
    rest(explorer)
    other = explorer.results().seen
    assert other is not first
    assert len(other.weights) == len(first.weights) == 4
    assert not np.array_equal(other.weights[0], first.weights[0])


def test_a_retired_explorer_makes_nothing_more():
    explorer = explore(network(), data(), layer="first")
    with GATE.closed(after=6) as (reached, opened):
        explorer.layer = "third"
        assert reached.wait(WAIT)
        threading.Timer(0.1, opened.set).start()
        explorer.retire()
        assert explorer._screen.sights._thread is None
    assert len(explorer.results().seen.weights) < 8


def test_saved_tables_of_a_deep_bank_need_no_new_reading(tmp_path):
    carviz.measure_car(network(), data(), "second", progress=False).save(tmp_path / "a.npz")
    kinds = carviz.measure_selectivity(network(), "second", data=data(), threshold=0.1)
    kinds.save(tmp_path / "b.npz")
    explorer = explore(network(), data(), tables=tmp_path)
    assert explorer.layer == "second"
    rest(explorer)
    assert explorer._findings.kinds["second"].threshold == 0.1
    assert len(explorer.results().seen.weights) == 4
