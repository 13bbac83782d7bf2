"""What runs on a GPU gives what the CPU gives; skipped where there is none."""

import copy

import numpy as np
import pytest
import torch
from support.reference import agree, baseline, own_log_probs, reference_logits
from support.small import planted
from support.woken import CLASSES, IMAGES, family

import carviz
from carviz.ablation import Run, layout_of
from carviz.ablation.batches import cut_into_batches
from carviz.ablation.tails import read_logits
from carviz.car import prepare_car
from carviz.evaluate import arithmetic, inference_mode

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA device on this machine"
)


def judge(name, layer, site, filters, **how):
    """Measure a bank on the GPU, and judge it by the whole network on the CPU, in float32."""
    model, images, _ = family(name)
    targets = torch.arange(IMAGES) % CLASSES  # a class each, whose mean fall is the image's
    before = copy.deepcopy(model.state_dict())
    table = carviz.measure_car(
        model, (images, targets), layer, filters=filters, device="cuda", progress=False, **how
    )
    whole = own_log_probs(baseline(model, images), targets)
    after = whole - torch.tensor(table.log_prob_drop)[:, targets]
    logits = reference_logits(model, images, site, filters)
    agree(logits, torch.tensor(table.predictions), after, targets, filters=filters)
    assert (table.predictions != table.baseline).any()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.device.type == "cpu" for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "layer", "site"),
    [
        ("alexnet", "features.0", "features.0"),
        ("alexnet", "features.10", "features.10"),
        ("resnet18", "layer2.0.conv1", "layer2.0.bn1"),
        ("mobilenet_v2", "features.9.conv.1.0", "features.9.conv.1.1"),
        ("densenet121", "features.denseblock2.denselayer3.conv1",
         "features.denseblock2.denselayer3.norm2"),
    ],
)  # fmt: skip
def test_car_is_the_slow_reference_s(name, layer, site):
    judge(name, layer, site, [0, 3, 17, 31])


@pytest.mark.parametrize(
    ("name", "layer"),
    [("alexnet", "features.0"), ("alexnet", "features.10"), ("resnet18", "layer2.0.conv1"),
     ("mobilenet_v2", "features.9.conv.1.0")],
)  # fmt: skip
def test_no_batch_waits_for_the_gpu(name, layer):
    model, images, _ = family(name)
    data = images, torch.arange(IMAGES) % CLASSES
    plan = prepare_car(model, data, layer, device="cuda").plan
    assert plan.how == "graph"
    targets, filters = data[1].cuda(), np.arange(16)
    with inference_mode(), arithmetic("float32", "cuda"):
        values = plan.head(images.cuda().to(memory_format=layout_of(plan)))
        rows = np.tile(np.arange(IMAGES), len(filters))
        sets = np.repeat(filters, IMAGES)[:, None]
        batches = list(cut_into_batches(rows, sets, 24, torch.device("cuda")))
        plan.tail(values, batches[0])  # what a library sets up once
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in batches:
                logits = plan.tail(values, batch)
                read_logits(logits, targets.index_select(0, batch.rows))
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize(
    ("name", "layer"), [("alexnet", "features.0"), ("resnet18", "layer2.0.conv1")]
)
def test_low_precision_is_audited(name, layer, precision):
    model, images, _ = family(name)
    data = images, torch.arange(IMAGES) % CLASSES
    exact, table = (
        carviz.measure_car(
            model, data, layer, filters=list(range(16)), device="cuda", progress=False,
            run=Run(precision=each),
        )
        for each in ("float32", precision)
    )  # fmt: skip
    told = table.passport["precision_audit"]
    assert told["precision"] == table.passport["precision"] == precision
    assert told["threshold"] > 1e-4  # it was coarser indeed
    assert abs(table.car - exact.car).max() <= told["largest_change"]
    assert table.has_log_prob_drop == (precision == "tf32")


def test_out_of_memory_means_smaller_batches():
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        # alexnet's weights are 0.23 GB; 1,024 rows of its first maps are more than what is left.
        torch.cuda.set_per_process_memory_fraction(0.6 * 2**30 / total)
        judge("alexnet", "features.0", "features.0", list(range(64)), run=Run(batch_size=1024))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_path_is_the_same_on_both():
    model, data = planted()
    paths = [
        carviz.prune_filters(model, data, "0", device=device, progress=False)
        for device in ("cpu", "cuda")
    ]
    assert paths[0].order.tolist() == paths[1].order.tolist()
    assert np.array_equal(paths[0].predictions, paths[1].predictions)


def test_a_path_of_the_bundled_network_is_nearly_the_same_on_both():
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=16)
    paths = [
        carviz.prune_filters(model, data, "features.0", count=12, device=device, progress=False)
        for device in ("cpu", "cuda")
    ]
    assert len(set(paths[0].order.tolist()) & set(paths[1].order.tolist())) >= 10
    assert np.allclose(paths[0].accuracy, paths[1].accuracy, atol=0.02)


def test_pictures_and_siblings_are_the_same_on_both():
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=8)
    layer = "features.6"
    cpu, gpu = (carviz.top_patches(model, data, layer, device=device) for device in ("cpu", "cuda"))
    assert np.allclose(cpu.responses, gpu.responses, rtol=1e-3)
    assert np.mean(cpu.labels == gpu.labels) > 0.95
    one, other = (
        carviz.measure_siblings(model, data, layer, device=device, progress=False)
        for device in ("cpu", "cuda")
    )
    assert np.allclose(one.by_activation, other.by_activation, atol=1e-3)


def test_a_synthesised_picture_excites_on_a_gpu_as_on_the_cpu():
    model = carviz.load_model("shapes")
    answers = []
    for device in ("cpu", "cuda"):
        *_, last = carviz.iter_excite(model, "features.6", [0, 7], device=device)
        assert (last.values > last.starts).all()
        answers.append(last.values)
    assert np.allclose(*answers, rtol=0.15)  # the moves are drawn on each device
