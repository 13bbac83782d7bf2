"""A long run does not lose work, and never resumes another one."""

import json

import pytest
import torch
from small import Residual, random_images
from woken import wake

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
