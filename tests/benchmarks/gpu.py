"""Print every figure that is asked for of a GPU: one command, within eight minutes.

    python tests/benchmarks/gpu.py [--json FILE]

It runs from a copied tree on a machine where nothing can be installed. Images are random and
networks have random weights; what is extrapolated says so. Sections have limits, sizes follow from
the time that is left, and what was left out is said. It is a test as well: in float32 the tables
must agree with the hook loop but for ties, and it exits with 1 where they do not, or where a
section failed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# tests/ has the networks and the judge; the tree comes first, so that it is its own carviz.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from differences import audited, compare, ranks
from floor import matrix_rate, memory_rate
from inside import preparing
from kernels import PRECISIONS, graphs, layouts, rule, waits
from peers import agree, cached_head, clear_of, computing, timed
from rows import Row
from sections import TINY, Bench, Scale
from subjects import Subject, Taken, ahead_from, answers, loop, measure, subject_of
from turns import print_about

import carviz


def rates(bench: Bench, _limit: float) -> None:
    """Print what the device reaches."""
    size, device = bench.scale.matrix, bench.device
    rows = [{f"{p}, TFLOP/s": matrix_rate(device, p, size) / 1e3 for p in PRECISIONS}]
    rows[0]["memory is read, GB/s"] = memory_rate(device, size)
    bench.add("Rates", "A large matrix product, multiply and add counted as two.", rows)


def one_by_one(name: str, layers: tuple[str, ...] | None) -> Callable[[Bench, float], None]:
    """Return the section that measures a network's banks one by one, and judges the tables."""

    def run(bench: Bench, limit: float) -> None:
        until = time.perf_counter() + limit
        few, many = sizes = list(bench.scale.sizes)
        subject = subject_of(name, many, bench.device)
        chosen = layers or tuple(subject.banks)
        measure(subject, chosen[0], 8, "float32", limit)  # what a process pays once
        costs: list[Row] = []
        differences: list[Row] = []
        try:
            for place, layer in enumerate(chosen):
                share = (until - time.perf_counter()) / (len(chosen) - place)
                if share < 1:
                    bench.skip(f"{name} {layer}, one by one")
                    continue
                _bank(bench, subject, layer, sizes, share, costs, differences)
        finally:
            bench.add(
                f"{subject.name}: one call a bank",
                f"carviz on {few} and {many} images, preparation and audit included, after a first "
                f"call, which hashes the weights; × is how many times as long a peer takes on "
                f"{many}. *Ahead from*: images, by straight lines through the two sizes, of the "
                "loop in float32 for float32, in TF32 for the others. The TF32 loop rounds both "
                "convolutions and matrix products.",
                costs + _sums(costs, sizes),
            )
            bench.add(
                f"{subject.name}: tables beside float32's",
                f"On {many} images; what the audit says stands as the passport has it.",
                differences,
            )

    return run


def _bank(
    bench: Bench, subject: Subject, layer: str, sizes: list[int], limit: float,
    costs: list[Row], differences: list[Row],
) -> None:  # fmt: skip
    few, many = sizes
    until = time.perf_counter() + limit
    best, clear = clear_of(answers(subject, layer, few))
    loops = {
        p: [loop(subject, layer, n, p, limit / 5).whole for n in sizes] for p in ("float32", "tf32")
    }
    last = loop(subject, layer, many, "tf32", limit / 10, last=True).whole
    with computing("float32"):
        cached = timed(cached_head(subject.case(many), layer), subject.device)[0]
    exact = None
    for precision in PRECISIONS:
        if time.perf_counter() > until:
            bench.skip(f"{subject.name} {layer} in {precision}, one by one")
            continue
        # The first call with a precision pays for the library's kernels; a user pays that once.
        measure(subject, layer, few, precision, limit / 5)
        taken = [measure(subject, layer, n, precision, limit / 5) for n in sizes]
        prepared, passport = timed(
            preparing(subject.model, subject.data(many), layer, precision), subject.device
        )
        audit = passport.get("audit")
        mine = [t.whole for t in taken]
        rival = loops["float32" if precision == "float32" else "tf32"]
        row: Row = {
            "bank": layer, "filters": subject.banks[layer], "precision": precision,
            f"{few} images, s": mine[0], f"{many} images, s": mine[1],
            "all was run": all(t.found is not None for t in taken),
            "preparation, s": prepared,
            "of that its audit, s": audit.get("seconds") if isinstance(audit, dict) else None,
            **{f"loop {p} ×": _ratio(found[1], mine[1]) for p, found in loops.items()},
            "loop tf32, channels last ×": _ratio(last, mine[1]),
            "cached head float32 ×": _ratio(cached, mine[1]),
            "ahead from": ahead_from(sizes, mine, rival), "peak, GB": taken[1].memory,
        }  # fmt: skip
        costs.append(row)
        small, large = (t.found for t in taken)
        if small is not None:
            found = torch.as_tensor(small.predictions.copy()).long()
            if precision == "float32":
                agree(f"{subject.name} {layer}, float32", found, best, clear)
                bench.judged += 1
            row["pairs unlike the loop's, no ties"] = int((clear & (found != best)).sum())
        if precision == "float32":
            exact = large
        elif large is not None and exact is not None:
            about = {"bank": layer, "precision": precision}
            differences.append({**about, **ranks(large, exact), **audited(large.passport)})


def _sums(costs: list[Row], sizes: list[int]) -> list[Row]:
    """Return a row a precision: all banks that were measured, one after the other."""
    found = []
    for precision in dict.fromkeys(row["precision"] for row in costs):
        own = [row for row in costs if row["precision"] == precision]
        row: Row = {
            "bank": "all of these", "filters": sum(r["filters"] for r in own),
            "precision": precision,
        }  # fmt: skip
        mine = f"{sizes[1]} images, s"
        for heading in (f"{sizes[0]} images, s", mine, *(h for h in own[0] if h.endswith(" ×"))):
            weighed = [(r[heading], r[mine] if heading.endswith(" ×") else 1) for r in own]
            if not any(None in pair for pair in weighed):
                row[heading] = sum(value * weight for value, weight in weighed)
                row[heading] /= row[mine] if heading.endswith(" ×") else 1
        found.append(row)
    return found


def _ratio(other: float | None, mine: float | None) -> float | None:
    return None if other is None or mine is None else other / mine


def together(name: str, few: int, most: int, said: int) -> Callable[[Bench, float], None]:
    """Return the section that measures all banks in one call, on as many images as time allows."""

    def run(bench: Bench, limit: float) -> None:
        until = time.perf_counter() + limit
        subject = subject_of(name, most, bench.device)
        filters = sum(subject.banks.values())
        loops = {p: _any_bank(subject, filters, p, limit / 12) for p in ("float32", "tf32")}
        rows: list[Row] = []
        differences: list[Row] = []
        exact: Taken | None = None
        count = most
        for precision, part in zip(PRECISIONS, (0.55, 0.6, 1.0), strict=True):
            share = part * (until - time.perf_counter())
            if share < 1:
                bench.skip(f"{name}, all banks, {precision}")
                continue
            tried = measure(subject, None, few, precision, share / 3)
            left = share - tried.seconds
            if exact is None and (one := tried.whole) is not None:
                # The others run the same images, so that tables can be compared.
                afford = (0.9 * left - tried.prepared) * few / max(1e-9, one - tried.prepared)
                count = max(few, min(most, int(afford)))
            taken = measure(subject, None, count, precision, left)
            for number, found in ((few, tried), (count, taken)):
                rows.append({
                    "precision": precision, "filters": filters, "images": number,
                    "seconds": found.seconds, "share that was run": found.share,
                    **_said(found.times(said / number), said, loops), "peak, GB": found.memory,
                })  # fmt: skip
            if precision == "float32":
                exact = taken
            elif exact is not None:
                differences += compare(taken.found, exact.found, precision)
        bench.add(
            f"{subject.name}: all {filters:,} filters in one call",
            f"Seconds for {said:,} images are those of the images that were run, by their number, "
            "and preparation once; where not all was run in time, by the share that was. The "
            "loop's are from one bank's filters on one batch, as it runs the whole network for "
            "each of them.",
            rows,
        )
        if differences:
            bench.add(f"{subject.name}: all banks beside float32's", "", differences)

    return run


def _said(mine: float | None, said: int, loops: dict[str, float]) -> Row:
    return {
        f"s for {said:,} images": mine,
        **{f"loop {p}, s": one * said for p, one in loops.items()},
        **{f"loop {p} ×": _ratio(one * said, mine) for p, one in loops.items()},
    }


def _any_bank(subject: Subject, filters: int, precision: str, limit: float) -> float:
    """Return the loop's seconds an image for all filters, from one bank's on one batch."""
    layer = next(iter(subject.banks))
    count = min(256, len(subject.images))
    taken = loop(subject, layer, count, precision, limit)
    assert taken.whole is not None
    return taken.whole / subject.banks[layer] * filters / count


def look_at_layouts(bench: Bench, limit: float) -> None:
    """Print which layout is faster."""
    until = time.perf_counter() + limit
    precisions = PRECISIONS if bench.device != "cpu" else ("float32",)
    images = min(256, bench.scale.many // 4)
    rows: list[Row] = []
    for name in dict.fromkeys(bench.scale.networks):
        rows += layouts(subject_of(name, 8, bench.device), images, precisions, until)
    if time.perf_counter() > until:
        bench.skip("some shapes of convolutions")
    bench.add("Layouts, shape by shape", f"Convolutions alone, {images} images.", rows)
    bench.add("Layouts: the rule", "Sums over the shapes, each counted once.", rule(rows))


def look_at_waits(bench: Bench, limit: float) -> None:
    """Print what a measured bank waits for."""
    until, rows = time.perf_counter() + limit, []
    subject = subject_of(bench.scale.networks[0], bench.scale.sizes[1], bench.device)
    layers = list(subject.banks)
    wanted = itertools.product((layers[0], layers[-1]), PRECISIONS, bench.scale.sizes)
    for layer, precision, images in wanted:
        if time.perf_counter() > until:
            bench.skip(f"waits of {layer} in {precision}, {images} images")
        else:
            rows.append(waits(subject, layer, images, precision))
    bench.add(
        "Waits",
        "Warnings of torch's sync debug mode while a prepared bank is measured, the check of "
        "finished pairs included; the difference between two sizes is that of their batches.",
        rows,
    )


def look_at_graphs(bench: Bench, limit: float) -> None:
    """Print whether CUDA graphs would pay."""
    until, rows = time.perf_counter() + limit, []
    for name, chosen in zip(bench.scale.networks, (None, bench.scale.deep), strict=True):
        subject = subject_of(name, 64, bench.device)
        layers = list(chosen or subject.banks)
        rows += graphs(subject, layers, min(64, bench.scale.many), bench.scale.rows, until)
    bench.add("CUDA graphs", "A bank's tail on one batch, eager and as a replayed graph.", rows)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a network of two banks, in seconds")
    parser.add_argument("--seconds", type=float, default=460, help="that all of it may take")
    parser.add_argument("--json", metavar="FILE", type=Path, default=Path("gpu.json"))
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu --tiny tries whether everything runs.")
    sys.exit(run(options, TINY if options.tiny else Scale()))


def run(options: argparse.Namespace, scale: Scale) -> int:
    """Run all sections; return 1 where a number was wrong, or a section failed."""
    warnings.simplefilter("ignore")  # remarks on banks
    bench = Bench(options, scale)
    named = torch.cuda.get_device_name() if options.device != "cpu" else "cpu"
    print(f"carviz of {Path(carviz.__file__).parent.parent}")
    bench.sheet |= print_about(device=named, torch=torch.__version__)
    first, second = scale.networks
    bench.section("rates", rates, 15)
    bench.section(f"{first}, one by one", one_by_one(first, None), 100)
    bench.section(
        f"{first}, together", together(first, scale.sizes[1], scale.many, scale.said), 110
    )
    bench.section("layouts", look_at_layouts, 40)
    bench.section("waits", look_at_waits, 15)
    bench.section(f"{second}, one by one", one_by_one(second, scale.deep), 60)
    # Graphs come last: a capture that fails may leave a device that nothing else should run on.
    spared = min(20, bench.seconds / 10)
    whole = together(second, scale.sizes[0], scale.deep_many, scale.deep_many)
    bench.section(f"{second}, together", whole, bench.left() - spared)
    bench.section("CUDA graphs", look_at_graphs, 20)
    rows = bench.left_out or [{"section": "nothing", "why": "all was run"}]
    bench.add("Left out", "", rows)
    right = (
        f"In float32 all {bench.judged} tables that were judged agree with the hook loop but for "
        "ties."
    )
    verdict = [*(f"WRONG: {words}" for words in bench.wrong), *bench.failed]
    bench.add("Answers", "", [{"found": words} for words in verdict or [right]])
    return 1 if verdict else 0


if __name__ == "__main__":
    main()
