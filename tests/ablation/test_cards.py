"""Workers take the cards in turn; plans that are put on another device share what they shared."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.small import Fork, random_images
from support.woken import wake

import carviz
from carviz.ablation import Work, cards, pool
from carviz.car import prepare_banks

IMAGES, LABELS = random_images(600, classes=5)
CPU = torch.device("cpu")


def measurements():
    return prepare_banks(wake(Fork(), IMAGES[:24]), (IMAGES, LABELS), None)


def weights(works):
    return [p for work in works for p in work.plan.cut_tail.parameters()]


def test_copies_share_what_the_works_shared():
    works = tuple(m.work() for m in measurements())
    copies = cards.put_on(works, CPU)
    found = [len({p.data_ptr() for p in weights(of)}) for of in (works, copies)]
    assert found[0] == found[1] < len(weights(works))
    assert not {p.data_ptr() for p in weights(works)} & {p.data_ptr() for p in weights(copies)}
    chunk = pool.Chunk(0, list(range(40)), IMAGES[:40], LABELS[:40])
    for work, copy in zip(works, copies, strict=True):
        np.testing.assert_array_equal(work.run(chunk).predictions, copy.run(chunk).predictions)


def test_workers_take_the_cards_in_turn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    barrier = threading.Barrier(4)

    def ask(_number):
        barrier.wait()
        return cards.card_of_worker().index

    with ThreadPoolExecutor(4) as executor:
        assert sorted(executor.map(ask, range(4))) == [0, 0, 1, 1]
    monkeypatch.setattr(cards, "_thread_number", lambda: 0)
    numbers = []
    for identity in ((), (1,), (2,), (3,), (3, 2)):
        process = type("Process", (), {"_identity": identity})()
        monkeypatch.setattr(cards.multiprocessing, "current_process", lambda p=process: p)
        numbers.append(cards.card_of_worker().index)
    assert numbers == [0, 0, 1, 0, 1]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert cards.card_of_worker() is None


@pytest.fixture
def two_cards(monkeypatch):
    """Cards that are named as a GPU's, and compute on the CPU; what is put on each is noted."""
    placed = []
    original, run = cards.put_on, Work.run

    def put_on(works, device):
        placed.append(device)
        return tuple(dataclasses.replace(w, device=device) for w in original(works, CPU))

    used = set()

    def run_there(work, chunk, tick=None):
        used.add(work.device)
        return run(dataclasses.replace(work, device=CPU), chunk, tick)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(pool, "put_on", put_on)
    monkeypatch.setattr(Work, "run", run_there)
    return placed, used


def test_every_worker_puts_the_plans_on_its_own_card(two_cards):
    placed, used = two_cards
    banks = measurements()
    works = [dataclasses.replace(m.work(), device=torch.device("cuda", 0)) for m in banks]
    chunks = [
        pool.Chunk(i, list(range(i * 50, i * 50 + 50)), IMAGES[i * 50 :][:50],
                   LABELS[i * 50 :][:50], bank=i % len(works))
        for i in range(12)
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as executor:
        done = pool.run_elsewhere(works, chunks, executor)
        found = {chunk.place: facts for chunk, facts in done}
    assert used == {torch.device("cuda", 0), torch.device("cuda", 1)}
    assert placed == [torch.device("cuda", 1)]  # once, for all chunks and banks
    for chunk in chunks:
        expected = banks[chunk.bank].work().run(chunk)
        np.testing.assert_array_equal(found[chunk.place].predictions, expected.predictions)
    assert not pool._on_cards


def test_without_a_gpu_nothing_is_moved(monkeypatch):
    monkeypatch.setattr(pool, "put_on", lambda *_args: pytest.fail("moved"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # the works are on the CPU
    model = wake(Fork(), IMAGES[:24])
    with ThreadPoolExecutor(2) as executor:
        run = carviz.Run(executor=executor)
        table = carviz.measure_car(model, (IMAGES, LABELS), "first", progress=False, run=run)
    assert table.complete
