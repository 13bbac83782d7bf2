"""Other values than zero in a channel's place: against a naive loop, end to end."""

import copy
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.random_networks import random_network
from support.reference import agree, own_log_probs
from support.value_judge import CLASSES, NETWORKS, SIZE, means_at, valued_logits
from support.woken import smooth_images, wake
from torch import nn

import carviz
from carviz.ablation import Value, partner_order
from carviz.car import Question, prepare_car
from carviz.wording import accuracy_words

IMAGES = smooth_images(37, SIZE)
LABELS = torch.arange(37) % CLASSES
HOW = {
    "hooks": "hooks",
    "by name, hooks": "hooks",
    "one by one": "hooks",
    "out of hooks' reach": "reference",
}


def network(name):
    """Return a network that is awake, its bank, and where a value is set in it."""
    make, bank, place, calls = NETWORKS[name]
    torch.manual_seed(3)
    model = make()
    with torch.no_grad():
        model.eval()(IMAGES[:2].clone())
    return wake(model, IMAGES), bank, place, calls


def measured(model, bank, value, data=(IMAGES, LABELS), **more):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="carviz: ")  # how it is measured
        return carviz.measure_car(model, data, bank, value=value, progress=False, **more)


def partners_of(count):
    """Return the partner of each image, by the chunks of a stratified order."""
    model, bank, *_ = network("conv-relu")
    data = IMAGES[:count], LABELS[:count]
    chunks = prepare_car(model, data, bank, question=Question(value=Value("resample"))).chunks()
    partner = np.empty(count, np.int64)
    for numbers in chunks:
        partner[numbers] = np.array(numbers)[partner_order(numbers)]
    return partner


@pytest.mark.parametrize("value", [0.7, "mean", "resample"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_value_does_what_a_loop_of_hooks_does(name, value):
    model, bank, place, calls = network(name)
    constants = partners = None
    if value == "mean":
        constants = means_at(model, IMAGES, place, calls)
        if name == "one by one":
            constants = constants.mean(0, keepdim=True)
    elif value == "resample":
        partners = IMAGES[partners_of(len(IMAGES))]
    else:
        constants = torch.full((1, 6), value)
    expected = valued_logits(
        model, IMAGES, place, range(6), constants=constants, partners=partners, calls=calls
    )
    with torch.no_grad():
        whole = model(IMAGES.clone())
    assert float((expected - whole).abs().amax()) > 0.02 * float(whole.abs().amax())
    table = measured(model, bank, value)
    before = own_log_probs(whole, LABELS)
    agree(
        expected, table.predictions.copy(), before - torch.tensor(table.image_log_prob_drop), LABELS
    )
    assert table.passport["engine"] == HOW.get(name, "graph")
    assert table.passport["value"]["set"] == value
    if value == "mean":
        np.testing.assert_allclose(table.values, constants.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["conv-relu", "by name", "by name, hooks"])
def test_the_passport_tells_the_activation(name):
    model, bank, place, _ = network(name)
    assert f"{place!r}" in measured(model, bank, 0.7).passport["value"]["where"]


def test_a_negative_mean_before_a_relu_is_zero_again():
    """Measured on networks that were trained, too: so it is set behind the activation."""
    model, bank, place, _ = network("conv-relu")
    with torch.no_grad():
        model[0].bias -= 1  # channels whose mean is below zero, which are above it at places
    before, after = means_at(model, IMAGES, bank), means_at(model, IMAGES, place)
    below = [i for i in range(6) if before[0, i] < 0 < after[0, i]]
    assert below
    early = valued_logits(model, IMAGES, bank, below, constants=before)
    zero = measured(model, bank, "zero", filters=below)
    assert np.array_equal(early.argmax(2), zero.predictions)
    late = valued_logits(model, IMAGES, place, below, constants=after)
    mean = measured(model, bank, "mean", filters=below)
    assert float((late - early).abs().max()) > 0.01
    assert np.array_equal(late.argmax(2), mean.predictions)


@pytest.mark.parametrize("name", ["conv-bn-relu", "two nexts", "crops", "hooks", "dilated"])
def test_resampling_does_not_depend_on_what_runs_together(name):
    model, bank, *_ = network(name)
    whole = measured(model, bank, "resample")
    for options in ({"batch_size": 5}, {"memory": 60_000}, {"memory": 1}):
        table = measured(model, bank, "resample", run=carviz.Run(**options))
        assert np.array_equal(table.predictions, whole.predictions)
        np.testing.assert_allclose(
            table.image_log_prob_drop, whole.image_log_prob_drop, rtol=1e-3, atol=1e-5
        )


def test_the_last_image_alone_has_a_partner():
    model, bank, place, _ = network("max pool")
    partner = partners_of(33)
    assert (partner != np.arange(33)).all()
    expected = valued_logits(
        model, IMAGES[:33], place, range(6), partners=IMAGES[:33][torch.from_numpy(partner)]
    )
    table = measured(model, bank, "resample", (IMAGES[:33], LABELS[:33]))
    assert np.array_equal(table.predictions, expected.argmax(2))


def test_no_image_is_skipped_but_where_the_channel_has_the_value():
    model, bank, *_ = network("conv-relu")
    with torch.no_grad():
        model[0].bias[2], model[0].weight[2] = -1, 0  # silent
        model[0].bias[3], model[0].weight[3] = 0.5, 0  # a constant
    for number, skipped in ((0.0, 2), (0.5, 3)):
        plan = prepare_car(
            model, (IMAGES, LABELS), bank, question=Question(value=Value("number", number))
        ).plan
        values = plan.filled(plan.head(IMAGES), IMAGES, None)
        assert (~plan.active(values)).all(0).tolist() == [i == skipped for i in range(6)]


def test_the_optimal_constant_is_chosen_on_one_half_and_told_on_the_other():
    model, bank, place, _ = network("conv-relu")
    table = measured(model, bank, "optimal")
    told, every = table.images, np.arange(len(IMAGES))
    chosen = np.setdiff1d(every, told)
    value = table.passport["value"]
    assert (value["chosen_on"], value["told_on"]) == (len(chosen), len(told)) == (19, 18)
    assert table.complete
    assert len(table.images) < table.total
    counts = np.bincount(LABELS[told]), np.bincount(LABELS[chosen])
    assert np.abs(counts[0] - counts[1]).max() <= 1  # stratified
    # Few images, and few places: the quantiles are those of all places of the half.
    half, labels = IMAGES[chosen], LABELS[chosen]
    with torch.no_grad():
        seen = model[:2](half.clone()).movedim(1, 0).flatten(1).double()
    quantiles = torch.tensor(value["quantiles"], dtype=torch.float64)
    candidates = torch.quantile(seen, quantiles, dim=1)
    losses = torch.stack([
        -own_log_probs(valued_logits(model, half, place, range(6), constants=c[None]), labels)
        .mean(1) for c in candidates
    ])  # fmt: skip
    best = losses.gather(0, _nearest(candidates, torch.tensor(table.values[:, 0]))[None])[0]
    assert (best <= losses.min(0).values + 1e-5).all()
    assert (losses.max(0).values > losses.min(0).values + 1e-3).all()
    # What is told is what these constants do on the other half.
    expected = valued_logits(
        model, IMAGES[told], place, range(6), constants=torch.tensor(table.values.T)
    )
    assert np.array_equal(expected.argmax(2), table.predictions)


def _nearest(candidates, values):
    apart = (candidates - values).abs()
    assert apart.min(0).values.max() < 1e-5
    return apart.argmin(0)


def test_means_are_kept_with_the_checkpoint(tmp_path, monkeypatch):
    model, bank, *_ = network("conv-bn-relu")
    run = carviz.Run(checkpoint=tmp_path)
    table = measured(model, bank, "mean", run=run)
    from carviz.ablation import plan

    with monkeypatch.context() as patch:
        patch.setattr(plan.GraphPlan, "place_maps", _audited_only(plan.GraphPlan.place_maps))
        assert measured(model, bank, "mean", run=run) == table
    with pytest.raises(ValueError, match=r"value was .*mean.*is .*resample"):
        measured(model, bank, "resample", run=run)
    with pytest.raises(ValueError, match=r"value was .*mean.*is none"):
        measured(model, bank, "zero", run=run)


def _audited_only(place_maps):
    def run(plan, images):
        assert len(images) <= 3, "the means are counted anew"
        return place_maps(plan, images)

    return run


@pytest.mark.parametrize("value", ["mean", "resample", "optimal"])
def test_workers_and_several_banks_find_the_same(value):
    model, *_ = network("two nexts")
    data = IMAGES, LABELS
    with ThreadPoolExecutor(2) as pool:
        tables = measured(model, ["conv", "left", "right"], value, run=carviz.Run(executor=pool))
    for layer, table in tables.items():
        alone = measured(model, layer, value, data)
        assert np.array_equal(table.predictions, alone.predictions)
        np.testing.assert_allclose(table.values, alone.values, rtol=1e-6)
        assert table.passport["value"] == alone.passport["value"]


@pytest.mark.parametrize("value", [0.7, "mean", "resample"])
def test_low_precision_finds_the_same(value):
    model, bank, *_ = network("max pool")
    table = measured(model, bank, value, run=carviz.Run(precision="bf16"))
    exact = measured(model, bank, value)
    assert np.array_equal(table.predictions, exact.predictions)
    assert "precision_audit" in table.passport


def test_tables_are_saved_and_merged_with_their_values(tmp_path):
    model, bank, *_ = network("dilated")
    whole = measured(model, bank, "mean")
    assert whole.values.shape == (6, 2)  # a number for each call
    assert carviz.CarTable.load(whole.save(tmp_path / "t.npz")) == whole
    parts = [measured(model, bank, "mean", filters=f) for f in ([0, 1, 2], [3, 4, 5])]
    merged = parts[1].merged(parts[0])
    assert np.array_equal(merged.values, whole.values)
    assert np.array_equal(merged.predictions, whole.predictions)
    with pytest.raises(ValueError, match="`passport`"):
        whole.merged(measured(model, bank, "zero"))


def test_zero_says_nothing_of_a_value():
    model, bank, *_ = network("conv-relu")
    table = measured(model, bank, "zero")
    assert "value" not in table.passport
    assert table.passport["ablation"].startswith("zero at")
    assert not table.values.size


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("median", ValueError, "value is one of 'zero', 'mean'.*found 'median'"),
        (float("nan"), ValueError, "finite number; found nan"),
        (float("inf"), ValueError, "finite number; found inf"),
        (True, TypeError, "found bool"),
        ([1.0], TypeError, "found list"),
    ],
)
def test_bad_values_are_refused_in_words(value, error, words):
    model, bank, *_ = network("conv-relu")
    with pytest.raises(error, match=words):
        measured(model, bank, value)


def test_what_cannot_be_measured_is_refused_in_words():
    model, bank, *_ = network("conv-relu")
    one = IMAGES[:1], LABELS[:1]
    for value in ("resample", "optimal"):
        with pytest.raises(ValueError, match="found data of one image"):
            measured(model, bank, value, one)
    with pytest.raises(ValueError, match="wants float32; found precision='bf16'"):
        measured(model, bank, "optimal", run=carviz.Run(precision="bf16"))
    gated = Gate()
    gate = carviz.list_banks(gated).query("gate").layer.tolist()
    assert gate == ["gate"]
    with pytest.raises(
        ValueError,
        match=r"'gate' is a gate, whose channels lead to a gate or multiply",
    ):
        measured(gated, "gate", "mean")
    assert "gate" not in measured(wake(gated, IMAGES), None, "mean")


def test_a_number_that_is_too_large_is_refused_in_words():
    model, bank, *_ = network("conv-relu")
    half = copy.deepcopy(model).half()
    with pytest.raises(
        ValueError, match=r"found 100000, and float16 ends at 65504\. Give a smaller"
    ):
        measured(half, bank, 1e5, (IMAGES.half(), LABELS))
    with pytest.raises(ValueError, match=r"float16 ends"):
        measured(half, bank, -1e5, (IMAGES.half(), LABELS))
    with pytest.raises(ValueError, match=r"and bfloat16 ends"):
        measured(model, bank, 3.4e38, run=carviz.Run(precision="bf16"))
    with pytest.raises(
        ValueError, match=r"with value=3e\+38 in the place of filter 0\. Give a num"
    ):
        measured(model, bank, 3e38)
    rows = torch.ones(37, CLASSES).long()
    with pytest.raises(ValueError, match=r"with value=3e\+38 in the place of filter 0"):
        measured(model, bank, 3e38, (IMAGES, rows))


def test_without_a_graph_gates_are_not_known_and_that_is_told():
    model, bank, *_ = network("hooks")
    assert "not known which banks are gates" in measured(model, bank, 0.5).passport["remark"]
    assert "gates" not in measured(model, bank, "zero").passport["remark"]
    traced, bank, *_ = network("conv-relu")
    assert "gates" not in measured(traced, bank, 0.5).passport["remark"]


def test_a_value_among_the_answers_is_refused():
    """Of a network that ends with a sigmoid, log p is taken of what the sigmoid reads."""
    model = wake(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, CLASSES, 6)), IMAGES)
    model.extend([nn.Sigmoid(), nn.Flatten()])
    with pytest.raises(ValueError, match="these are the network's answers"):
        measured(model, "2", 0.5)
    assert measured(model, "0", 0.5).passport["engine"] == "graph"


class Gate(nn.Module):
    """A squeeze-and-excite gate multiplies the bank's channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, images):
        maps = torch.relu(self.conv(images))
        maps = maps * torch.sigmoid(self.gate(maps.mean((2, 3), keepdim=True)))
        return self.last(maps.mean((2, 3)))


def test_plans_tell_what_a_value_costs():
    model, bank, *_ = network("max pool")
    data = IMAGES, LABELS
    with torch.no_grad():
        model[0].bias[2], model[0].weight[2] = -1, 0  # silent: zero behind the ReLU
    zero, half, other = (
        carviz.plan_car(model, data, bank, value=value) for value in (0.0, 0.5, "resample")
    )
    assert "channel is not what is set" in str(half)
    assert "channel is not zero" in str(carviz.plan_car(model, data, bank))
    assert zero.active == other.active == pytest.approx(5 / 6)
    assert half.active == 1
    assert zero.head == half.head == other.head


def test_surfaces_do_not_speak_of_zero():
    model, bank, *_ = network("conv-relu")
    words = {v: accuracy_words(measured(model, bank, v)) for v in ("zero", "mean", "optimal", 0.5)}
    assert "in a filter's place" not in words["zero"]
    assert words["mean"].endswith("in a filter's place: its mean")
    assert "18 of 37 images; in a filter's place: its best constant" in words["optimal"]
    assert words[0.5].endswith("in a filter's place: 0.5")


@pytest.mark.parametrize("start", [0, 10])
def test_the_graph_and_the_judge_find_the_same_places_in_random_networks(start):
    """The judge watches, the graph reads: where they differed, no graph would be used."""
    seen = 0
    for seed in range(start, start + 5):
        sample = random_network(seed)
        banks = carviz.list_banks(sample.model).query("not gate").layer.tolist()
        for bank in banks[:2]:
            data = sample.images, sample.targets
            zero = measured(sample.model, bank, "zero", data, filters=[0])
            for value in ("mean", "resample"):
                table = measured(sample.model, bank, value, data, filters=[0])
                if zero.passport["engine"] == "graph":
                    assert table.passport["engine"] == "graph", (seed, bank, value)
                    seen += 1
    assert seen
