"""Low precision gives float32's table: close calls run again, and a sample says if that is enough.

The networks' best two classes are as good as tied on most images, so that low precision turns many
predictions; what low precision alone would give is looked at beside each table.
"""

import copy
import pickle
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.small import Fork, Residual, Stubborn, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz.ablation import low_precision
from carviz.ablation.precision_audit import Auditing
from carviz.car import iter_tables, prepare_car
from carviz.evaluate import imitated_tf32

IMAGES, LABELS = random_images(150)
MEMORY = 2**26
COARSE = ["tf32", "bf16"]


@pytest.fixture(autouse=True)
def imitated():
    with imitated_tf32():
        yield


def close(network, step=0.02):
    """Let two classes be ahead of the others, and of each other by little."""
    model = wake(network(), IMAGES[:24], seed=1)
    last = model.last
    with torch.no_grad():
        apart = step * torch.randn(last.weight[0].shape, generator=torch.Generator().manual_seed(5))
        last.weight[1] = last.weight[0] + apart
        last.bias[1] = last.bias[0]
        last.bias[2:] -= 30
        z = model(IMAGES)
        last.bias[1] -= (z[:, 1] - z[:, 0]).median()
    return model


def measure(model, layer="first", data=(IMAGES, LABELS), progress=False, **options):
    run = carviz.Run(memory=MEMORY, **options)
    return carviz.measure_car(model, data, layer, progress=progress, run=run)


def alone(monkeypatch, *args, **options):
    """Return what low precision gives where nothing runs again."""
    with monkeypatch.context() as patched:
        patched.setattr(Auditing, "exact", lambda _self, octaves, *_: octaves < 1)
        patched.setattr("carviz.car.measurement.verify", lambda *_args, **_options: None)
        return measure(*args, **options)


def wrong(table, expected):
    return int((table.predictions != expected.predictions).sum())


STEPS = {"tf32": 0.002, "bf16": 0.02}
"""How near the two classes are, so that each precision turns some predictions."""


@pytest.fixture(scope="module", params=COARSE)
def case(request):
    """Return a precision, a network for it, and its table in float32."""
    model = close(Residual, STEPS[request.param])
    return request.param, model, measure(model)


def test_it_finds_what_float32_finds(monkeypatch, case):
    precision, model, expected = case
    table = measure(model, precision=precision)
    assert wrong(alone(monkeypatch, model, precision=precision), expected) > 3
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    np.testing.assert_array_equal(table.baseline, expected.baseline)
    np.testing.assert_array_equal(table.car, expected.car)
    told = table.passport["precision_audit"]
    assert table.passport["precision"] == told["precision"] == precision
    assert told["pairs"] == table.predictions.size
    assert 0 < told["pairs_run_again"] < told["pairs_run"] <= told["pairs"]
    assert told["images_with_errors"] == told["doubled"] == 0
    assert f"Measured in {precision} and audited in float32" in told["found"]
    assert "precision_audit" not in expected.passport


@pytest.mark.filterwarnings("ignore:carviz. torch.fx could not")
@pytest.mark.parametrize(
    ("network", "layer"),
    [(Fork, "first"), (Fork, "wide"), (Stubborn, "conv"), (Residual, "second")],
)
@pytest.mark.parametrize("precision", COARSE)
def test_every_plan_finds_what_float32_finds_but_for_what_is_told(
    monkeypatch, network, layer, precision
):
    model = close(network, STEPS[precision])
    expected, table = measure(model, layer), measure(model, layer, precision=precision)
    mended = wrong(alone(monkeypatch, model, layer, precision=precision), expected)
    assert mended > 0
    assert wrong(table, expected) <= mended / 10
    told = table.passport["precision_audit"]
    assert abs(table.car - expected.car).max() <= told["largest_change"]
    assert told["largest_change"] < 0.05


def test_two_classes_that_are_one_hide_no_noise():
    """They are ahead on many images, and stay tied whatever low precision does to the others."""
    data = random_images(300)
    model = wake(Residual(), data[0][:24], seed=4)
    with torch.no_grad():
        weight, bias = model.last.weight, model.last.bias
        weight[1], bias[1] = weight[0], bias[0]
        bias[:2] += 1
        generator = torch.Generator().manual_seed(5)
        weight[3] = weight[2] + 0.05 * torch.randn(weight[2].shape, generator=generator)
        bias[3] = bias[2]
    expected, table = measure(model, data=data), measure(model, data=data, precision="bf16")
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    assert table.passport["precision_audit"]["threshold"] > 0.01


def test_a_plan_whose_batches_lose_one_filter(case):
    precision, model, expected = case
    measurement = prepare_car(
        model, (IMAGES, LABELS), "first", run=carviz.Run(precision=precision, memory=MEMORY)
    )
    measurement.plan.numbers, measurement.plan.rows_independent = (), False
    *_, table = iter_tables(measurement)
    np.testing.assert_array_equal(table.predictions, expected.predictions)


def too_low(monkeypatch, by):
    """Let sample A set τ too low."""
    honest = low_precision.threshold_of
    monkeypatch.setattr(low_precision, "threshold_of", lambda *given: honest(*given) / by)


def test_an_error_in_the_sample_doubles_the_threshold(monkeypatch, case):
    precision, model, expected = case
    honest = measure(model, precision=precision).passport["precision_audit"]
    too_low(monkeypatch, 256)
    table = measure(model, precision=precision)
    told = table.passport["precision_audit"]
    assert told["doubled"] > 0
    assert told["images_with_errors"] > 0
    assert told["threshold"] == pytest.approx(honest["threshold"] / 256 * 2 ** told["doubled"])
    assert abs(table.car - expected.car).max() <= told["largest_change"]
    # Chunks that were finished before are as those that would have begun with this threshold.
    monkeypatch.undo()
    too_low(monkeypatch, 256 / 2 ** told["doubled"])
    again = measure(model, precision=precision)
    np.testing.assert_array_equal(again.predictions, table.predictions)
    assert again.passport["precision_audit"]["doubled"] == 0
    counts = ("pairs_run_again", "sample_b_at_risk", "sample_b_pairs", "images_at_risk")
    assert [again.passport["precision_audit"][c] for c in counts] == [told[c] for c in counts]


class StopError(Exception):
    pass


def stop_after(share):
    def progress(done):
        if done > share:
            raise StopError

    return progress


@pytest.mark.parametrize("by", [1, 256])
def test_a_resumed_run_gives_the_same_table(monkeypatch, tmp_path, case, by):
    precision, model, _ = case
    too_low(monkeypatch, by)
    whole = measure(model, precision=precision)
    with pytest.raises(StopError):
        measure(model, precision=precision, checkpoint=tmp_path, progress=stop_after(0.4))
    assert len(list(tmp_path.rglob("chunk-*.npz"))) == 1
    sampled = []
    honest = low_precision.SampleWork.threshold
    monkeypatch.setattr(
        low_precision.SampleWork, "threshold",
        lambda self, chunk, tick=None: sampled.append(1) or honest(self, chunk, tick),
    )  # fmt: skip
    for _ in range(2):
        table = measure(model, precision=precision, checkpoint=tmp_path)
        assert table == whole
        assert table.passport["precision_audit"] == whole.passport["precision_audit"]
    assert not sampled
    with pytest.raises(ValueError, match="precision was"):
        measure(model, checkpoint=tmp_path)


def test_parts_that_were_kept_before_the_threshold_doubled_are_brought_up_to_it(
    monkeypatch, tmp_path
):
    model = close(Residual)
    too_low(monkeypatch, 256)
    whole = measure(model, precision="bf16")
    # The run ends before what was finished first is gone through again.
    monkeypatch.setattr("carviz.car.doubling.Doubling.behind", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure(model, precision="bf16", checkpoint=tmp_path)
    monkeypatch.undo()
    table = measure(model, precision="bf16", checkpoint=tmp_path)
    assert table == whole
    assert table.passport["precision_audit"] == whole.passport["precision_audit"]
    tables = carviz.iter_car(
        model, (IMAGES, LABELS), "first", progress=False,
        run=carviz.Run(memory=MEMORY, precision="bf16", checkpoint=tmp_path),
    )  # fmt: skip
    assert next(tables) == whole


class Elsewhere(Executor):
    """Gives workers what is pickled, as other processes would get it."""

    def submit(self, function, *args):
        future = Future()
        function, args = pickle.loads(pickle.dumps((function, args)))
        future.set_result(pickle.loads(pickle.dumps(function(*args))))
        return future


def sequential():
    layers = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten()
    return wake(nn.Sequential(*layers, nn.Linear(256, 5)), IMAGES[:24])


@pytest.mark.parametrize("by", [1, 256])
@pytest.mark.parametrize("precision", COARSE)
def test_workers_find_the_same(monkeypatch, precision, by):
    too_low(monkeypatch, by)
    model = sequential()
    whole = measure(model, "0", precision=precision)
    with ThreadPoolExecutor(2) as threads:
        for executor in (Elsewhere(), threads):
            table = measure(model, "0", precision=precision, executor=executor)
            np.testing.assert_array_equal(table.predictions, whole.predictions)
            told = table.passport["precision_audit"]
            assert told == whole.passport["precision_audit"]


def test_facts_of_another_form_are_measured_here():
    class Forgetful(Elsewhere):
        def submit(self, *args):
            future = super().submit(*args)
            facts = copy.copy(future.result())
            if facts is not None:
                object.__setattr__(facts, "octaves", facts.octaves[:1])
            wrong = Future()
            wrong.set_result(facts)
            return wrong

    model = sequential()
    with pytest.warns(UserWarning, match=r"its octaves have shape \(1, .* measured in this"):
        table = measure(model, "0", precision="bf16", executor=Forgetful())
    np.testing.assert_array_equal(table.predictions, measure(model, "0").predictions)


def test_log_p_is_left_out_by_bfloat16_and_as_good_as_float32s_in_tf32():
    model = close(Residual)
    expected, coarse, fine = (measure(model, precision=p) for p in ("float32", "bf16", "tf32"))
    assert np.isnan(coarse.log_prob_drop).all()
    assert not coarse.has_log_prob_drop
    np.testing.assert_allclose(fine.log_prob_drop, expected.log_prob_drop, atol=3e-3)
    assert (np.argsort(fine.log_prob_drop_all) == np.argsort(expected.log_prob_drop_all)).all()


def test_a_cpu_has_no_tf32(monkeypatch):
    model = close(Residual)
    expected = measure(model)
    monkeypatch.setattr("carviz.evaluate.tf32._imitated", 0)
    with pytest.warns(UserWarning, match="TF32 is for NVIDIA's GPUs; this device .cpu."):
        table = measure(model, precision="tf32")
    np.testing.assert_array_equal(table.log_prob_drop, expected.log_prob_drop)
    assert table.passport["precision"] == "float32"
    assert "precision_audit" not in table.passport


def test_logits_that_only_low_precision_makes_infinite_run_again():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(2, 2),
    ).eval()  # fmt: skip
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 1.0]).view(2, 1, 1, 1))
        model[2].weight.copy_(torch.tensor([[1.0, 0.5], [0.5, 1.0]]).view(2, 2, 1, 1))
        model[5].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    images = torch.rand(40, 1, 1, 1) + 0.5
    images[7] = 3.395e38 / 1.5  # bfloat16 rounds 3.395e38 up to infinity
    data = images, torch.arange(40) % 2
    table, exact = (measure(model, "0", data, precision=p) for p in ("bf16", "float32"))
    np.testing.assert_array_equal(table.predictions, exact.predictions)
    images[7] = 3e38
    with pytest.raises(ValueError, match="image 7 has NaN or infinity"):
        measure(model, "0", data, precision="bf16")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_batches_side_by_side_are_as_coarse_as_one_after_the_other(monkeypatch, case):
    precision, model, expected = case
    table = measure(model, precision=precision, batch_size=16)
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    assert wrong(alone(monkeypatch, model, precision=precision, batch_size=16), expected) > 3
