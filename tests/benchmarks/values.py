"""Time a bank with other values than zero in its filters' places, beside zero.

    python tests/benchmarks/values.py [--banks NETWORK:BANK ...]

Networks are torchvision's, with random weights, or the bundled ones. In a turn, in one process,
each bank is measured by zero as it is measured, by zero with no image left out (*nothing skipped*),
and by the values, with no image left out either: what a value costs is read off the last column,
beside zero with nothing skipped. The pass over the images that a mean takes is told by itself.
Turns alternate, so that what else the machine does falls on all.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

from rows import Row, markdown, save
from turns import print_about

BANKS = ["shapes:features.3", "alexnet:features.3", "resnet18:layer3.0.conv1"]
WAYS: dict[str, tuple[Any, bool]] = {
    "zero": ("zero", True),
    "zero, nothing skipped": ("zero", False),
    "0.0": (0.0, False),
    "mean": ("mean", False),
    "resample": ("resample", False),
}
"""By name: the value, and whether images are left out."""
AGAINST = "zero, nothing skipped"


def measured(model: Any, data: Any, layer: str, way: str, memory: int) -> tuple[float, float]:
    """Return the seconds that measuring a bank takes, and those that its means alone take."""
    import carviz
    from carviz.ablation import check_value
    from carviz.car import Question, iter_tables, prepare_car
    from carviz.car.constants import find_constants

    value, skips = WAYS[way]
    run = carviz.Run(memory=memory)
    bank = prepare_car(model, data, layer, run=run, question=Question(value=check_value(value)))
    if not skips:
        bank.plan.active = lambda _values: None  # type: ignore[method-assign]
    start = time.perf_counter()
    find_constants([bank], None)
    means = time.perf_counter() - start if value == "mean" else 0.0
    start = time.perf_counter()
    for _table in iter_tables(bank):
        pass
    return time.perf_counter() - start, means


def opened(name: str, images: int) -> tuple[Any, Any]:
    """Return a network and data for it."""
    import torch
    import torchvision

    import carviz

    if name in ("shapes", "tiny-alexnet"):
        model = carviz.load_model(name)
        return model, carviz.load_data("shapes", limit=max(1, images // 16))
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    return model, (torch.randn(images, 3, 224, 224), torch.arange(images) % 5)


def take_turns(banks: list[str], images: int, repeats: int, memory: int) -> list[Row]:
    """Return a row for each bank and way."""
    seconds: dict[tuple[str, str], list[float]] = {}
    passes: dict[str, list[float]] = {}
    for bank in banks:
        name, _, layer = bank.partition(":")
        model, data = opened(name, images)
        measured(model, data, layer, "zero", memory)  # what a process pays once
        for _ in range(repeats):
            for way in WAYS:
                whole, once = measured(model, data, layer, way, memory)
                seconds.setdefault((bank, way), []).append(whole)
                if once:
                    passes.setdefault(bank, []).append(once)
    rows: list[Row] = []
    for (bank, way), found in seconds.items():
        means = passes.get(bank) if way == "mean" else None
        # A mean's own pass runs within `found`, and is told beside the ratio, not in it.
        alone = statistics.median(found) - (statistics.median(means) if means else 0.0)
        beside = alone / statistics.median(seconds[bank, AGAINST])
        row: Row = {"bank": bank, "value": way, "s": found, f"/ {AGAINST}": beside}
        row["pass for the means, s"] = means
        rows.append(row)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--banks", nargs="*", default=BANKS, metavar="NETWORK:BANK")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="turns of each way")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, default=2**30, help="bytes for feature maps")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    options = parser.parse_args()
    import torch

    warnings.simplefilter("ignore")  # remarks on banks
    torch.set_num_threads(options.threads)
    rows = take_turns(options.banks, options.images, options.repeats, options.memory)
    about = print_about(threads=options.threads, images=options.images, repeats=options.repeats)
    print(markdown(rows))
    if options.json:
        words = (
            "Seconds (median [least–most] of the repeats) for all filters of a bank, prepared "
            "before; *nothing skipped*: also images on which the channel is zero already run."
        )
        save(options.json, {"title": "Other values than zero", "words": words, **about,
                            "rows": rows})  # fmt: skip


if __name__ == "__main__":
    main()
