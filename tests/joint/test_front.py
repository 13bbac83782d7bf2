"""Sets of filters against a loop that zeroes all of their channels, and CAR planted by hand."""

import contextlib
import functools
import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import families
from support.random_networks import random_network
from support.small import Fork, Pooled, Residual, Stubborn, Twice, planted, random_images
from support.woken import family as woken_family
from support.woken import wake
from torch import nn

import carviz
from carviz.ablation import plan as planning
from carviz.joint import engine
from carviz.reference import Reference

IMAGES, LABELS = random_images(70, classes=5)


def joint(model, layer, sets, data=(IMAGES, LABELS), **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="carviz: ")
        return carviz.measure_joint(model, data, layer, sets, progress=False, **options)


@functools.cache
def woken(make):
    return wake(make(), IMAGES[:24], seed=1)


class Flat(nn.Module):
    """Two banks, the second behind a pooling and read by a linear layer behind a flattening."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.grouped = nn.Conv2d(16, 16, 3, groups=4, stride=2)
        self.last = nn.Linear(16 * 4, 5)

    def forward(self, images):
        maps = torch.relu(self.grouped(torch.relu(self.first(images))) - 0.3)
        return self.last(torch.flatten(nn.functional.adaptive_max_pool2d(maps, 2), 1))


def naive(model, site, sets, images=IMAGES):
    """Return logits (set, image, class) with all channels of a set zeroed at a module's output."""
    found = []
    module = model.get_submodule(site)
    for filters in sets:

        def zero(_module, _inputs, output, gone=tuple(filters)):
            output = output.clone()
            output[:, list(gone)] = 0
            return output

        hook = module.register_forward_hook(zero)
        with torch.inference_mode():
            found.append(model(images.clone()))
        hook.remove()
    return torch.stack(found)


def agree(table, whole, without, targets=LABELS):
    """Hold predictions and falls of log p of a table's sets against logits."""
    scale = float(without.abs().max())
    ranked = without.topk(2, dim=-1).values
    clear = (ranked[..., 0] - ranked[..., 1] > 1e-4 * scale).numpy()
    assert clear.mean() > 0.9
    assert (table.predictions == without.argmax(-1).numpy())[clear].all()
    own = [x.double().log_softmax(-1) for x in (whole, without)]
    before, after = (x.gather(-1, targets.expand(x.shape[:-1])[..., None])[..., 0] for x in own)
    np.testing.assert_allclose(
        table.image_log_prob_drop, (before - after).numpy(), atol=2e-4 * max(1.0, scale)
    )


SITES = [
    (Residual, "first", "first"),
    (Residual, "second", "norm"),
    (Residual, "third", "third"),
    (Fork, "first", "first"),
    (Pooled, "first", "norm"),
    (Stubborn, "conv", "norm"),
    (Flat, "first", "first"),
    (Flat, "grouped", "grouped"),
]


@pytest.mark.parametrize(("make", "layer", "site"), SITES)
def test_a_set_is_the_network_with_all_of_its_channels_zeroed(make, layer, site):
    model = woken(make)
    count = model.get_submodule(layer).out_channels
    draw = random.Random(0)
    sizes = sorted({1, 2, 3, count // 2, count - 1, count})
    sets = [sorted(draw.sample(range(count), size)) for size in sizes if size]
    table = joint(model, layer, sets)
    assert table.sets == sets
    with torch.inference_mode():
        whole = model(IMAGES)
    without = naive(model, site, sets)
    assert (without - whole).abs().amax(2).max() > 1e-2  # what moves nothing judges nothing
    agree(table, whole, without)
    singles = carviz_single(model, layer, table.filters.tolist())
    np.testing.assert_array_equal(table.single_predictions, singles.predictions)
    np.testing.assert_allclose(
        table.single_image_log_prob_drop, singles.image_log_prob_drop, atol=1e-4
    )
    np.testing.assert_allclose(table.single_car, singles.car)


def carviz_single(model, layer, filters):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="carviz: ")
        return carviz.measure_car(model, (IMAGES, LABELS), layer, filters=filters, progress=False)


def test_a_bank_that_is_called_twice_and_one_that_the_reference_measures():
    model = woken(Twice)
    sets = [[0, 1], [1, 2, 3]]
    table = joint(model, "shared", sets)
    reference = Reference(model)
    without = torch.stack([reference.without(IMAGES, {"shared": one}) for one in sets])
    agree(table, reference.logits(IMAGES), without)


@pytest.mark.parametrize("start", [0, 8, pytest.param(16, marks=pytest.mark.slow)])
def test_sets_of_random_networks_are_what_their_own_truth_says(start):
    how = set()
    for seed in range(start, start + 8):
        sample = random_network(seed)
        bank = sample.model.banks[-1]
        count = carviz.list_banks(sample.model).set_index("layer").filters.get(bank)
        if count is None or count < 3:  # a sum is seen in a graph only
            continue
        sets = [[0, 1], [1, 2], list(range(int(count)))]
        table = joint(sample.model, bank, sets, data=(sample.images, sample.targets))
        how.add(table.passport["engine"])
        without = torch.stack([sample.truth(bank, one) for one in sets])
        off = table.predictions != without.argmax(-1).numpy()
        ranked = without.topk(2, dim=-1).values
        assert not (off & (ranked[..., 0] - ranked[..., 1] > 1e-3).numpy()).any(), seed
        own = [x.log_softmax(-1) for x in (sample.truth("", []), without)]
        to = sample.targets
        before, after = (x.gather(-1, to.expand(x.shape[:-1])[..., None])[..., 0] for x in own)
        falls = (before - after).numpy()
        allowed = 1e-3 * max(1.0, float(without.abs().max()))
        np.testing.assert_allclose(table.image_log_prob_drop, falls, atol=allowed)
    assert how >= {"graph"}


@pytest.mark.parametrize("kind", [planning.HookPlan, planning.ReferencePlan])
def test_other_plans_find_the_same(monkeypatch, kind):
    model, sets = woken(Residual), [[0, 2], [1, 3, 5]]
    expected = joint(model, "first", sets)
    from carviz.ablation import auditing

    monkeypatch.setattr(auditing._Auditor, "_by_graph", lambda *_args: iter(()))
    if kind is planning.ReferencePlan:
        monkeypatch.setattr(auditing._Auditor, "_by_hooks", lambda *_args: iter(()))
    found = joint(model, "first", sets)
    assert found.passport["engine"] == ("hooks" if kind is planning.HookPlan else "reference")
    assert found.passport["sets"] == {"pairs": 2 * 70, "ran": 2 * 70}
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    np.testing.assert_allclose(found.image_log_prob_drop, expected.image_log_prob_drop, atol=1e-4)


ROWS = {row.id: row for row in families.ROWS}


@pytest.mark.parametrize(
    "name",
    [
        "alexnet-features.10",  # a linear layer behind a flattening
        "squeezenet1_1-features.7.squeeze",  # two readers
        "resnet18-layer2.0.conv2",  # the skip keeps the channel
        pytest.param("googlenet-inception4b.branch3.1.conv", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2-features.9.conv.1.0", marks=pytest.mark.slow),
        pytest.param("shufflenet_v2_x0_5-stage3.2.branch2.5", marks=pytest.mark.slow),
        pytest.param("regnet_y_400mf-trunk_output.block3.block3-3.f.b.0", marks=pytest.mark.slow),
    ],
)
def test_sets_of_families_are_what_the_loop_says(name):
    row = ROWS[name]
    model, images, _ = woken_family(row.family)
    a, b, c, d = row.filters
    count = model.get_submodule(row.bank).out_channels
    sets = [sorted([a, b]), sorted([b, c, d]), list(range(count // 3, count))]
    with torch.inference_mode():
        whole = model(images.clone())
    targets = whole.argmax(1)
    table = joint(model, row.bank, sets, data=(images, targets))
    without = naive(model, row.site, sets, images)
    assert (without - whole).abs().amax(2).min(1).values.max() > 0
    scale = without.abs().amax(2, keepdim=True)
    ranked = without.topk(2, dim=-1).values
    clear = (ranked[..., 0] - ranked[..., 1] > 1e-4 * scale[..., 0]).numpy()
    assert (table.predictions == without.argmax(-1).numpy())[clear].all()
    own = [x.double().log_softmax(-1) for x in (whole, without)]
    before, after = (x.gather(-1, targets.expand(x.shape[:-1])[..., None])[..., 0] for x in own)
    off = (torch.tensor(table.image_log_prob_drop) - (before - after)).abs()
    assert bool((off <= 2e-4 * scale[..., 0].clamp(min=1)).all())


# -- several banks


def test_sets_across_banks_are_the_network_without_all_of_them():
    model = woken(Residual)
    sets = [
        {"first": [0, 2], "third": [1]},
        {"second": [3, 1]},
        {"second": [0], "first": [5]},
        {"third": [0]},
    ]
    table = joint(model, None, sets)
    assert table.layer == ""
    assert table.banks == ("first", "second", "third")
    assert [{bank: sorted(f) for bank, f in one.items()} for one in table.sets] == [
        {bank: sorted(f) for bank, f in one.items()} for one in sets
    ]
    sites = {"first": "first", "second": "norm", "third": "third"}
    found = []
    for one in sets:
        hooks = []
        for bank, gone in one.items():

            def zero(_module, _inputs, output, gone=tuple(gone)):
                output = output.clone()
                output[:, list(gone)] = 0
                return output

            hooks.append(model.get_submodule(sites[bank]).register_forward_hook(zero))
        with torch.inference_mode():
            found.append(model(IMAGES.clone()))
        for hook in hooks:
            hook.remove()
    with torch.inference_mode():
        agree(table, model(IMAGES), torch.stack(found))
    for bank in table.banks:
        own = np.flatnonzero(table.bank == table.banks.index(bank))
        singles = carviz_single(model, bank, table.filters[own].tolist())
        np.testing.assert_allclose(table.single_car[own], singles.car)
    expected = [table.single_car[rows].sum() for rows in table.rows]
    np.testing.assert_allclose(table.excess, table.car - expected, atol=1e-12)
    assert set(table.passport["audit"]) == {"first", "second", "third", "across banks"}
    assert table.row({"third": [1], "first": [2, 0]}) == 0


def test_of_a_single_bank_mappings_find_what_lists_find():
    model = woken(Residual)
    one = joint(model, "first", [[0, 2], [4]])
    other = joint(model, None, [{"first": [2, 0]}, {"first": [4]}])
    np.testing.assert_array_equal(one.predictions, other.predictions)
    np.testing.assert_array_equal(one.image_log_prob_drop, other.image_log_prob_drop)
    assert other.sets == [{"first": [0, 2]}, {"first": [4]}]


def test_what_banks_are_wrong_is_told():
    model = woken(Residual)
    words = r"^A mapping in sets names a convolution.*there is no 'frist'\. Nearest: 'first'"
    with pytest.raises(ValueError, match=words):
        joint(model, None, [{"frist": [0]}])
    with pytest.raises(TypeError, match=r"None for sets of several banks.*found \['first'\]"):
        joint(model, ["first"], [[0, 1]])
    with pytest.raises(TypeError, match=r"layer=None sets are mappings.*'first'"):
        joint(model, None, [[0, 1]])
    with pytest.raises(ValueError, match=r"'first' has filters 0 to 5; found 6"):
        joint(model, None, [{"first": [6]}])
    with pytest.raises(TypeError, match=r"Did you mean \[\[0, 1\]\]"):
        joint(model, "first", [0, 1])


# -- planted


def two(weights, votes, bias):
    """Return a network of two filters on one-pixel images, one class against a bias."""
    conv = nn.Conv2d(1, 2, 1, bias=False)
    last = nn.Linear(2, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(weights).view(2, 1, 1, 1))
        last.weight.copy_(torch.tensor([[0.0, 0.0], votes]))
        last.bias.copy_(torch.tensor([bias, 0.0]))
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


def test_copies_are_redundant():
    """Each alone costs nothing, both together everything."""
    model = two([1.0, 1.0], [0.5, 0.5], 0.2)
    data = torch.ones(40, 1, 1, 1), torch.ones(40).long()
    table = carviz.measure_pairs(model, data, "0", progress=False)
    assert table.pairs.tolist() == [[0, 1]]
    assert table.single_car.tolist() == [0.0, 0.0]
    assert table.car.tolist() == table.interaction.tolist() == [1.0]
    assert table.kind.tolist() == ["redundancy"]
    assert table.low[0] > 0.6
    assert table.passport["chosen"] == "siblings"


def test_what_cancels_is_compensation():
    """Each alone tips the answer over, one way or the other; together they change nothing."""
    model = two([1.0, 1.0], [4.0, -4.0], 0.0)
    with torch.no_grad():
        model[4].weight.copy_(torch.tensor([[0.0, 0.0], [4.0, -4.0]]))
        model[4].bias.copy_(torch.tensor([-1.0, 0.0]))
    # Class 1 is right; without filter 0 it is not, without filter 1 it is.
    data = torch.ones(40, 1, 1, 1), torch.ones(40).long()
    table = carviz.measure_pairs(model, data, "0", pairs=[[1, 0]], progress=False)
    assert table.single_car.tolist() == [1.0, 0.0]
    assert table.car.tolist() == [0.0]
    assert table.interaction.tolist() == [-1.0]
    assert table.kind.tolist() == ["compensation"]


def test_planted_sets():
    model, data = planted()
    table = joint(model, "0", [[1, 2], [0, 1, 2, 3], [3]], data=data)
    # Without both votes for class 1 the two images -1 and -2 are lost, and -3 is gained.
    assert table.lost.tolist()[0] == 2
    assert table.gained.tolist()[0] == 1
    assert table.excess[2] == table.low[2] == table.high[2] == 0
    assert np.isnan(table.q_value[2])
    assert table.flips(0)["image"].tolist() == [5, 6, 7]
    assert table.flips(0)["change"].tolist() == ["lost", "lost", "gained"]


# -- what need not run


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(0, 15), min_size=1), st.sets(st.integers(0, 15)), st.randoms())
def test_the_order_in_a_set_does_not_matter_and_silent_filters_add_nothing(one, other, draw):
    model, silent, few = quiet(), {3, 7}, (IMAGES[:20], LABELS[:20])
    kinds = {frozenset(s) for s in (one, one | silent, one - silent, other | {1}) if s}
    sets = [sorted(kind) for kind in sorted(kinds, key=sorted)]
    table = joint(model, "first", sets, data=few)
    assert table == joint(model, "first", [draw.sample(s, len(s)) for s in sets], data=few)
    rows = [row for row, s in enumerate(sets) if set(s) - silent == one - silent]
    for row in rows[1:]:
        np.testing.assert_array_equal(table.predictions[row], table.predictions[rows[0]])
        falls = table.image_log_prob_drop
        np.testing.assert_array_equal(falls[row], falls[rows[0]])
        assert table.excess[row] == table.excess[rows[0]]


@functools.cache
def quiet():
    """A network whose filters 3 and 7 never rise above zero."""
    model = wake(Flat(), IMAGES[:24], seed=2)
    with torch.no_grad():
        model.first.bias[[3, 7]] = -100.0
    return model


def test_what_silence_saves_is_counted():
    model = quiet()
    table = joint(model, "first", [[3, 7], [3, 0], [0, 1], [0, 1, 3], [2, 4]])
    # {3, 7} is nothing, {3, 0} is filter 0, {0, 1, 3} is {0, 1}: at most two of five sets run.
    told = table.passport["sets"]
    assert told["pairs"] == 5 * 70
    assert 0 < told["ran"] <= 2 * 70
    np.testing.assert_array_equal(table.predictions[0], table.baseline)
    assert (table.image_log_prob_drop[0] == 0).all()
    zero = table.filters.tolist().index(0)
    np.testing.assert_array_equal(table.predictions[1], table.single_predictions[zero])
    np.testing.assert_array_equal(table.image_log_prob_drop[2], table.image_log_prob_drop[3])


# -- how it runs


def test_a_checkpoint_resumes_and_other_sets_do_not(tmp_path):
    model = woken(Residual)
    sets = [[0, 1], [2, 3, 4]]

    class StoppedError(Exception):
        pass

    def stop(share):
        if share > 0.6:
            raise StoppedError

    run = carviz.Run(checkpoint=tmp_path)
    with pytest.raises(StoppedError):
        carviz.measure_joint(model, (IMAGES, LABELS), "first", sets, progress=stop, run=run)
    assert [p.name for p in (tmp_path / "first%20sets").glob("chunk-*")] == ["chunk-000000.npz"]
    resumed = joint(model, "first", sets, run=run)
    assert resumed == joint(model, "first", sets)
    assert resumed.passport["sets"] == joint(model, "first", sets).passport["sets"]
    # A single measurement has a folder of its own there.
    carviz.measure_car(model, (IMAGES, LABELS), "first", progress=False, run=run)
    with pytest.raises(ValueError, match="of another: sets was"):
        joint(model, "first", [[0, 1]], run=run)


def test_progress_rises_to_one():
    shares = []
    sets = [{"first": [0, 1]}, {"first": [0], "third": [2, 3]}]
    model = woken(Residual)
    carviz.measure_joint(model, (IMAGES, LABELS), None, sets, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_many_sets_take_no_more_room_than_there_is(monkeypatch):
    from carviz.ablation import sets as running

    model, sets = woken(Flat), [[0, 1], [2, 3, 4], list(range(16))]
    whole = joint(model, "first", sets)
    monkeypatch.setattr(running, "ROOM", 2000)
    parts = joint(model, "first", sets)
    np.testing.assert_array_equal(parts.predictions, whole.predictions)
    np.testing.assert_allclose(parts.image_log_prob_drop, whole.image_log_prob_drop, atol=1e-5)


def test_workers_find_the_same():
    model = woken(Residual)
    sets = [{"first": [0, 1]}, {"first": [0], "third": [2, 3]}]
    with ThreadPoolExecutor(2) as executor:
        found = joint(model, None, sets, run=carviz.Run(executor=executor))
    assert found == joint(model, None, sets)


def test_a_wrong_answer_is_noticed(monkeypatch):
    from carviz.ablation import sets as running

    original = running.SetWork._block

    def wrong(*args):
        facts = original(*args)
        facts.predictions[-1] = (facts.predictions[-1] + 1) % 5
        return facts

    monkeypatch.setattr(running.SetWork, "_block", wrong)
    with pytest.raises(ValueError, match=r"without filters 0, 1 of 'first' the network itself"):
        joint(woken(Residual), "first", [[0, 1]])


def test_low_precision_and_too_many_sets_are_refused(monkeypatch):
    model = woken(Residual)
    with pytest.raises(ValueError, match=r"found Run\(precision='bf16'\)"):
        joint(model, "first", [[0, 1]], run=carviz.Run(precision="bf16"))
    monkeypatch.setattr(engine, "free_memory", lambda: 2000)
    with pytest.raises(ValueError, match=r"multiply-adds at most.*\. Measure fewer images"):
        joint(model, "first", [[0, 1], [2, 3]])
    pairs = [[i, j] for i in range(6) for j in range(i)]
    monkeypatch.setattr(engine, "free_memory", lambda: 25_000)
    with pytest.raises(
        ValueError, match=r"15 sets of 70.*Measure about 7 sets at a time, or fewer"
    ):
        joint(model, "first", pairs)


def test_the_model_is_left_as_it_was():
    model = woken(Residual).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    joint(model, None, [{"first": [0], "third": [1]}])
    assert model.training
    model.eval()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module._forward_hooks for module in model.modules())


# -- what is refused before anything runs


def test_rows_of_labels_are_refused_in_words():
    rows = torch.randint(0, 2, (70, 5), generator=torch.Generator().manual_seed(0))
    one_each = torch.utils.data.TensorDataset(IMAGES, torch.eye(5).long()[LABELS])
    one_each.multi_label = True
    model = woken(Residual)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    try:
        for data in [(IMAGES, rows), one_each]:
            for ask in [
                lambda data: joint(model, "first", [[0, 1]], data=data),
                lambda data: joint(model, None, [{"first": [0], "third": [1]}], data=data),
                lambda data: carviz.measure_pairs(model, data, "first", progress=False),
            ]:
                with pytest.raises(ValueError, match=r"one class an image.*carviz\.measure_car"):
                    ask(data)
    finally:
        model._forward_hooks.clear()
    assert not calls


def test_sets_may_come_one_by_one():
    model = woken(Residual)
    table = joint(model, None, ({"first": [i], "third": [i]} for i in range(2)))
    assert table.sets == [{"first": [i], "third": [i]} for i in range(2)]
    assert joint(model, "first", ([i, 2] for i in range(2))).sets == [[0, 2], [1, 2]]


def test_tf32_is_float32_on_a_device_without_it():
    model = woken(Residual)
    table = joint(model, "first", [[0, 1]], run=carviz.Run(precision="tf32"))
    assert table.passport["precision"] == "float32"
    assert "TF32 is for NVIDIA's GPUs" in table.passport["remark"]
    np.testing.assert_array_equal(
        table.image_log_prob_drop, joint(model, "first", [[0, 1]]).image_log_prob_drop
    )


def test_what_is_measured_is_counted_in_words(monkeypatch):
    told = []
    monkeypatch.setattr(engine, "telling", _noting(told))
    model = woken(Residual)
    one = joint(model, None, [{"first": [0]}], data=(IMAGES[:1], LABELS[:1]))
    joint(model, "first", [[0], [1]])
    assert told == ["CAR of 1 set of 1 bank", "CAR of 2 sets in first"]
    assert "1 image, accuracy" in repr(one)


def _noting(told):
    @contextlib.contextmanager
    def telling(_progress, what):
        told.append(what)
        yield lambda *_: None

    return telling
