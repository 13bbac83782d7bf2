"""A GPU is never waited for while batches run: nothing is read, and operations are few.

Reading a value is what waits: on the CPU the methods that read are watched instead. Everything here
goes through `run_chunk`, whatever the engine does inside.
"""

from collections import Counter

import pytest
import torch
from support.small import Fork, random_images
from support.woken import wake
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import carviz
from carviz.ablation import AuditedChunk, AuditedWork, Auditing, choose_plan, run_chunk
from carviz.ablation.planning import plan_by_hooks
from carviz.banks import open_network

READS = (
    "tolist", "item", "__int__", "__bool__", "__float__", "__index__", "numpy", "cpu", "nonzero",
    "__array__",
)  # fmt: skip
FILTERS = [0, 1, 2, 3]


@pytest.fixture(autouse=True)
def one_thread():
    """What is counted is counted in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Counting(TorchDispatchMode):
    """Count operations, and those whose result's size is a value that must be read."""

    def __init__(self):
        super().__init__()
        self.operations = 0
        self.reads = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        name = func._schema.name
        masks = name == "aten::index" and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in args[1]
        )
        if masks or name in ("aten::nonzero", "aten::_unique2", "aten::unique_consecutive"):
            self.reads[name] += 1
        return func(*args, **(kwargs or {}))


def linear(images, classes=5):
    """Return a network whose bank a linear layer reads, behind a flattening."""
    del images
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 9), nn.Tanh(),
        nn.Linear(9, classes),
    )  # fmt: skip


MODELS = {
    "the next convolution": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 6, 3, groups=1), nn.Flatten(),
        nn.Linear(96, 5),
    ),
    "grouped": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(),
        nn.Linear(96, 5),
    ),
    "a linear layer": lambda: linear(None),
    "the bank itself": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Softmax(1), nn.Flatten(), nn.Linear(144, 5)
    ),
    "several readers": Fork,
}  # fmt: skip


def plan_of(kind, images, how="graph"):
    model = wake(MODELS[kind](), images)
    network = open_network(model)
    layer = carviz.list_banks(model).layer[0]
    if how == "hooks":
        return plan_by_hooks(network, layer, images[:3])
    plan, _ = choose_plan(network, layer, images[:3])
    assert plan.how == "graph"
    return plan


def in_low_precision(plan, images, targets, filters, *, numbers, batch_size):
    """Run a chunk as `run_chunk` does, audited."""
    auditing = Auditing("bf16", 0.01, len(images), len(filters))
    work = AuditedWork(
        plan, filters, batch_size, len(images), images.device, images.dtype, auditing=auditing
    )
    return work.run(AuditedChunk(0, list(numbers), images, targets))


def watched(monkeypatch, plan, images, filters, batch_size, run=run_chunk):
    """Return what a chunk reads from the device, by method, and how many operations it runs."""
    reads = Counter()
    with monkeypatch.context() as patched:
        for name in READS:
            original = getattr(torch.Tensor, name)

            def counted(self, *args, _name=name, _original=original, **options):
                reads[_name] += 1
                return _original(self, *args, **options)

            patched.setattr(torch.Tensor, name, counted)
        counting = Counting()
        with counting:
            facts = run(
                plan, images, torch.arange(len(images)) % 5, filters,
                numbers=range(len(images)), batch_size=batch_size,
            )  # fmt: skip
    assert (facts.predictions != facts.baseline).any() or len(filters) == 1
    return reads + counting.reads, counting.operations


@pytest.mark.parametrize("how", ["graph", "hooks"])
@pytest.mark.parametrize("kind", MODELS)
def test_no_batch_reads_from_the_device(monkeypatch, kind, how):
    images, _ = random_images(24, size=8)
    plan = plan_of(kind, images, how)
    few, _ = watched(monkeypatch, plan, images, FILTERS, 48)
    many, _ = watched(monkeypatch, plan, images, FILTERS, 3)
    assert many == few


@pytest.mark.parametrize("kind", MODELS)
def test_low_precision_reads_no_more_for_a_batch(monkeypatch, kind):
    images, _ = random_images(24, size=8)
    plan = plan_of(kind, images)
    few, _ = watched(monkeypatch, plan, images, FILTERS, 48, in_low_precision)
    many, _ = watched(monkeypatch, plan, images, FILTERS, 3, in_low_precision)
    assert many == few


@pytest.mark.parametrize("kind", MODELS)
def test_operations_do_not_depend_on_how_many_filters_a_batch_holds(monkeypatch, kind):
    images, _ = random_images(24, size=8)
    plan = plan_of(kind, images)
    _, one = watched(monkeypatch, plan, images, [0], 24)
    _, four = watched(monkeypatch, plan, images[:6], FILTERS, 24)
    assert four == one
