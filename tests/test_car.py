"""CAR planted by hand, the laws it obeys, and what bad input is told."""

import copy
import math
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference import agree, own_log_probs, reference_logits
from support.small import Fork, Pooled, Residual, Stubborn, Twice, planted, random_images
from support.woken import wake
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import carviz
from carviz.ablation import Run
from carviz.car import iter_tables, prepare_car
from carviz.results.record import same_measurement


def measure(model, data, layer, **options):
    return carviz.measure_car(model, data, layer, progress=False, **options)


def test_planted_car_is_found():
    model, data = planted()
    table = measure(model, data, "0")
    assert table.baseline.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert table.accuracy == 5 / 8
    # Without filter 0 positive images tie and go to class 0; without 1 or 2 the twin still votes;
    # without 3 images 4 and 5 are put right.
    assert table.lost_all.tolist() == [0, 0, 0, 0]
    assert table.gained_all.tolist() == [0, 0, 0, 2]
    assert table.car.tolist() == [0, 0, 0, -2 / 8]
    assert table.class_car[3].tolist() == [-2 / 6, 0]
    assert table.order[-1] == 3
    assert table.order[0] == 0  # it carries class 0: the tie in CAR falls back on log p
    flips = table.flips(3)
    assert flips.image.tolist() == [3, 4]
    assert flips.change.tolist() == ["gained", "gained"]
    assert flips.after.tolist() == ["0", "0"]


def test_log_prob_drop_is_the_mean_fall_over_the_class():
    model, data = planted()
    table = measure(model, data, "0")
    logits = reference_logits(model, data[0], "0", [0])[0]
    before = own_log_probs(model(data[0]).detach(), data[1])
    fall = before - own_log_probs(logits, data[1])
    expected = [fall[data[1] == c].mean().item() for c in (0, 1)]
    assert table.log_prob_drop[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("network", [Residual, Stubborn, Twice, Fork, Pooled])
def test_small_networks_agree_with_the_slow_reference(network):
    images, labels = random_images()
    model = wake(network(), images, seed=1)
    sites = {
        "Residual": {"first": "first", "second": "norm", "third": "third"},
        "Stubborn": {"conv": "norm"},
        "Twice": {"shared": "shared", "stem": "stem"},
        "Fork": {"first": "first", "wide": "wide"},
        "Pooled": {"first": "norm", "depthwise": "depthwise", "last": "last"},
    }[network.__name__]
    for layer, site in sites.items():
        filters = list(range(model.get_submodule(layer).out_channels))
        expected = reference_logits(model, images, site, filters)
        assert (expected.argmax(2) != model.eval()(images).argmax(1)).any(), "nothing moves"
        measurement = prepare_car(model, (images, labels), layer)
        table = last(iter_tables(measurement))
        assert table.passport["engine"] == ("hooks" if network is Stubborn else "graph")
        np.testing.assert_array_equal(
            table.predictions, expected.argmax(2).numpy(), err_msg=f"{layer} of {network}"
        )


def last(tables):
    *_, final = tables
    return final


def test_an_untraceable_network_is_told_once_that_it_is_slower():
    images, labels = random_images()
    with pytest.warns(UserWarning, match="whole network runs once per filter"):
        measure(wake(Stubborn(), images), (images, labels), "conv", filters=[0])


@pytest.mark.parametrize(("own", "site"), [(True, "norm"), (False, "conv")])
def test_hooks_find_the_convolutions_own_batch_norm(own, site):
    images, labels = random_images()
    model = wake(Stubborn(own=own), images)
    table = last(iter_tables(prepare_car(model, (images, labels), "conv")))
    assert f"output of {site!r}" in table.passport["ablation"]
    expected = reference_logits(model, images, site, range(6))
    np.testing.assert_array_equal(table.predictions, expected.argmax(2).numpy())
    other = reference_logits(model, images, "conv" if own else "norm", range(6))
    assert (other.argmax(2) != expected.argmax(2)).any(), "the wrong side would not be noticed"


# -- laws


@st.composite
def cases(draw):
    seed = draw(st.integers(0, 10_000))
    images = draw(st.integers(1, 40))
    classes = draw(st.integers(2, 6))
    return seed, images, classes


@settings(max_examples=25, deadline=None)
@given(cases())
def test_car_is_the_weighted_sum_of_class_car(case):
    seed, count, classes = case
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3, classes)
    )
    data = torch.randn(count, 1, 3, 3), torch.randint(0, classes, (count,))
    table = measure(model, data, "0")
    weighted = np.nan_to_num(table.class_car) @ table.class_images / count
    np.testing.assert_allclose(table.car, weighted, atol=1e-12)
    np.testing.assert_array_equal(
        (table.lost - table.gained).sum(1), table.lost_all - table.gained_all
    )
    right = (table.predictions == table.targets).mean(1)
    np.testing.assert_allclose(table.car, table.accuracy - right, atol=1e-12)


def test_tables_grow_and_the_first_is_a_fair_sample():
    images, labels = random_images(300, classes=4)
    labels = labels.sort().values  # as a folder is
    model = wake(Residual(4), images)
    tables = list(carviz.iter_car(model, (images, labels), "first", progress=False))
    assert [len(t.images) for t in tables] == [32, 96, 224, 300]
    assert [t.complete for t in tables] == [False, False, False, True]
    shares = tables[0].class_images / 32 - tables[-1].class_images / 300
    assert np.abs(shares).max() <= 1 / 32 + 1e-9
    whole = tables[-1]
    assert whole.images.tolist() == list(range(300))
    np.testing.assert_array_equal(whole.targets, labels)
    np.testing.assert_array_equal(tables[1].predictions, whole.predictions[:, tables[1].images])


@pytest.mark.parametrize(
    "run", [Run(batch_size=1), Run(batch_size=7), Run(memory=1), Run(memory=50_000)]
)
def test_how_it_runs_does_not_change_what_it_finds(run):
    images, labels = random_images(50)
    model = wake(Residual(), images)
    expected = measure(model, (images, labels), "first")
    table = measure(model, (images, labels), "first", run=run)
    np.testing.assert_array_equal(table.predictions, expected.predictions)
    np.testing.assert_allclose(table.log_prob_drop, expected.log_prob_drop, atol=1e-6)


def test_every_kind_of_data_gives_the_same_table():
    images, labels = random_images(40)
    model = wake(Residual(), images)
    expected = measure(model, (images, labels), "second")
    dataset = TensorDataset(images, labels)
    for data in (
        dataset,
        [(x, int(y)) for x, y in dataset],
        (images.numpy(), labels.numpy()),
        DataLoader(dataset, batch_size=7, shuffle=True),
        DataLoader(dataset, batch_size=7, shuffle=True, num_workers=1),
    ):
        table = measure(model, data, "second")
        np.testing.assert_array_equal(table.predictions, expected.predictions)
        np.testing.assert_array_equal(table.targets, expected.targets)


def test_one_image_and_one_filter():
    images, labels = random_images(1)
    table = measure(wake(Residual(), random_images()[0]), (images, labels), "third", filters=[5])
    assert table.filters.tolist() == [5]
    assert table.predictions.shape == (1, 1)


def test_filters_keep_their_numbers():
    images, labels = random_images()
    model = wake(Residual(), images)
    whole = measure(model, (images, labels), "third")
    some = measure(model, (images, labels), "third", filters=[6, 1])
    assert some.filters.tolist() == [6, 1]
    np.testing.assert_array_equal(some.predictions, whole.predictions[[6, 1]])
    assert some.row(1) == 1


def test_half_precision_networks():
    images, labels = random_images()
    model = wake(Residual(), images).to(torch.bfloat16)
    table = measure(model, (images, labels), "first")
    expected = reference_logits(model, images.to(torch.bfloat16), "first", range(6))
    assert (table.predictions == expected.argmax(2).numpy()).mean() > 0.9


def test_class_names():
    images, labels = random_images()
    model = wake(Residual(), images)
    assert measure(model, (images, labels), "third").classes == ("0", "1", "2", "3", "4")
    model.classes = tuple("abcde")
    assert measure(model, (images, labels), "third").classes == tuple("abcde")

    class Named(TensorDataset):
        classes = ("v", "w", "x", "y", "z")

    assert measure(model, Named(images, labels), "third").classes == ("v", "w", "x", "y", "z")


# -- the model is never touched


def state_of(model):
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        [module.training for module in model.modules()],
        [getattr(module, "inplace", None) for module in model.modules()],
        [len(module._forward_hooks) for module in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [id(p) for p in model.parameters()],
    )


def assert_untouched(model, before):
    after = state_of(model)
    assert all(torch.equal(after[0][name], tensor) for name, tensor in before[0].items())
    assert after[1:] == before[1:]


@pytest.mark.parametrize("network", [Residual, Stubborn, Twice])
def test_the_model_comes_back_bitwise_untouched(network):
    images, labels = random_images()
    model = wake(network(), images).train()
    layer = next(n for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    before = state_of(model)
    measurement = prepare_car(model, (images, labels), layer)
    last(iter_tables(measurement))
    assert_untouched(model, before)


def test_the_model_comes_back_untouched_after_an_error_and_after_a_cancel():
    images, labels = random_images(100)
    model = wake(Residual(), images).train()
    before = state_of(model)
    tables = carviz.iter_car(model, (images, labels), "first", progress=False)
    next(tables)
    tables.close()
    assert_untouched(model, before)

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carviz.measure_car(model, (images, labels), "first", progress=stop)
    assert_untouched(model, before)
    bad = images.clone()
    bad[77, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="image 77"):
        measure(model, (bad, labels), "first")
    assert_untouched(model, before)


def test_dropout_left_in_training_mode_is_off():
    images, labels = random_images()
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(), nn.Linear(400, 5)
    ).train()
    first, second = (measure(model, (images, labels), "0") for _ in range(2))
    assert first == second


def test_another_thread_may_run_a_module_meanwhile():
    images, labels = random_images(200)
    model, other = wake(Residual(), images), nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    stop, failures = threading.Event(), []

    def loop():
        while not stop.is_set():
            try:
                other(images[:2])
            except Exception as error:
                failures.append(error)

    measurement = prepare_car(model, (images, labels), "first")  # tracing is over here
    thread = threading.Thread(target=loop)
    thread.start()
    last(iter_tables(measurement))
    stop.set()
    thread.join()
    assert failures == []


def test_two_threads_measure_at_once():
    images, labels = random_images(100)
    model = wake(Residual(), images)
    expected = {layer: measure(model, (images, labels), layer) for layer in ("first", "third")}
    prepared = {layer: prepare_car(model, (images, labels), layer) for layer in expected}
    found = {}

    def work(layer):
        found[layer] = last(iter_tables(prepared[layer]))

    threads = [threading.Thread(target=work, args=(layer,)) for layer in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


# -- progress


def test_progress_is_told_after_every_batch():
    images, labels = random_images(50)
    shares = []
    carviz.measure_car(
        wake(Residual(), images), (images, labels), "first", progress=shares.append,
        run=Run(batch_size=10),
    )  # fmt: skip
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 20


# -- bad input


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"layer": "frist"}, ValueError, "Nearest: 'first'"),
        ({"layer": "last"}, ValueError, "is a Linear"),
        ({"layer": 3}, TypeError, "found int"),
        ({"layer": nn.Conv2d(3, 6, 3)}, ValueError, "is not among them"),
        ({"filters": [6]}, ValueError, "filters 0 to 5; found 6"),
        ({"filters": [-1]}, ValueError, "found -1"),
        ({"filters": []}, ValueError, "empty list"),
        ({"filters": [1, 1]}, ValueError, "once; found 1 twice"),
        ({"filters": [0.5]}, TypeError, "whole numbers"),
        ({"filters": 2}, TypeError, r"Write \[2\]"),
        ({"labels": 5}, ValueError, "0 to 4; image 3 has label 5"),
        ({"labels": -1}, ValueError, "image 3 has label -1"),
        ({"labels": 0.5}, ValueError, r"image 3 has 0\.5"),
        ({"length": 3}, ValueError, "24 images and 3 labels"),
        ({"length": 0}, ValueError, "one image at least"),
        ({"channels": 1}, ValueError, "images of 3 channels; the data has 1"),
        ({"dtype": torch.uint8}, TypeError, "floating point"),
        ({"image": math.nan}, ValueError, "image 5 holds NaN"),
        ({"weight": math.nan}, ValueError, "'second.weight' holds NaN"),
        ({"model": "resnet18"}, TypeError, "carviz.load_model"),
        ({"model": nn.ReLU}, TypeError, "found type"),
        ({"run": 3}, TypeError, "carviz.Run"),
        ({"data": "folder"}, TypeError, "carviz.load_data"),
        ({"data": torch.zeros(3)}, TypeError, "found Tensor"),
        ({"device": "nowhere"}, ValueError, "torch device"),
    ],
)
def test_bad_input_is_told_the_rule_what_was_found_and_the_way_out(change, kind, words):
    images, labels = random_images()
    model = wake(Residual(), images)
    before = state_of(model)
    arguments = {"model": model, "layer": "first"} | {
        k: v for k, v in change.items() if k in ("model", "layer", "filters", "run", "device")
    }
    if "labels" in change:
        labels = labels.to(torch.float32 if isinstance(change["labels"], float) else torch.int64)
        labels[3] = change["labels"]
    if "length" in change:
        labels = labels[: change["length"]]
        images = images[:0] if change["length"] == 0 else images
    if "channels" in change:
        images = images[:, :1]
    if "dtype" in change:
        images = images.to(change["dtype"])
    if "image" in change:
        images[5, 1, 2, 3] = change["image"]
    if "weight" in change:
        with torch.no_grad():
            model.second.weight[0, 0, 0, 0] = change["weight"]
        before = state_of(model)
    data = change.get("data", (images, labels))
    with pytest.raises(kind, match=words):
        carviz.measure_car(data=data, progress=False, **arguments)
    if "weight" not in change:
        assert_untouched(model, before)


def test_nan_logits_name_the_image():
    images, labels = random_images()
    images[9] *= 1e30
    model = wake(Residual(), random_images()[0])
    with torch.no_grad():
        model.last.weight *= 1e30
    with pytest.raises(ValueError, match=r"image 9 has NaN"):
        measure(model, (images, labels), "first")


class Jittered(Dataset):
    classes = tuple("01234")

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.randn(3, 12, 12), 0


def test_random_augmentation_is_refused():
    with pytest.raises(ValueError, match="random augmentation"):
        measure(Residual(), Jittered(), "first")


class Drunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, images):
        return torch.dropout(self.conv(images), 0.5, True).mean((2, 3))


def test_a_network_that_is_not_a_function_of_the_image_is_refused():
    images, labels = random_images()
    with pytest.raises(ValueError, match="same logits for the same image"):
        measure(Drunk(), (images, labels), "conv")
    crowd = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(),
        nn.Linear(400, 5),
    )  # fmt: skip
    with pytest.raises(ValueError, match="running statistics"):
        measure(crowd, (images, labels), "0")


def test_a_network_without_logits_is_refused():
    images, labels = random_images()
    with pytest.raises(ValueError, match="logits"):
        measure(nn.Sequential(nn.Conv2d(3, 4, 3)), (images, labels), "0")


def test_names_that_do_not_fit_the_logits_are_refused():
    images, labels = random_images()

    class Named(TensorDataset):
        classes = ("a", "b")

    with pytest.raises(ValueError, match="2 names for 5 logits"):
        measure(Residual(), Named(images, labels), "first")


def test_the_passport_tells_model_and_data_apart():
    images, labels = random_images()
    model = wake(Residual(), images)
    first = measure(model, (images, labels), "third").passport
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.last.bias[0] += 1e-3
    assert measure(other, (images, labels), "third").passport["model"] != first["model"]
    assert measure(model, (images + 1e-3, labels), "third").passport["data"] != first["data"]
    assert same_measurement(measure(model, (images, labels), "third").passport, first)


def test_a_shared_agreement_helper_notices_a_lie():
    """The judge itself: unablated predictions must not pass."""
    images, labels = random_images()
    model = wake(Residual(), images)
    expected = reference_logits(model, images, "first", range(6))
    logits = model.eval()(images).detach()
    lie = logits.argmax(1).repeat(6, 1)
    with pytest.raises(AssertionError):
        agree(expected, lie, own_log_probs(logits, labels).repeat(6, 1), labels)


def test_a_cancel_need_not_wait_for_the_first_filter():
    images, labels = random_images(50)

    def stop(share):
        assert share == 0
        raise KeyboardInterrupt

    measurement = prepare_car(wake(Residual(), images), (images, labels), "first")
    with pytest.raises(KeyboardInterrupt):
        last(iter_tables(measurement, stop))
