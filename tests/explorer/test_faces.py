"""The small pictures beside the classes: which image, when it is read, and by whom."""

import base64
import io
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from support.gated import GATE, data, network
from support.results_examples import car_table

import carviz
from carviz.ablation import Run
from carviz.explorer import explore
from carviz.session.class_rows import class_content, classes_shown
from carviz.session.seeing.class_images import choose_faces

WAIT = 30


def eventually(true):
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def faces(explorer):
    return explorer.panels.classes.faces


def shown(explorer):
    return [str(number) for number in classes_shown(explorer.panels.classes.content)]


class Own(torch.utils.data.Dataset):
    """A user's own data, which notes down who reads it."""

    def __init__(self) -> None:
        self.images, labels = data()
        self.targets = labels.tolist()
        self.readers: list[str] = []
        self.broken: set[int] = set()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index):
        self.readers.append(threading.current_thread().name)
        if index in self.broken:
            raise OSError("gone")
        return self.images[index], self.targets[index]


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
    explorer = explore(network(), data())
    explorer.compute()
    explorer.wait(WAIT)
    for filter in (0, 4):
        explorer.filter = filter
        eventually(lambda f=filter: faces(explorer)["filter"] == f)
        eventually(lambda: sorted(faces(explorer)["of"]) == sorted(shown(explorer)))
        chosen = choose_faces(explorer.table, filter, map(int, shown(explorer)))
        images = data()[0]
        for number, face in chosen.items():
            found = faces(explorer)["of"][str(number)]
            assert found["words"] == face.words
            png = base64.b64decode(found["src"].split(",")[1])
            picture = np.asarray(Image.open(io.BytesIO(png))).transpose(2, 0, 1) / 255
            own = images[face.image].numpy()
            stretched = (own - own.min()) / (own.max() - own.min())
            assert np.abs(picture - stretched).max() < 0.003
    assert explorer.panels.classes.content["faced"]


def test_pictures_are_read_once():
    own = Own()
    explorer = explore(network(), own)
    explorer.compute()
    explorer.wait(WAIT)
    eventually(lambda: sorted(faces(explorer).get("of", {})) == sorted(shown(explorer)))
    explorer.filter = 3
    eventually(lambda: faces(explorer)["filter"] == 3 and len(faces(explorer)["of"]) == 5)
    # What filters see is made beside, and reads images as well.
    before = own.readers.count("carviz-faces")
    explorer.filter = 0
    assert faces(explorer)["filter"] == 0
    assert sorted(faces(explorer)["of"]) == sorted(shown(explorer)), "at once"
    assert own.readers.count("carviz-faces") == before


def test_a_user_s_data_is_read_by_one_thread_at_a_time():
    own = Own()
    explorer = explore(network(), own, run=Run(batch_size=4))
    explorer.compute()
    explorer.wait(WAIT)
    eventually(lambda: "carviz-faces" in own.readers)
    eventually(lambda: explorer._screen.faces._thread is None)
    explorer.layer = "second"
    own.readers.clear()
    with GATE.closed(after=50) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        explorer.filter = 2
        eventually(lambda: explorer.table is not None)
        time.sleep(0.1)
        assert "carviz-faces" not in own.readers
        opened.set()
        explorer.wait(WAIT)
    assert set(own.readers) <= {"carviz-explorer", "carviz-faces", "carviz-sights"}
    eventually(lambda: faces(explorer)["filter"] == 2 and len(faces(explorer)["of"]) == 5)


def test_the_kernel_s_thread_reads_nothing():
    own = Own()
    explorer = explore(network(), own)
    explorer.compute()
    explorer.wait(WAIT)
    own.readers.clear()
    for filter in (5, 4, 3):
        explorer.filter = filter
    eventually(lambda: faces(explorer)["filter"] == 3 and len(faces(explorer)["of"]) == 5)
    assert set(own.readers) <= {"carviz-faces", "carviz-sights"}


def test_what_cannot_be_read_is_left_out():
    own = Own()
    explorer = explore(network(), own)
    explorer.compute()
    explorer.wait(WAIT)
    eventually(lambda: len(faces(explorer).get("of", {})) == 5)
    seen = set(explorer._screen.faces._pictures)
    filter, number, image = next(
        (filter, number, face.image)
        for filter in range(1, 6)
        for number, face in choose_faces(explorer.table, filter, range(5)).items()
        if face.image not in seen
    )
    own.broken.add(image)
    explorer.filter = filter
    eventually(lambda: faces(explorer)["filter"] == filter and len(faces(explorer)["of"]) == 4)
    assert str(number) not in faces(explorer)["of"]


def test_tables_of_other_images_have_no_pictures_and_no_room_for_them(tmp_path):
    carviz.measure_car(network(), data(0), "first", progress=False).save(tmp_path / "t.npz")
    explorer = explore(network(), data(1), tables=tmp_path)
    assert not explorer.panels.classes.content["faced"]
    assert explorer._screen.faces._thread is None
    assert faces(explorer) == {}


def test_a_row_says_whether_pictures_come():
    assert not class_content(car_table(), 0)["faced"]
    assert class_content(car_table(), 0, faced=True)["faced"]


@pytest.mark.parametrize("layer", ["first", "second"])
def test_other_data_has_its_own_pictures(layer):
    explorer = explore(network(), data(0), layer=layer)
    explorer.compute()
    explorer.wait(WAIT)
    eventually(lambda: len(faces(explorer).get("of", {})) == 5)
    explorer.load(data=data(1))
    explorer.wait(WAIT)
    assert explorer._screen.faces._pictures == {}
    explorer.compute()
    explorer.wait(WAIT)
    eventually(lambda: len(faces(explorer)["of"]) == len(shown(explorer)))
