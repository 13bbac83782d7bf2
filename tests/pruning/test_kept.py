"""A long pruning does not lose work, and never goes on with another one."""

import numpy as np
import pytest
import torch
from support.small import Residual, random_images
from support.woken import wake

import carviz
from carviz.pruning import CRITERIA, prepare_pruning, prune_filters
from carviz.pruning.kept import Kept, Step
from carviz.pruning.search import NO_MEMORY
from carviz.pruning.state import PruningState

IMAGES, LABELS = random_images(60)


def model():
    return wake(Residual(), IMAGES)


def prune(folder, network=None, data=(IMAGES, LABELS), layer=("first", "third"), **options):
    return prune_filters(
        network or model(), data, list(layer), progress=False,
        run=carviz.Run(checkpoint=folder), **options,
    )  # fmt: skip


class Computed:
    """Counts the pairs that are run."""

    def __init__(self, monkeypatch):
        self.pairs = 0
        original = PruningState.without

        def counted(state, bank, filters, *args, **options):
            self.pairs += len(filters)
            return original(state, bank, filters, *args, **options)

        monkeypatch.setattr(PruningState, "without", counted)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_longer_path_goes_on_from_a_shorter_one(tmp_path, criterion, monkeypatch):
    whole = prune(tmp_path / "whole", criterion=criterion)
    short = prune(tmp_path / "part", criterion=criterion, count=5)
    assert short == whole.prefix(5)
    computed = Computed(monkeypatch)
    assert prune(tmp_path / "part", criterion=criterion) == whole
    if criterion == "car":
        assert computed.pairs == whole.evaluated[5:].sum()
    computed.pairs = 0
    assert prune(tmp_path / "part", criterion=criterion) == whole
    assert prune(tmp_path / "part", criterion=criterion, count=3) == whole.prefix(3)
    assert computed.pairs == 0


def test_an_interrupted_pruning_goes_on_where_it_was(tmp_path):
    whole = prune(tmp_path / "whole")
    told = []

    def progress(share):
        told.append(share)
        if share > 0.6:
            raise KeyboardInterrupt

    run = carviz.Run(checkpoint=tmp_path / "part")
    with pytest.raises(KeyboardInterrupt):
        prune_filters(model(), (IMAGES, LABELS), ["first", "third"], progress=progress, run=run)
    kept = list((tmp_path / "part").rglob("step-*.npz"))
    assert 0 < len(kept) < len(whole)
    assert not list((tmp_path / "part").rglob(".*"))
    assert prune(tmp_path / "part") == whole


def test_closing_the_iterator_keeps_finished_steps(tmp_path):
    run = carviz.Run(checkpoint=tmp_path)
    paths = prepare_pruning(model(), (IMAGES, LABELS), "first", run=run).paths()
    for _ in range(3):
        next(paths)
    paths.close()
    assert len(list(tmp_path.rglob("step-*.npz"))) == 2


def test_a_resumed_search_runs_what_the_whole_one_runs(tmp_path):
    """Many images, of which few are lost: here the search's memory decides what is run."""
    images, labels = random_images(400)
    network = wake(Residual(), images)
    labels = network(images).argmax(1)
    labels[::9] = (labels[::9] + 1) % 5
    run = carviz.Run(batch_size=16)
    whole = prune_filters(network, (images, labels), ["first", "third"], progress=False, run=run)
    run = carviz.Run(batch_size=16, checkpoint=tmp_path)
    for count in (2, 5, 9, 14):
        path = prune_filters(
            network, (images, labels), ["first", "third"], count=count, progress=False, run=run
        )
        assert path.evaluated.tolist() == whole.evaluated[:count].tolist()
        assert path == whole.prefix(count)


def taken(filter):
    return Step(
        np.asarray(0), np.asarray(filter), np.zeros(4, np.int32), np.zeros(4, np.float32),
        *NO_MEMORY, np.asarray(False), np.asarray(0), np.asarray(0),
    )  # fmt: skip


def test_a_step_goes_on_only_after_the_steps_that_it_followed(tmp_path):
    def kept():
        return Kept(carviz.Run(checkpoint=tmp_path), "car", ["first"], {"model": "abc"})

    first = kept()
    for place, filter in enumerate([2, 0, 1]):
        first.save(taken(filter), place)
    again = kept()
    assert [int(again.step(place).filter) for place in range(3)] == [2, 0, 1]
    assert again.step(3) is None
    other = kept()
    other.step(0)
    other.save(taken(3), 1)  # as a tie may go, where the second step was damaged
    mixed = kept()
    assert [int(mixed.step(place).filter) for place in range(2)] == [2, 3]
    assert mixed.step(2) is None  # it followed filter 0


def test_a_damaged_step_is_computed_again(tmp_path):
    whole = prune(tmp_path)
    next(tmp_path.rglob("step-000004.npz")).write_bytes(b"PK half")
    assert prune(tmp_path) == whole


@pytest.mark.parametrize(("change", "named"), [("weights", "model was"), ("labels", "data was")])
@pytest.mark.parametrize("criterion", ["car", "l1"])
def test_another_pruning_is_refused_by_name(tmp_path, change, named, criterion):
    prune(tmp_path, count=2, criterion=criterion)
    network, labels, run = model(), LABELS.clone(), carviz.Run(checkpoint=tmp_path)
    if change == "weights":
        with torch.no_grad():
            network.last.bias[0] += 1
    else:
        labels[7] = (labels[7] + 1) % 5
    with pytest.raises(ValueError, match=named):
        prune_filters(
            network, (IMAGES, labels), ["first", "third"], criterion=criterion, progress=False,
            run=run,
        )  # fmt: skip


def test_another_precision_goes_on_with_it_since_pruning_decides_in_float32(tmp_path):
    whole = prune(tmp_path)
    with pytest.warns(UserWarning, match="decides in float32"):
        path = prune_filters(
            model(), (IMAGES, LABELS), ["first", "third"], progress=False,
            run=carviz.Run(checkpoint=tmp_path, precision="bf16"),
        )  # fmt: skip
    np.testing.assert_array_equal(path.order, whole.order)
    np.testing.assert_array_equal(path.predictions, whole.predictions)


@pytest.mark.parametrize("count", [2, 4])
def test_labels_that_are_known_by_reading_only_are_compared_as_well(tmp_path, count):
    data = [(x, int(y)) for x, y in zip(IMAGES, LABELS, strict=True)]
    prune(tmp_path, data=data, count=2)
    assert 29 not in np.linspace(0, 59, 16).astype(int)  # what enters the fingerprint
    data[29] = (IMAGES[29], 1 - min(1, data[29][1]))
    with pytest.raises(ValueError, match=r"labels that it began with; those in .* are others"):
        prune(tmp_path, data=data, count=count)


def test_criteria_and_banks_share_a_folder(tmp_path):
    for criterion in ("car", "car-once", "l1"):
        prune(tmp_path, criterion=criterion, count=1)
    prune(tmp_path, layer=["first"], count=1)
    assert len(list(tmp_path.rglob("step-000000.npz"))) == 4


def test_parts_are_called_as_they_were_so_that_what_is_on_disk_goes_on(tmp_path):
    prune(tmp_path, criterion="l1", count=1)
    names = {file.name for file in tmp_path.rglob("*.npz")}
    assert names == {f"{part}-000000.npz" for part in ("whole", "ranking", "step")}
