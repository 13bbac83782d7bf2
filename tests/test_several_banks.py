"""Several banks in one call find what single calls find, bit for bit, however they run."""

import dataclasses
import functools
import gc
import pickle
import warnings
import weakref
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from support.small import Fork, Pooled, Residual, Stubborn, Twice, planted, random_images
from support.woken import family, wake
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import carviz
from carviz.ablation import Work, pool
from carviz.banks import open_network
from carviz.car import measure_together, prepare_banks
from carviz.results import CarTables
from carviz.session.bank_tables import read_tables

IMAGES, LABELS = random_images(150, classes=5)
MEMORY = 2**26
"""Batches follow from it; else from what is free at the moment."""


class Branches(nn.Module):
    """Two branches and the image itself come to one sum, a bank of its own."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.large = nn.Conv2d(4, 4, 3, padding=1)
        self.small = nn.Conv2d(4, 4, 1)
        self.one = nn.Conv2d(4, 1, 3)
        self.wide = nn.Conv2d(1, 6, 3)
        self.last = nn.Linear(6, classes)

    def forward(self, images):
        images.sub_(0.1)
        maps = torch.relu(self.stem(images))
        maps = torch.relu(self.large(maps) + self.small(maps))
        return self.last(torch.relu(self.wide(torch.relu(self.one(maps)))).mean((2, 3)))


class Probabilities(Fork):
    """Its last step is a softmax."""

    def forward(self, images):
        return super().forward(images).softmax(1)


NETWORKS = [Residual, Stubborn, Twice, Fork, Pooled, Branches, Probabilities]


def woken(network):
    return wake(network(), IMAGES[:24].clone(), seed=1)  # `Branches` writes into its images


def measure(model, layers, data=(IMAGES, LABELS), progress=False, **options):
    run = carviz.Run(memory=MEMORY, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of remarks, which other tests look at
        return carviz.measure_car(model, data, layers, progress=progress, run=run)


def one_by_one(model, data=(IMAGES, LABELS), **options):
    frame = carviz.list_banks(model)
    return {name: measure(model, name, data, **options) for name in frame.layer[~frame.gate]}


@functools.cache
def alone(make):
    """Return what single calls find of the network that `make` makes: measured once for all."""
    return one_by_one(pool_model() if make is pool_model else woken(make))


@pytest.mark.parametrize("network", NETWORKS)
def test_they_find_what_single_calls_find(network):
    model, expected = woken(network), alone(network)
    found = measure(model, None)
    assert isinstance(found, CarTables)
    assert list(found) == list(expected)
    assert len(found) > 1 or network is Stubborn
    for name, table in found.items():
        assert table == expected[name], name
        assert table.passport["audit"]["pairs"] == expected[name].passport["audit"]["pairs"] > 0
    assert any((t.predictions != t.baseline).any() for t in found.values()), "nothing moves"
    assert " + " in "".join(found) or network is not Branches


@pytest.mark.slow
def test_a_large_network_with_gates_shares_what_it_has_folded():
    model, images, labels = family("mobilenet_v3_small")
    data = images[:4], labels[:4]
    layers = ["features.0.0", "features.1.block.0.0", "features.12.0"]
    expected = {name: measure(model, name, data) for name in layers}
    assert dict(measure(model, layers, data)) == expected
    banks = prepare_banks(model, data, layers)
    folded = [
        {p.data_ptr() for part in (b.plan.cut_head, b.plan.cut_tail) for p in part.parameters()}
        for b in banks
    ]
    assert len(folded[1] - folded[0]) < len(folded[0]) / 10


def test_gates_are_left_out_unless_they_are_named():
    model, images, labels = family("mobilenet_v3_small")
    frame = carviz.list_banks(model)
    gate = frame.layer[frame.gate].iloc[0]
    found = prepare_banks(model, (images[:2], labels[:2]), [gate, "features.0.0"])
    assert [bank.layer for bank in found] == [gate, "features.0.0"]


def test_all_banks_are_measured_on_a_chunk_before_the_next_is_read():
    model, read, held = woken(Residual), [], []

    class Told(TensorDataset):
        def __getitem__(self, i):
            read.append(i)
            return super().__getitem__(i)

    tables = carviz.iter_car(model, Told(IMAGES, LABELS), None, progress=held.append)
    read.clear()
    seen = []
    for found in tables:
        assert {len(table.images) for table in found.values()} == {len(found["first"].images)}
        seen.append(len(found["first"].images))
        assert sorted(read) == sorted(found["first"].images.tolist())  # each image once
        assert found.complete is (seen[-1] == 150)
    assert seen == [32, 96, 150]
    assert held == sorted(held)
    assert (held[0], held[-1]) == (0.0, 1.0)
    assert {6 * 32 / 3000, 12 * 32 / 3000} <= set(held)  # between the banks as well


def test_what_progress_raises_ends_it_also_while_banks_are_prepared():
    for after in (1, 40):
        calls = []

        def told(share, calls=calls, after=after):
            calls.append(share)
            if len(calls) > after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            carviz.measure_car(woken(Residual), (IMAGES, LABELS), None, progress=told)
        assert len(calls) == after + 1


def test_closing_the_iterator_cancels_and_what_it_held_goes():
    tables = carviz.iter_car(woken(Residual), (IMAGES, LABELS), None, progress=False)
    first = next(tables)
    held = weakref.ref(tables.gi_frame.f_locals["banks"][0])
    tables.close()
    del tables
    gc.collect()
    assert held() is None
    assert len(first["third"].images) == 32


@pytest.mark.slow
def test_maps_of_one_bank_are_held_at_a_time(monkeypatch):
    monkeypatch.setattr("carviz.ablation.heads.FEW", 256)  # in parts it is copies that are held
    alive, most = set(), []
    model = woken(Residual)
    banks = prepare_banks(model, (IMAGES, LABELS), None)
    for bank in banks:
        head = bank.plan.head

        def watched(images, head=head, name=bank.layer):
            values = head(images)
            alive.add(name)
            weakref.finalize(values[0], alive.discard, name)
            most.append(len(alive))
            return values

        monkeypatch.setattr(bank.plan, "head", watched)
    for _ in measure_together(banks):
        gc.collect()
    assert most == [1] * len(banks) * 3


def test_images_are_moved_once_for_all_banks(monkeypatch):
    """On a GPU; here a device stands in for one whose name is not the CPU's."""
    moves, here = [], Work.run

    def moved(_work, chunk):
        moves.append(chunk.place)
        return dataclasses.replace(chunk, images=chunk.images.clone())

    monkeypatch.setattr(Work, "moved", moved)
    run = []

    def ran(work, chunk, tick=None):
        run.append((chunk.place, id(chunk.images)))
        return here(work, chunk, tick)

    monkeypatch.setattr(Work, "run", ran)
    model = woken(Residual)
    found = measure(model, None)
    assert moves == [0, 1, 2]
    assert len(run) == 3 * len(found)
    assert len(set(run)) == 3


# -- kept parts, workers, samplers


def test_one_folder_resumes_the_whole(tmp_path):
    model, expected = woken(Branches), alone(Branches)

    def stop(share):
        if share > 0.5:  # in the middle of a chunk: some banks have it, others do not
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(model, None, progress=stop, checkpoint=tmp_path)
    kept = {folder.name: len(list(folder.glob("chunk-*"))) for folder in tmp_path.iterdir()}
    assert set(kept.values()) == {1, 2}
    run = carviz.Run(memory=MEMORY, checkpoint=tmp_path)
    banks = prepare_banks(model, (IMAGES, LABELS), None, run=run)
    seen = [{len(table.images) for table in found} for found in measure_together(banks)]
    assert seen == [{32}, {96}, {150}]
    again = measure(model, None, checkpoint=tmp_path)
    assert dict(again) == expected
    # A bank's folder is that of its single call.
    assert measure(model, "stem", checkpoint=tmp_path) == expected["stem"]


def test_banks_that_single_calls_have_measured_are_not_measured_again(tmp_path, monkeypatch):
    model, expected = woken(Residual), alone(Residual)
    measure(model, "second", checkpoint=tmp_path)
    plans, here = [], Work.run

    def ran(work, chunk, tick=None):
        plans.append(work.plan)
        return here(work, chunk, tick)

    monkeypatch.setattr(Work, "run", ran)
    assert dict(measure(model, None, checkpoint=tmp_path)) == expected
    assert len(plans) == 3 * (len(expected) - 1)


def test_other_labels_are_refused_in_any_bank(tmp_path):
    model = woken(Residual)
    measure(model, "second", checkpoint=tmp_path)
    banks = prepare_banks(
        model, (IMAGES, LABELS), None, run=carviz.Run(memory=MEMORY, checkpoint=tmp_path)
    )
    for bank in banks:
        bank.images._pair = IMAGES, (LABELS + 1) % 5
    with pytest.raises(ValueError, match=r"labels that it began with; those in .* are others"):
        list(measure_together(banks))


def pool_model():
    torch.manual_seed(0)
    return wake(
        nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3),
            nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.Linear(27, 5),
        ),
        IMAGES[:24],
    )  # fmt: skip


class Wire(Executor):
    """A worker behind a wire, which is sent pickles, and may have started anew for each chunk."""

    _max_workers = 2

    def __init__(self, forgets):
        self.forgets, self.plans = forgets, 0

    def submit(self, function, name, parcel, chunk):
        if self.forgets:
            pool._kept.clear()
        self.plans += parcel is not None
        sent = pickle.loads(pickle.dumps((function, name, parcel, chunk)))
        future = Future()
        future.set_result(sent[0](*sent[1:]))
        return future


class Reversed(Executor):
    """Finishes what it is given, three chunks at a time, in the opposite order."""

    _max_workers = 3

    def __init__(self):
        self.waiting = []

    def submit(self, function, *arguments):
        future = Future()
        self.waiting.append((future, function, arguments))
        if len(self.waiting) == 3:
            for waiting, f, a in reversed(self.waiting):
                waiting.set_result(f(*a))
            self.waiting.clear()
        return future


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(3), lambda: Wire(True)])
def test_workers_find_the_same(make):
    model, expected = pool_model(), alone(pool_model)
    with make() as executor:
        assert dict(measure(model, None, executor=executor)) == expected


def test_a_worker_is_sent_the_plans_of_all_banks_once():
    executor = Wire(False)
    model = pool_model()
    assert dict(measure(model, None, executor=executor)) == alone(pool_model)
    assert executor.plans == 2  # one for each that may be there
    assert not pool._kept


def test_plans_are_packed_together_with_what_they_share():
    model = wake(nn.Sequential(
        nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3),
        nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 5),
    ), IMAGES[:24])  # fmt: skip
    works = [bank.work() for bank in prepare_banks(model, (IMAGES, LABELS), None)]
    alone = [len(pickle.dumps(pool.Parcel((work,)))) for work in works]
    assert len(works) == 4
    assert len(pickle.dumps(pool.Parcel(tuple(works)))) < 0.75 * sum(alone)


@pytest.mark.slow
def test_processes_find_the_same(tmp_path):
    model, expected = pool_model(), alone(pool_model)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        found = measure(model, None, executor=executor, checkpoint=tmp_path)
    for name, table in found.items():
        np.testing.assert_array_equal(table.predictions, expected[name].predictions)
        np.testing.assert_allclose(table.log_prob_drop, expected[name].log_prob_drop, atol=1e-6)


def test_chunks_of_banks_may_come_in_any_order():
    model = pool_model()
    run = carviz.Run(memory=MEMORY, executor=Reversed())
    seen = []
    for found in carviz.iter_car(model, (IMAGES, LABELS), None, progress=seen.append, run=run):
        assert len({len(table.images) for table in found.values()}) == 1
    assert dict(found) == alone(pool_model)
    assert seen == sorted(seen)


def test_a_samplers_images_are_measured():
    model = woken(Residual)
    sampler = list(range(0, 150, 2))
    loader = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=16, sampler=sampler)
    found = measure(model, None, loader)
    assert dict(found) == one_by_one(model, loader)
    assert next(iter(found.values())).total == 75


def test_low_precision_is_audited_in_each_bank():
    model = woken(Residual)
    expected, found = measure(model, None), measure(model, None, precision="bf16")
    for name, table in found.items():
        np.testing.assert_array_equal(table.predictions, expected[name].predictions)
    told = [table.passport["precision_audit"] for table in found.values()]
    assert all(audit["pairs_run_again"] > 0 for audit in told)
    assert len({audit["threshold"] for audit in told}) == len(told)


def test_an_image_that_breaks_a_bank_is_told_with_the_bank():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(2, 2),
    )  # fmt: skip
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 1.0]).view(2, 1, 1, 1))
        # Two large numbers cancel, as long as both are there.
        model[2].weight.copy_(torch.tensor([[1.0, -0.9], [1.0, -0.9]]).view(2, 2, 1, 1))
    images = torch.ones(40, 1, 1, 1)
    images[7] = 3e38
    with torch.no_grad():
        model[5].weight.copy_(torch.tensor([[3.0, -1.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"^Bank '0': Logits .* image 7 .* without filter 1"):
        carviz.measure_car(model, (images, torch.arange(40) % 2), None, progress=False)


def test_the_explorer_opens_the_folder(tmp_path):
    model = woken(Branches)
    tables = measure(model, None)
    assert CarTables.load(tables.save(tmp_path)) == tables
    cars, kinds = read_tables(tmp_path, open_network(model))
    assert {table.layer: table for table in cars} == tables
    assert kinds == []


# -- what may be asked for


def test_banks_are_named_by_a_list_of_names_or_modules():
    model = woken(Residual)
    found = measure(model, (model.third, "first"))
    assert list(found) == ["third", "first"]
    assert list(measure(model, ["first"])) == ["first"]
    assert measure(model, "first") == found["first"]


@pytest.mark.parametrize(
    ("layers", "options", "words"),
    [
        ([], {}, "found an empty list"),
        (["first", "first"], {}, "Each bank is measured once; found 'first' more than once"),
        (["first", "fist"], {}, "there is no 'fist'. Nearest: 'first'"),
        (["first", "last"], {}, "'last' is a Linear"),
        (None, {"filters": [0]}, "filters are numbers in one bank; found 3 banks"),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(layers, options, words):
    with pytest.raises(ValueError, match=words):
        carviz.iter_car(woken(Residual), (IMAGES, LABELS), layers, progress=False, **options)


def test_a_network_without_banks_is_told():
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 5))
    with pytest.raises(ValueError, match="no convolution that its forward pass uses"):
        carviz.measure_car(model, (IMAGES, LABELS), None, progress=False)


def test_convolutions_that_are_never_called_are_left_out_unless_they_are_named():
    class Unused(Stubborn):
        def __init__(self):
            super().__init__()
            self.more = nn.Conv2d(6, 4, 1)

    model, data = wake(Unused(), IMAGES[:24]), (IMAGES[:40], LABELS[:40])
    with pytest.warns(UserWarning) as told:  # noqa: PT030 - two of them
        found = carviz.measure_car(model, data, None, progress=False)
    assert list(found) == ["conv"]
    assert "left out, since the forward pass never calls them: 'more'" in str(told[0].message)
    with pytest.raises(ValueError, match="'more' is in the model, but never called"):
        carviz.measure_car(model, data, ["conv", "more"], progress=False)


def test_a_remark_on_the_network_is_told_once():
    class Two(Stubborn):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 1)

        def forward(self, images):
            return super().forward(self.stem(images))

    model = wake(Two(), IMAGES[:24])
    with pytest.warns(UserWarning, match="whole network runs once per filter") as told:
        found = carviz.measure_car(model, (IMAGES[:40], LABELS[:40]), None, progress=False)
    assert len(found) == 2
    assert len(told) == 1


def test_remarks_on_many_banks_are_one_warning():
    with pytest.warns(UserWarning, match="is a branch of the sum") as told:
        carviz.measure_car(woken(Branches), (IMAGES[:40], LABELS[:40]), None, progress=False)
    assert len(told) == 1
    assert "'large' is a branch" in str(told[0].message)
    assert "'small' is a branch" in str(told[0].message)


def test_the_model_is_not_touched():
    model, data = planted()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    carviz.measure_car(model, data, None, progress=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
