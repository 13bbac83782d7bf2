"""A long run does not lose work, and never resumes another one."""

import json
import os

import pytest
import torch
from support.small import Residual, random_images
from support.woken import wake

import carviz
from carviz.ablation import Checkpoint, Facts
from carviz.ablation import run as running

IMAGES, LABELS = random_images(300, classes=5)


def model():
    return wake(Residual(), random_images()[0])


def measure(folder, *, network=None, data=(IMAGES, LABELS), **options):
    return carviz.measure_car(
        network or model(), data, "first", progress=False,
        run=carviz.Run(checkpoint=folder), **options,
    )  # fmt: skip


def files(folder):
    return sorted(p.name for p in (folder / "first").iterdir())


class Counted:
    """Counts the chunks that really run, and stops before one of them."""

    def __init__(self, monkeypatch, stop_before=None):
        self.images = []
        original = running.run_chunk

        def counted(plan, images, *args, **options):
            if len(self.images) == stop_before:
                raise KeyboardInterrupt
            self.images.append(len(images))
            return original(plan, images, *args, **options)

        monkeypatch.setattr(running, "run_chunk", counted)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    expected = measure(tmp_path / "whole")
    with monkeypatch.context() as patch:
        Counted(patch, stop_before=2)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path / "part")
    assert files(tmp_path / "part") == ["chunk-000000.npz", "chunk-000001.npz", "measurement.json"]
    counted = Counted(monkeypatch)
    assert measure(tmp_path / "part") == expected
    assert counted.images == [128, 76]  # 32 and 64 were kept


def test_a_finished_run_computes_nothing(tmp_path, monkeypatch):
    expected = measure(tmp_path)
    counted = Counted(monkeypatch)
    tables = list(
        carviz.iter_car(
            model(), (IMAGES, LABELS), "first", progress=False,
            run=carviz.Run(checkpoint=tmp_path),
        )
    )  # fmt: skip
    assert counted.images == []
    assert tables == [expected]


def test_closing_the_iterator_keeps_finished_chunks(tmp_path):
    tables = carviz.iter_car(
        model(), (IMAGES, LABELS), "first", progress=False, run=carviz.Run(checkpoint=tmp_path)
    )
    next(tables)
    tables.close()
    assert files(tmp_path) == ["chunk-000000.npz", "measurement.json"]


def test_a_damaged_chunk_is_measured_again(tmp_path):
    expected = measure(tmp_path)
    (tmp_path / "first" / "chunk-000001.npz").write_bytes(b"PK half")
    assert measure(tmp_path) == expected


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"\x00" * 5000])
def test_a_chunk_of_anything_is_measured_again(tmp_path, content):
    expected = measure(tmp_path)
    path = tmp_path / "first" / "chunk-000001.npz"
    whole = path.read_bytes()
    for damaged in (content, whole[:-30], whole[: len(whole) // 2] + whole[len(whole) // 2 + 9 :]):
        path.write_bytes(damaged)
        assert measure(tmp_path) == expected
        assert path.read_bytes() == whole


def test_a_part_copied_to_another_place_is_measured_again(tmp_path, monkeypatch):
    images, labels = random_images(1100, classes=5)
    expected = measure(tmp_path, data=(images, labels))
    folder = tmp_path / "first"
    parts = sorted(folder.glob("chunk-*.npz"))
    sizes = [32, 64, 128, 256, 256, 256, 108]
    assert len(parts) == len(sizes)
    parts[4].write_bytes(parts[3].read_bytes())
    parts[6].write_bytes(parts[0].read_bytes())
    counted = Counted(monkeypatch)
    assert measure(tmp_path, data=(images, labels)) == expected
    assert counted.images == [256, 108]


def test_a_part_of_another_measurement_is_measured_again(tmp_path, monkeypatch):
    expected = measure(tmp_path / "mine")
    other = model()
    with torch.no_grad():
        other.last.bias[0] += 1
    measure(tmp_path / "other", network=other)
    for name in files(tmp_path / "mine")[:2]:
        (tmp_path / "mine" / "first" / name).write_bytes(
            (tmp_path / "other" / "first" / name).read_bytes()
        )
    counted = Counted(monkeypatch)
    assert measure(tmp_path / "mine") == expected
    assert counted.images == [32, 64]


class Unlabelled(torch.utils.data.Dataset):
    """Labels that nobody knows before an image is read."""

    def __init__(self, labels):
        self.told = labels

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, i):
        return IMAGES[i], int(self.told[i])


def test_labels_that_were_not_looked_at_are_compared_as_well(tmp_path):
    measure(tmp_path, data=Unlabelled(LABELS))
    labels = LABELS.clone()
    seen = torch.linspace(0, len(IMAGES) - 1, 16).int().tolist()
    changed = [i for i in range(len(IMAGES)) if i not in seen]
    labels[changed] = (labels[changed] + 1) % 5
    with pytest.raises(ValueError, match=r"labels that it began with; those in .* are others"):
        measure(tmp_path, data=Unlabelled(labels))


@pytest.mark.parametrize("number", [99, 299])
def test_the_labels_of_every_kept_part_are_compared_before_a_table_is_told(tmp_path, number):
    measure(tmp_path, data=Unlabelled(LABELS))
    labels = LABELS.clone()
    number -= number in torch.linspace(0, len(IMAGES) - 1, 16).int()
    labels[number] = (labels[number] + 1) % 5
    tables = carviz.iter_car(
        model(), Unlabelled(labels), "first", run=carviz.Run(checkpoint=tmp_path)
    )
    with pytest.raises(ValueError, match=r"labels that it began with"):
        next(tables)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_identity_is_told_and_its_parts_go_on(tmp_path, content, monkeypatch):
    expected = measure(tmp_path)
    path = tmp_path / "first" / "measurement.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"measurement\.json' says .* damaged .* Remove that file"):
        measure(tmp_path)
    assert path.read_bytes() == content
    path.unlink()
    counted = Counted(monkeypatch)
    assert measure(tmp_path) == expected
    assert counted.images == []


def test_what_a_killed_run_left_is_removed_once_nobody_writes_it(tmp_path):
    measure(tmp_path)
    old, new = (tmp_path / "first" / f".carviz-{name}" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    measure(tmp_path)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("weights", "model was"),
        ("images", "data was"),
        ("labels", "data was"),
        ("filters", "filters was"),
    ],
)
def test_another_measurement_is_refused_by_name(tmp_path, change, named):
    measure(tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "first").iterdir()}
    network, images, labels, options = model(), IMAGES.clone(), LABELS.clone(), {}
    if change == "weights":
        with torch.no_grad():
            network.last.bias[0] += 1
    elif change == "images":
        images += 1e-3
    elif change == "labels":
        labels[7] = (labels[7] + 1) % 5
    else:
        options = {"filters": [0, 1]}
    with pytest.raises(ValueError, match=named):
        measure(tmp_path, network=network, data=(images, labels), **options)
    assert {p.name: p.read_bytes() for p in (tmp_path / "first").iterdir()} == before


def test_banks_share_a_folder(tmp_path):
    run = carviz.Run(checkpoint=tmp_path)
    for layer in ("first", "third"):
        carviz.measure_car(model(), (IMAGES, LABELS), layer, progress=False, run=run)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "third"]


def test_the_folder_says_what_it_is_of(tmp_path):
    measure(tmp_path)
    identity = json.loads((tmp_path / "first" / "measurement.json").read_text())
    assert identity["filters"] == list(range(6))
    assert {"model", "data", "seed", "precision", "chunks"} <= set(identity)


@pytest.mark.parametrize(("kept", "told"), [({}, "none"), ({"definition": 1}, "1")])
def test_parts_of_another_definition_are_refused_by_name(tmp_path, kept, told):
    Checkpoint(tmp_path, "first", {"model": "a1", **kept}, Facts)
    with pytest.raises(ValueError, match=f"of another: definition was {told}, is 2. Take another"):
        Checkpoint(tmp_path, "first", {"model": "a1", "definition": 2}, Facts)
