"""A digest is computed once, is always that of the weights, and a change is found out."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from support.small import Residual
from torch import nn

from carviz.evaluate import fingerprint_model, fingerprints, shadow, watch_model
from carviz.evaluate.checksums import BLOCK, _elsewhere, _on_cpu, checksum

DIGEST = "fd7ac7f7e6db5a45"
"""Of `network()`, by the first version of carviz; saved tables hold such values."""
IN_BFLOAT16 = "be4b5ee7c9e5af46"


def network():
    """A network of known weights, one tensor large (312 kB), the others small."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(16, 5000),
    )  # fmt: skip
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) % 7)
    return model.eval()


@pytest.fixture(autouse=True)
def forgetful():
    """Begin each test with nothing remembered."""
    fingerprints._digests.clear()


@pytest.fixture
def reads(monkeypatch):
    """Count the tensors that SHA-256 reads."""
    seen, add = [], fingerprints._add
    monkeypatch.setattr(fingerprints, "_add", lambda d, t: (seen.append(t.shape), add(d, t)))
    return seen


def test_values_are_those_of_saved_tables():
    model = network()
    for _ in range(2):
        assert fingerprint_model(model) == DIGEST
    assert fingerprint_model(model.to(memory_format=torch.channels_last)) == DIGEST
    assert fingerprint_model(model.to(torch.bfloat16)) == IN_BFLOAT16


def test_the_digest_is_computed_once_also_for_copies_that_share_parameters(reads):
    model = network()
    fingerprint_model(model)
    assert len(reads) == len(model.state_dict())
    for same in (model, shadow(model), shadow(model)):
        assert fingerprint_model(same) == DIGEST
        assert watch_model(same).fingerprint == DIGEST
    assert len(reads) == len(model.state_dict())


def by_data(tensor):
    tensor.data[-1, -1] += 1e-6


def by_numpy(tensor):
    tensor.detach().numpy()[2, 3] += 1


def by_shared_memory(tensor):
    torch.frombuffer(tensor.detach().numpy().data, dtype=torch.float32)[5] = 9


def a_new_tensor_in_the_old_place(tensor):
    """The old storage, written and counted anew."""
    numbers = tensor.detach().numpy()
    numbers[7, 7] = 3
    tensor.data = torch.from_numpy(numbers)


WRITES = [by_data, by_numpy, by_shared_memory, a_new_tensor_in_the_old_place]


@pytest.mark.parametrize("write", WRITES)
def test_writes_that_torch_does_not_count_are_seen(write):
    model = network()
    watch = watch_model(model)
    assert watch.fingerprint == DIGEST
    weight = model[4].weight
    where, version = weight.data_ptr(), weight._version
    write(weight)
    assert (weight.data_ptr(), weight._version) == (where, version)
    found = fingerprint_model(model)
    fingerprints._digests.clear()
    assert DIGEST != found == fingerprint_model(model)
    assert watch.changed_names() == ["4.weight"]
    with pytest.raises(ValueError, match=r"stay as they are.*'4\.weight' changed.*deepcopy"):
        watch.check()
    assert watch.fingerprint == DIGEST


def swap_neighbours(words):
    words[[10, 11]] = words[[11, 10]]


def swap_blocks(words):
    words[[5, BLOCK + 5]] = words[[BLOCK + 5, 5]]


def swap_rows(words):
    rows = words[:64].reshape(8, 8)
    rows[[2, 3]] = rows[[3, 2]]


def transpose(words):
    words[:64] = words[:64].reshape(8, 8).T.ravel().copy()


def flip_two_signs(words):
    words[[4, 9]] ^= np.int64(-(2**63))


def flip_every_sign(words):
    words ^= np.int64(-(2**63) + 2**31)


def turn_round(words):
    words[:] = words[::-1].copy()


def move_a_unit(words):
    words[20] += 1
    words[30] -= 1


CHANGES = [
    swap_neighbours, swap_blocks, swap_rows, transpose, flip_two_signs, flip_every_sign,
    turn_round, move_a_unit,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_checksum_sees_where_a_value_is(change):
    # Powers of two: only the upper bits of their words differ.
    values = 2.0 ** np.random.default_rng(0).integers(-3, 3, 2 * BLOCK + 200)
    content = torch.from_numpy(values.astype(np.float64))
    before = checksum(content.view(torch.uint8))
    change(content.numpy().view(np.int64))
    assert checksum(content.view(torch.uint8)) != before


def test_a_checksum_sees_each_bit():
    content = torch.arange(8 * 40 + 3, dtype=torch.uint8)
    found = {checksum(content)}
    for bit in range(8 * len(content)):
        content[bit // 8] ^= 1 << bit % 8
        found.add(checksum(content))
        content[bit // 8] ^= 1 << bit % 8
    assert len(found) == 1 + 8 * len(content)


@pytest.mark.parametrize("count", [0, 3, 8, 8 * BLOCK, 8 * BLOCK * 70 + 5])
@pytest.mark.parametrize("shift", [0, 1])
def test_every_device_finds_the_same_sums(count, shift):
    content = torch.randint(256, (count + shift,), dtype=torch.uint8)[shift:]
    np.testing.assert_array_equal(_on_cpu(content.numpy()), _elsewhere(content).numpy())


class Holder(nn.Module):
    """A module with a tensor of any type in its state."""

    def __init__(self, tensor):
        super().__init__()
        self.register_buffer("tensor", tensor)


ODD = {
    "bfloat16": torch.arange(40_000).reshape(4, -1).to(torch.bfloat16),
    "float8": torch.arange(40_000).reshape(4, -1).to(torch.float8_e4m3fn),
    "bool": torch.arange(40_000).reshape(4, -1) % 3 == 0,
    "complex": torch.arange(40_000).reshape(4, -1) * 1j,
    "conjugate": (torch.arange(40_000).reshape(4, -1) * 1j).conj(),
    "transposed": torch.arange(40_000.0).reshape(4, -1).t(),
    "part": torch.arange(80_000.0).reshape(4, -1)[:, 1:-5],
    "expanded": torch.arange(40_000.0)[:, None].expand(-1, 3),
    "empty": torch.empty(0, 3),
    "number": torch.tensor(3.0),
    "inference": torch.inference_mode()(lambda: torch.ones(40_000))(),
}


@pytest.mark.parametrize("kind", ODD)
def test_any_type_and_layout(kind, reads):
    model = Holder(ODD[kind])
    first = fingerprint_model(model)
    assert fingerprint_model(model) == first
    assert len(reads) == 1
    fingerprints._digests.clear()
    assert fingerprint_model(Holder(ODD[kind].resolve_conj().clone().contiguous())) == first
    other = ODD[kind].clone()
    if other.numel():
        other[(-1,) * other.dim()] = 0 if other[(-1,) * other.dim()] else 1
        assert fingerprint_model(Holder(other)) != first


def test_tied_weights():
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 100))
    model[1].weight = model[0].weight
    first, watch = fingerprint_model(model), watch_model(model)
    assert not watch.changed()
    model[0].weight.data[0, 0] += 1
    assert watch.changed_names() == ["0.weight", "1.weight"]
    assert fingerprint_model(model) != first


@pytest.mark.parametrize(
    ("tensor", "named"),
    [(torch.ones(3, device="meta"), "meta device"), (torch.eye(3).to_sparse(), "sparse")],
)
def test_a_tensor_without_content_is_refused(tensor, named):
    with pytest.raises(ValueError, match=f"'tensor' is .*{named}"):
        fingerprint_model(Holder(tensor))
    with pytest.raises(ValueError, match=named):
        watch_model(Holder(tensor))


class Counting(Holder):
    """A module that keeps more than tensors."""

    def get_extra_state(self):
        return {"calls": self.calls, "sizes": [self.tensor, np.arange(3.0)], "lock": self.lock}

    def set_extra_state(self, state):
        """Take nothing back."""


def test_extra_state_counts():
    model = Counting(torch.ones(3))
    model.calls, model.lock = 1, threading.Lock()
    first = fingerprint_model(model)
    model.lock = threading.Lock()
    assert fingerprint_model(model) == first
    model.calls = 2
    assert fingerprint_model(model) != first


def test_a_watch_sees_training_and_new_tensors_but_no_move():
    model = network()
    watch = watch_model(model)
    model.to(memory_format=torch.channels_last)
    model.eval().requires_grad_(requires_grad=False)
    assert not watch.changed()
    watch.check()
    twin = copy.deepcopy(model).train()
    twin_watch = watch_model(twin)
    twin(torch.ones(1, 3, 4, 4))
    assert twin_watch.changed_names() == [
        "1.num_batches_tracked", "1.running_mean", "1.running_var",
    ]  # fmt: skip
    model[0] = nn.Conv2d(3, 4, 3, bias=False)
    assert watch.changed_names() == ["0.bias", "0.weight"]


def test_a_watch_sees_a_write_that_was_taken_back():
    """What was measured between met other weights."""
    model = network()
    watch = watch_model(model)
    begun = watch.fingerprint  # it is read in a thread; let that be done before the write
    kept = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        model[4].weight.zero_()
    model.load_state_dict(kept)
    assert fingerprint_model(model) == begun
    assert watch.changed()
    with pytest.raises(ValueError, match=r"'0.bias', '0.weight', '1.bias' and 6 more changed"):
        watch.check()


def test_nothing_keeps_a_model_alive():
    model = network()
    fingerprint_model(model)
    watch, weight = watch_model(model), model[4].weight
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert not watch.changed()
    weight.data += 1  # an optimizer may still hold it
    assert watch.changed_names() == ["4.weight"]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(fingerprints, "REMEMBERED", 2)
    models = [nn.Linear(3, count) for count in range(1, 5)]
    digests = [fingerprint_model(model) for model in models]
    assert len(set(digests)) == 4
    assert len(fingerprints._digests) == 2
    assert [fingerprint_model(model) for model in models] == digests


def test_a_write_while_the_digest_is_read_is_not_remembered(monkeypatch):
    model, add = network(), fingerprints._add

    def write(digest, tensor):
        if tensor.shape == (5000, 16):
            with torch.no_grad():
                model[4].weight.add_(1)
        add(digest, tensor)

    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_add", write)
        watch = watch_model(model)
        assert watch.fingerprint != DIGEST
    assert not fingerprints._digests
    assert watch.changed()


def test_threads_agree():
    model, found = Residual(), []
    threads = [
        threading.Thread(target=lambda: found.append(fingerprint_model(model))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [fingerprint_model(model)] * 8
    assert len(fingerprints._digests) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu():
    model = network()
    watch = watch_model(model)
    model.cuda()
    assert not watch.changed()
    assert fingerprint_model(model) == DIGEST
    model[4].weight.data[0, 0] += 1
    assert watch.changed_names() == ["4.weight"]
    assert fingerprint_model(model) != DIGEST


def test_a_look_at_the_counters_finds_what_torch_has_written_and_reads_nothing_else(monkeypatch):
    model = nn.Linear(3, 2)
    watch = watch_model(model)
    assert not watch.soon_changed()
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    assert not watch.soon_changed(), "other tensors of the same numbers"
    watch = watch_model(model)
    monkeypatch.setattr(watch, "changed", lambda: pytest.fail("read all weights"))
    assert not watch.soon_changed()
    monkeypatch.undo()
    model.weight.data.numpy()[:] = 0.0
    assert not watch.soon_changed(), "past torch"
    assert watch.changed()
    with torch.no_grad():
        model.bias.add_(1)
    assert watch.soon_changed()
