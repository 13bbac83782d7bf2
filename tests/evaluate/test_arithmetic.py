"""float32 means float32, on a GPU too: whatever runs a network for the user switches TF32 off."""

import threading
import warnings
from contextlib import contextmanager

import pytest
import torch
from support.small import random_images
from torch import Tensor, nn

import carviz
from carviz.evaluate import arithmetic, imitated_tf32, in_float32

BACKENDS = torch.backends
OLDER = {
    "allow_tf32": lambda: BACKENDS.cudnn.allow_tf32,
    "products": torch.get_float32_matmul_precision,
}
NEWER = {
    "all": BACKENDS,
    "cudnn": BACKENDS.cudnn,
    "cudnn.conv": BACKENDS.cudnn.conv,
    "cudnn.rnn": BACKENDS.cudnn.rnn,
    "cuda.matmul": BACKENDS.cuda.matmul,
    "mkldnn": BACKENDS.mkldnn,
    "mkldnn.conv": BACKENDS.mkldnn.conv,
    "mkldnn.matmul": BACKENDS.mkldnn.matmul,
}
OPERATORS = [name for name in NEWER if "." in name]


def switches():
    """Return all of torch's switches; an error's name where it refuses to read one."""
    found = {name: switch.fp32_precision for name, switch in NEWER.items()}
    for name, read in OLDER.items():
        try:
            found[name] = read()
        except RuntimeError as error:
            found[name] = type(error).__name__
    return found


@contextmanager
def restored():
    """Put the older switches back as torch sets them, and the newer ones as they were."""
    kept = {name: switch.fp32_precision for name, switch in NEWER.items()}
    try:
        yield
    finally:
        BACKENDS.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("highest")
        for name, switch in NEWER.items():
            switch.fp32_precision = kept[name]


def assert_precision(said):
    found = switches()
    assert {found[name] for name in OPERATORS} == {said}


class Watched(nn.Conv2d):
    """A convolution that notes in which precision cuDNN may run while it runs."""

    def forward(self, images: Tensor) -> Tensor:
        if not isinstance(images, torch.fx.Proxy):
            SEEN.append(BACKENDS.cudnn.conv.fp32_precision)
        return super().forward(images)


SEEN: list[str] = []


@pytest.fixture
def network():
    SEEN.clear()
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), Watched(4, 4, 1), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 5)).eval()


def older(products="highest", allow_tf32=True):
    torch.set_float32_matmul_precision(products)
    BACKENDS.cudnn.allow_tf32 = allow_tf32


def newer(**values):
    for name, value in values.items():
        NEWER[name.replace("_", ".")].fp32_precision = value


@pytest.mark.parametrize(
    "set_by_the_user",
    [
        lambda: None,
        lambda: older(products="high"),
        lambda: older(products="medium"),
        lambda: older(allow_tf32=False),
        lambda: newer(cudnn_conv="ieee"),
        lambda: newer(all="tf32"),
        lambda: newer(all="ieee"),
        lambda: newer(cuda_matmul="tf32"),
        lambda: newer(mkldnn_matmul="bf16", cudnn="ieee"),
        lambda: (older(products="high"), newer(cudnn="ieee")),
    ],
)
def test_every_switch_is_set_and_put_back(set_by_the_user):
    with restored(), warnings.catch_warnings():
        warnings.simplefilter("error")
        set_by_the_user()
        before = switches()
        with arithmetic("float32", "cpu"):
            assert_precision("ieee")
        assert switches() == before
        with arithmetic("tf32", "cpu"):
            assert_precision("tf32")
            with arithmetic("float32", "cpu"):
                assert_precision("ieee")
            assert_precision("tf32")
        with pytest.raises(RuntimeError, match="channels"), arithmetic("tf32", "cpu"):
            nn.Conv2d(1, 1, 1)(torch.zeros(1, 2, 3, 3))
        with arithmetic("bf16", "cpu"):
            assert_precision("ieee")
            assert torch.is_autocast_enabled("cpu")
        assert switches() == before


def test_the_older_switches_can_be_read_while_a_network_runs():
    with restored():
        older(products="high")
        with arithmetic("float32", "cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not BACKENDS.cudnn.allow_tf32


def test_threads_that_come_and_go_leave_the_switches_as_they_were():
    before, inside, leave = switches(), threading.Event(), threading.Event()

    def compute():
        with arithmetic("float32", "cpu"):
            inside.set()
            assert leave.wait(20)

    with arithmetic("tf32", "cpu"):
        other = threading.Thread(target=compute)
        other.start()
        assert inside.wait(20)
        assert_precision("ieee")
    assert_precision("ieee")  # who came first has gone; the other still computes
    leave.set()
    other.join(20)
    assert switches() == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, data: carviz.measure_car(model, data, "0", progress=False),
        lambda model, data: carviz.prune_filters(model, data, "0", count=2, progress=False),
        lambda model, data: carviz.measure_siblings(model, data, "2", progress=False),
        lambda model, data: carviz.measure_selectivity(model, "2", data=data),
        lambda model, data: carviz.rgb_weights(model, "2", data=data),
        lambda model, data: carviz.top_patches(model, data, "2"),
        lambda model, data: carviz.excite(model, "2", 0, data=data),
    ],
    ids=["car", "path", "siblings", "selectivity", "weights", "patches", "synthesis"],
)
def test_the_network_never_runs_in_tf32_unless_asked_for(network, ask):
    assert BACKENDS.cudnn.conv.fp32_precision == "tf32", "torch's own setting"
    ask(network, random_images())
    assert SEEN
    assert set(SEEN) == {"ieee"}


def test_a_run_in_tf32_does_where_there_is_tf32(network):
    run = carviz.Run(precision="tf32")
    with pytest.warns(UserWarning, match="TF32 is for NVIDIA's GPUs; this device .cpu. measures"):
        carviz.measure_car(network, random_images(), "0", run=run, progress=False)
    assert set(SEEN) == {"ieee"}
    with imitated_tf32():
        carviz.measure_car(network, random_images(), "0", run=run, progress=False)
    assert set(SEEN) == {"ieee", "tf32"}


def test_a_step_may_be_in_float32():
    for precision in ("tf32", "float32"):
        with arithmetic(precision, "cpu"):
            with in_float32("cpu"):
                assert_precision("ieee")
            assert_precision("tf32" if precision == "tf32" else "ieee")
    with arithmetic("bf16", "cpu"):
        with in_float32("cpu"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
