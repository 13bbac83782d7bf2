"""What a call that was interrupted must leave as it was: the process's and the user's own."""

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import _symbolic_trace
from torch.nn.modules import module as torch_module

from carviz.banks import TRACING

BACKENDS = torch.backends
SWITCHES = [
    BACKENDS, BACKENDS.cudnn, BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn, BACKENDS.cuda.matmul,
    BACKENDS.mkldnn, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul,
]  # fmt: skip
FLAGS: list[Callable[[], Any]] = [
    torch.is_grad_enabled,
    torch.is_inference_mode_enabled,
    lambda: torch.is_autocast_enabled("cpu"),
    lambda: torch.get_autocast_dtype("cpu"),
    torch.is_autocast_cache_enabled,
    torch.are_deterministic_algorithms_enabled,
    torch.get_default_dtype,
    torch.get_num_threads,
    torch.get_float32_matmul_precision,
    lambda: BACKENDS.cudnn.allow_tf32,
    lambda: BACKENDS.cudnn.benchmark,
    _symbolic_trace._get_is_fx_tracing,
    lambda: tuple(torch.get_rng_state().tolist()),
]


class State:
    """All that is looked at, as it is when this is made."""

    def __init__(self, model: nn.Module | None = None, images: Tensor | None = None) -> None:
        self.found: dict[str, Any] = {
            "call": nn.Module.__call__,
            "getattr": nn.Module.__getattr__,
            "handler": signal.getsignal(signal.SIGINT),
            "patcher": _symbolic_trace.CURRENT_PATCHER,
            "switches": [switch.fp32_precision for switch in SWITCHES],
            "flags": [read() for read in FLAGS],
            "global hooks": [len(hooks) for hooks in _global_hooks()],
            "lock": _is_free(TRACING),
            "files": sorted(p.name for p in Path(tempfile.gettempdir()).iterdir() if _is_ours(p)),
        }
        self.threads = _threads()
        if model is not None and images is not None:
            self.found |= {
                "training": [m.training for m in model.modules()],
                "hooks": [[len(getattr(m, n)) for n in HOOKS] for m in model.modules()],
                "needs grad": [p.requires_grad for p in model.parameters()],
                "grads": [p.grad is None for p in model.parameters()],
                "places": [p.data_ptr() for p in model.parameters()],
                "attributes": [sorted(vars(m)) for m in model.modules()],
                "in place": [getattr(m, "inplace", None) for m in model.modules()],
                "state": {k: v.clone() for k, v in model.state_dict().items()},
                "answer": model(images).detach().clone(),
            }

    def differences(self, other: "State") -> list[str]:
        """Return what is otherwise now; threads have two seconds to end."""
        names = [
            f"{name}: {own} before, {other.found[name]} now"
            for name, own in self.found.items()
            if not _same(own, other.found[name])
        ]
        end = time.monotonic() + 2
        while (more := _threads() - self.threads) and time.monotonic() < end:
            time.sleep(0.01)
        return names + [f"thread {thread.name}" for thread in more]


def _threads() -> set[threading.Thread]:
    """Return all threads but the workers that wait, like torch's own, for this one's next work."""
    return {thread for thread in threading.enumerate() if thread.name != "carviz-worker"}


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def unchanged(model: nn.Module | None = None, images: Tensor | None = None) -> Iterator[None]:
    """Assert that all is afterwards as it was, and that the user's network runs as it did."""
    before = State(model, images)
    yield
    differences = before.differences(State(model, images))
    assert not differences, differences


def _global_hooks() -> list[Any]:
    names = ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks")
    return [getattr(torch_module, name) for name in names]


def _is_ours(path: Path) -> bool:
    return not path.name.startswith("torchinductor")  # torch makes it when it is first imported


def _is_free(lock: Any) -> bool:
    """Whether another thread could take a lock."""
    taken: list[bool] = []

    def take() -> None:
        taken.append(lock.acquire(blocking=False))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    return bool(a == b)
