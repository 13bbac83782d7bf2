"""Ctrl-C at random moments: what is interrupted leaves the process and the network as they were.

`PYTHONPATH=.:tests python tests/campaign/interrupts.py --interrupts 1000 --seed 0` runs the
campaign; it prints counts, and ends with 1 where anything was left behind. Real SIGINTs come from
another thread, up to three of them, while carviz measures, prunes, lists and draws.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import functools
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from support.small import Fork, Pooled, Residual, Stubborn, Twice, random_images
from support.unchanged import State
from torch import nn

import carviz

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual, "fork": Fork, "pooled": Pooled,
    "untraceable": Stubborn, "untraceable, a sum": lambda: Stubborn(own=False), "twice": Twice,
}  # fmt: skip
DATA = random_images(count=40)
MOST = 3
"""SIGINTs in a row."""


def measure(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.measure_car(model, DATA, layer, progress=False)


def measure_and_keep(model: nn.Module, layer: str, folder: Path) -> Any:
    run = carviz.Run(checkpoint=folder / "kept")
    carviz.measure_car(model, DATA, layer, progress=False, run=run).save(folder / "table.npz")


def prune(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.prune_filters(model, DATA, layer, count=2, progress=False)


def list_them(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.list_banks(model)


def tell_apart(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.measure_selectivity(model, layer, data=DATA)


def picture(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.rgb_weights(model, layer, data=DATA)


def patches(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.top_patches(model, DATA, layer)


def excite(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.excite(model, layer, 0, data=DATA)


def compress(model: nn.Module, layer: str, folder: Path) -> Any:
    return carviz.compress(model, {layer: [0]}, DATA)


ASKED = [
    measure, measure_and_keep, prune, list_them, tell_apart, picture, patches, excite, compress,
]  # fmt: skip


class Interrupting:
    """Sends SIGINT to the main thread from another one, after `seconds`, `times` in a row."""

    def __init__(self, seconds: float, times: int, pause: float) -> None:
        self._seconds, self._times, self._pause = seconds, times, pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        wait = self._seconds
        for _ in range(self._times):
            if self._over.wait(wait):
                return
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            wait = self._pause

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def do(work: Callable[[], Any]) -> Any:
    """Do a piece of work; SIGINT raises while this is running, and nowhere else."""
    return work()


def raise_inside(_number: int, frame: FrameType | None) -> None:
    """Handle SIGINT as Python does, but let go what comes when the work is over."""
    while frame is not None:
        if frame.f_code is do.__code__:
            raise KeyboardInterrupt
        frame = frame.f_back


def interrupted(work: Callable[[], Any], seconds: float, times: int, pause: float) -> str:
    """Do a piece of work that is interrupted meanwhile; return how it ended."""
    sender, how = Interrupting(seconds, times, pause), "was over before"
    sender.start()
    try:
        do(work)
    except KeyboardInterrupt:
        how = "was interrupted"
    except Exception as error:
        how = f"raised {type(error).__name__}: {error}"
    sender.stop()
    return how


def checksum(model: nn.Module) -> float:
    return float(sum(tensor.double().sum() for tensor in model.state_dict().values()))


def damaged_files(folder: Path) -> list[str]:
    """Return what lies in a folder and is no whole file of carviz."""
    left = [str(path) for path in folder.rglob(".*")]
    for path in folder.glob("*.npz"):
        try:
            carviz.CarTable.load(path)
        except Exception as error:
            left.append(f"{path.name}: {error}")
    return left


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--interrupts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, raise_inside)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    chance, images = random.Random(options.seed), DATA[0][:4]
    models = {name: make().eval() for name, make in NETWORKS.items()}
    for name in ("residual", "untraceable"):  # as a user has it in the midst of training
        models[f"{name}, training"] = copy.deepcopy(models[name]).train()
    banks = {name: carviz.list_banks(model).layer.tolist() for name, model in models.items()}
    lasts: dict[tuple[str, str], float] = {}
    counts: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    begun = time.monotonic()
    done = 0
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        while done < options.interrupts and time.monotonic() - begun < 60 * options.minutes:
            name, ask = chance.choice(sorted(models)), chance.choice(ASKED)
            model, layer = models[name], chance.choice(banks[name])
            if (name, ask.__name__) not in lasts:
                lasts[name, ask.__name__] = _seconds(model, layer, ask)
            seconds = chance.uniform(0, lasts[name, ask.__name__])
            times, pause = chance.randint(1, MOST), chance.choice([0, 0.0005, 0.005])
            with tempfile.TemporaryDirectory(dir=Path(own).parent) as folder:
                before = State(model if not model.training else None, images)
                weights, modes = checksum(model), [m.training for m in model.modules()]
                work = functools.partial(ask, model, layer, Path(folder))
                how = interrupted(work, seconds, times, pause)
                after = State(model if not model.training else None, images)
                left = before.differences(after) + damaged_files(Path(folder))
                if weights != checksum(model) or modes != [m.training for m in model.modules()]:
                    left.append("the weights or the modes")
            counts[f"{ask.__name__}: {how[:90]}"] += 1
            done += how == "was interrupted"
            if left:
                failures.append(f"{ask.__name__} of {name}, {layer}, after {seconds:.4f} s: {left}")
                print(failures[-1], flush=True)
        tempfile.tempdir = None
    for what, count in sorted(counts.items()):
        print(f"{count:6} {what}")
    print(f"{done} interrupts, {len(failures)} that left something, {_spent(begun)}")
    return bool(failures)


def _seconds(model: nn.Module, layer: str, ask: Callable[..., Any]) -> float:
    """Return how long a piece of work takes when nobody interrupts it."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        with contextlib.suppress(TypeError, ValueError):  # refusing takes time, too
            ask(model, layer, Path(folder))
        return time.monotonic() - begun


def _spent(begun: float) -> str:
    return f"{time.monotonic() - begun:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
