"""Every benchmark runs, on tiny sizes, and judges answers before times; no figure is taken."""

import argparse
import ast
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from support.woken import wake
from torch import nn

import carviz
from carviz.pruning import prune_filters

sys.path.append(str(Path(__file__).parent / "benchmarks"))  # where they find one another

import banks
import busy
import compare
import differences
import floor
import gpu
import inside
import joint
import kernels
import peers
import preparing
import prune
import report
import rows
import screen
import subjects
import values

BENCHMARKS = Path(__file__).parent / "benchmarks"
ROOT = BENCHMARKS.parents[1]
BARE = {"carviz", "numpy", "scipy", "torch", "torchvision", *sys.stdlib_module_names}
"""What there is on a machine where nothing can be installed, of what benchmarks may import."""


def network():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


@pytest.fixture
def case():
    images = torch.randn(20, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return peers.Case("tiny", wake(network(), images).eval(), images, ["0", "3"])


def test_the_peers_agree_and_a_wrong_answer_is_found(case, tmp_path):
    assert peers.site_of(case, "0") == "1"
    ways = [way for way in compare.WAYS if way != "captum" or find_spec("captum")]
    for way in ways:
        turn = compare.take_turn(case, way, tmp_path / f"{way}.npz")
        assert turn.keys() == {"0", "3"}
        assert min(turn.values()) > 0
    compare.judge("tiny", case.banks, tmp_path, ways)
    with np.load(tmp_path / "now.npz") as found:
        answers = dict(found)
    assert len(np.unique(answers["3"])) > 1
    answers["3"][2, 7] += 1
    np.savez(tmp_path / "now.npz", **answers)
    with pytest.raises(AssertionError, match="tiny 3, now: 1 of 160 pairs differ"):
        compare.judge("tiny", case.banks, tmp_path, ways)


def test_the_floor_is_multiply_adds_and_one_read_of_each_map(case):
    rates = floor.Rates(matrix=2.0, memory=0.5)
    plan = carviz.plan_car(case.model, (case.images, torch.zeros(20, dtype=torch.int64)), "0")
    row = floor.floor_of(case, "0", rates)
    assert row["multiply-adds, G"] == pytest.approx(plan.plan_cost * 20 / 1e9)
    seconds = row["multiply-adds, G"] * 2 / 2.0 + row["maps read, GB"] / 0.5
    assert row["floor, s"] == pytest.approx(seconds)
    head, tail = inside.bytes_made(case.model, case.images, "0", list(range(6)), "cpu")
    # The second convolution's maps are 8 of 8 × 8; its layers make a few times that besides.
    assert 4 * 8 * 64 <= tail <= 10 * 4 * 8 * 64
    assert 4 * 6 * 100 <= head <= 20 * 4 * 8 * 100
    assert floor.matrix_rate("cpu", size=16) > 0
    assert floor.memory_rate("cpu", 16) > 0


def test_a_target_is_the_smaller_of_a_number_and_a_share_of_the_floor():
    about = {"network": "alexnet", "filters": 4, "images": 2, "multiply-adds, G": 3.0}
    floors = [
        {**about, "bank": "a", "of the loop's": 2.0, "floor, s": 0.5},
        {**about, "bank": "b", "of the loop's": 2.0, "floor, s": 0.25},
    ]

    def found(now):
        seconds = {
            ("alexnet", "a"): {"loop": [9.0, 8.0, 7.0], "now": [now, now, 9 * now]},
            ("alexnet", "b"): {"loop": [1.0, 1.0, 1.0], "now": [1.0, 1.0, 1.0]},
        }
        return compare.summarize(floors, seconds, ["loop", "now"])

    first, _, whole = found(0.0625)
    assert first["GFLOP/s"] == 96.0
    assert first["hook loop ×"] == 128.0
    assert first["floor ×"] == 16.0
    assert whole["hook loop ×"] == 9.0 / 1.0625
    assert whole["target ×"] == pytest.approx(0.8 * 9.0 / 0.75)
    assert not whole["met"]
    floors[0]["floor, s"] = 0.25
    assert found(0.0625)[2]["target ×"] == 10.0
    floors[1]["floor, s"] = 2.0
    assert found(0.0625)[2]["met"]


@pytest.mark.parametrize("name", ["small", "shapes"])
def test_the_networks_of_the_comparison_are_there(name):
    case = compare.case_of(name, 2, "cpu")
    assert len(case.banks) == 4
    assert compare.case_of(name, 2, "cpu", case.banks[:1]).banks == case.banks[:1]
    assert prune.small_network()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_turns_of_banks_and_of_preparing(monkeypatch):
    made = lambda weights: wake(network(), torch.randn(4, 3, 24, 24))  # noqa: E731
    monkeypatch.setattr(torchvision.models, "tiny", made, raising=False)
    turns = {"together": [banks.take_turn(["tiny"], 4, 1, True)],
             "alone": [banks.take_turn(["tiny"], 4, 1, False)]}  # fmt: skip
    (row,) = banks.summarize(turns, ["tiny"])
    assert row["banks"] == 2
    assert row["same tables"]
    turns["alone"][0]["tiny"]["found"] = "another"
    assert not banks.summarize(turns, ["tiny"])[0]["same tables"]
    turn = preparing.take_turn(["tiny"], 4, 1, 1)
    found = preparing.summarize({"now": [turn], "then": [turn]}, ["tiny"])
    assert [row["what"] for row in found] == list(preparing.KINDS.values())
    assert found[0]["now / then"] == 1


def test_pairs_stand_beside_single_filters():
    model, data, found = joint.cases_of("tiny", 20)
    row = joint.take_bank(model, data, "3", found["3"], 1)
    assert (row["filters"], row["pairs"]) == (8, 28)  # every pair, for there are no more
    assert row["same filters"]
    assert 0 < row["ran"] <= 1
    assert row["a row of sets of 4"] > 0
    assert joint.cases_of("shapes", 16)[2]["features.0"] == 32
    assert len(joint.sets_of(64, 2, 100)) == len({tuple(s) for s in joint.sets_of(64, 2, 100)})


def test_the_naive_loop_of_pruning_takes_the_same_filter(case):
    labels = case.model(case.images).argmax(1)
    naive = prune.Naive(prune.Case("tiny", case.model, case.images, labels, "3"))
    path = prune_filters(case.model, (case.images, labels), "3", count=1, progress=False)
    filter, right = naive.step([])
    assert filter == path.order[0]
    assert right == round(path.accuracy[1] * 20)


def test_everything_for_a_gpu_runs(tmp_path, capsys):
    options = argparse.Namespace(device="cpu", seconds=60, json=tmp_path / "gpu.json")
    assert gpu.run(options, gpu.TINY) == 0
    text = capsys.readouterr().out
    sheet = json.loads((tmp_path / "gpu.json").read_text())
    titles = [table["title"] for table in sheet["tables"]]
    assert titles[:3] == ["Rates", "tiny: one call a bank", "tiny: tables beside float32's"]
    assert {"Layouts: the rule", "Waits", "CUDA graphs"} < set(titles)
    assert all(f"## {title}" in text for title in titles)
    assert "all 3 tables that were judged agree" in text
    assert sheet["tables"][-2]["rows"] == [{"section": "nothing", "why": "all was run"}]
    by = {table["title"]: table["rows"] for table in sheet["tables"]}
    costs = sheet["tables"][1]["rows"]
    *each, whole = [row for row in costs if row["precision"] == "float32"]
    assert [row["pairs unlike the loop's, no ties"] for row in each] == [0, 0]
    taken = [row["16 images, s"] for row in each]
    assert whole["16 images, s"] == pytest.approx(sum(taken))
    loop = sum(row["16 images, s"] * row["loop float32 ×"] for row in each)
    assert whole["loop float32 ×"] == pytest.approx(loop / sum(taken))
    assert {row["share that was run"] for row in by["tiny: all 14 filters in one call"]} == {1}
    assert "no GPU" in rows.markdown(by["Waits"] + by["CUDA graphs"])
    assert "device cpu" in report.report(tmp_path)


def test_a_wrong_number_on_a_gpu_is_noticed(monkeypatch, capsys):
    right = gpu.answers
    monkeypatch.setattr(gpu, "answers", lambda *given: -right(*given))
    bench = gpu.Bench(argparse.Namespace(device="cpu", seconds=60, json=None), gpu.TINY)
    bench.section("some", gpu.one_by_one("tiny", ("3",)), 60)
    assert re.search("some: tiny 3, float32: [0-9]+ of 64 pairs differ", bench.wrong[0])
    bench.section("other", lambda _bench, _limit: 1 / 0, 60)
    assert bench.failed == ["other failed: ZeroDivisionError: division by zero"]
    bench.seconds = 0
    bench.section("late", lambda _bench, _limit: 1 / 0, 60)
    assert bench.left_out == [{"section": "late", "why": "no time was left"}]
    capsys.readouterr()


def test_what_has_no_time_is_extrapolated_from_its_share():
    subject = subjects.subject_of("tiny", 40, "cpu")
    taken = subjects.measure(subject, None, 40, "float32", limit=0)
    assert taken.found is None
    assert taken.share < 1
    assert subjects.Taken(3.0, 0.25).whole == 12
    assert subjects.Taken(3.0, 0.25, prepared=1.0).times(2) == 17
    assert subjects.Taken(3.0, 0.0).whole is None
    assert 0 < subjects.loop(subject, "3", 8, "float32", limit=9, last=True).share == 1


def test_from_how_many_images_on_carviz_is_ahead():
    # 2 s and 10 ms an image, beside 1 s and 20 ms an image: equal at 100.
    assert subjects.ahead_from([50, 250], [2.5, 4.5], [2.0, 6.0]) == 100
    assert subjects.ahead_from([50, 250], [1.0, 2.0], [2.0, 6.0]) == 1
    assert subjects.ahead_from([50, 250], [3.0, 9.0], [2.0, 6.0]) == "nowhere"
    assert subjects.ahead_from([50, 250], [1.0, 5.9], [2.0, 6.0]) == "as far as tried"
    assert subjects.ahead_from([50, 250], [1.0, None], [2.0, 6.0]) is None


def test_the_rule_of_layouts_is_what_all_shapes_take():
    def row(nchw, last, faster):
        taken = {"NCHW, tried, ms": nchw, "NCHW, guessed, ms": 9.0,
                 "channels last, tried, ms": 9.0, "channels last, guessed, ms": last}  # fmt: skip
        return {"network": "a", "precision": "tf32", **taken, "faster": faster}

    (found,) = kernels.rule([row(1.0, 3.0, "NCHW"), row(5.0, 1.0, "channels last")])
    assert found["rule"] == "channels last"
    assert found["by"] == 1.5
    assert found["shapes faster with channels last"] == 1
    tail = inside.tail_of(*_tiny_batch(), 12, "cpu")
    assert tail().shape == (12, 5)


def _tiny_batch():
    subject = subjects.subject_of("tiny", 8, "cpu")
    return subject.model, subject.images, "0"


def test_ranks_tell_what_a_precision_changed():
    subject = subjects.subject_of("tiny", 40, "cpu")
    table = subjects.measure(subject, "3", 40, "float32", 60).found
    assert differences.ranks(table, table) == {
        "pairs that differ": 0, "largest change of a CAR": 0,
        "ranks by CAR": pytest.approx(1), "ranks by log p": pytest.approx(1),
    }  # fmt: skip
    assert differences.audited({"precision": "bf16", "precision_audit": {"τ": 0.1}, "x": 1}) == {
        "precision_audit τ": 0.1
    }


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_peers_compute_as_asked_and_put_the_switches_back(precision):
    def switches():
        operators = torch.backends.cudnn.conv, torch.backends.cuda.matmul
        return (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(),
                *(operator.fp32_precision for operator in operators))  # fmt: skip

    before = switches()
    with peers.computing(precision):
        inside = switches()
    assert switches() == before
    assert inside[:2] == ((True, "high") if precision == "tf32" else (False, "highest"))


def test_rows_as_a_table():
    found = rows.markdown([{"a": 1234, "b": {"x": [3.0, 1.0, 2.0]}}, {"a": None, "c": True}])
    assert found.splitlines() == [
        "| a | b x | c |", "| --- | --- | --- |",
        "| 1,234 | 2.00 [1.00–3.00] | – |", "| – | – | yes |",
    ]  # fmt: skip
    cells = [0.99951, 1.0, 0.01234, 12.34, 1234.5, 0.0, [2.5], [], "a|b", False]
    assert [rows.cell(value) for value in cells] == [
        "0.99951", "1.00", "0.012", "12.3", "1,234", "0", "2.50", "–", "a\\|b", "NO",
    ]  # fmt: skip


def test_a_sheet_is_written_whole_or_not_at_all(tmp_path):
    rows.save(tmp_path / "a.json", {"title": "×", "rows": [{"a": 1}]})
    assert json.loads((tmp_path / "a.json").read_text())["title"] == "×"
    with pytest.raises(ValueError, match="Circular"):
        rows.save(tmp_path / "a.json", (circle := {}) | {"circle": circle.setdefault("c", circle)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text())["rows"] == [{"a": 1}]


def test_values_are_timed_beside_zero_with_nothing_skipped():
    found = values.take_turns(["shapes:features.8"], images=16, repeats=1, memory=2**28)
    assert [row["value"] for row in found] == list(values.WAYS)
    assert [row["/ zero, nothing skipped"] for row in found if row["value"] == values.AGAINST] == [
        1
    ]
    assert min(row["s"][0] for row in found) > 0
    assert [row["value"] for row in found if row["pass for the means, s"]] == ["mean"]


def test_benchmarks_md_is_made_of_the_saved_figures():
    page = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")
    assert page == report.report(report.RESULTS), "make benchmark writes it: run report.py"


def test_sheets_of_any_kind_are_rendered(tmp_path):
    (tmp_path / "zz.json").write_text(json.dumps([{"a": 1}]))
    (tmp_path / "prune.json").write_text(json.dumps({"threads": 2, "rows": [{"b": [1, 3]}]}))
    page = report.report(tmp_path)
    assert "## zz\n\n| a |" in page
    assert "## Greedy pruning beside the naive loop\n\n*threads 2*\n\n| b |" in page
    assert page.index("| b |") < page.index("| a |")
    assert "* *On a GPU*: `make benchmark-gpu` takes them." in page
    assert "* *Greedy" not in page


def test_the_readme_tells_six_lines_of_what_the_page_has():
    readme, page = ((ROOT / name).read_text("utf-8") for name in ("README.md", "BENCHMARKS.md"))
    part = readme.split("## How fast\n\n")[1].split("\n## ")[0].strip()
    assert len(part.splitlines()) == 6
    assert "(BENCHMARKS.md)" in part
    told = re.findall(r"\d+\.\d+(?= ×| to )", part)
    assert len(told) > 5
    assert [number for number in told if not re.search(rf"\b{re.escape(number)}\b", page)] == []


def test_a_bare_machine_has_what_the_command_for_a_gpu_imports():
    wanted, seen = ["gpu"], set()
    while wanted:
        name = wanted.pop()
        file = f"{name.replace('.', '/')}.py"
        path = next((p for p in (BENCHMARKS / file, BENCHMARKS.parent / file) if p.exists()), None)
        if path is None:
            assert name in BARE, name
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            optional = {"captum"}  # of which nothing for a GPU runs
            tops = {n if n.startswith("support.") else n.split(".")[0] for n in names}
            wanted += tops - {"__future__"} - optional - seen
    assert {"kernels", "peers", "support.reference", "support.woken"} < seen


def test_the_benchmark_of_pruning_compares_and_writes_its_rows(monkeypatch, tmp_path, capsys):
    images = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    )
    wake(network, images)
    with torch.no_grad():
        network[0].bias[2] = -1e3  # one of five is silent
        labels = network(images).argmax(1)
    case = prune.Case("tiny", network, images, labels, "0")
    monkeypatch.setitem(prune.CASES, "tiny", lambda: case)
    file, threads = tmp_path / "rows.json", str(torch.get_num_threads())
    monkeypatch.setattr(
        sys, "argv", ["prune.py", "tiny", "--threads", threads, "--steps", "2", "--json", str(file)]
    )
    prune.main()
    assert "| tiny | 0 | 5 of 5 | 40 | 100% | 20% |" in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert {"words", "machine", "threads", "torch", "date", "rows"} == set(found)
    (row,) = found["rows"]
    assert row["pruned"] == row["filters"] == 5
    assert row["naive_pairs"] == 40 * 15 > row["pairs"] > 0
    assert row["silent"] == pytest.approx(0.2)
    path = prune_filters(network, (images, labels), "0", progress=False)
    monkeypatch.setattr(prune.Naive, "step", lambda *_: (int(path.order[-1]), 40))
    with pytest.raises(AssertionError, match="step 1"):  # an order that is not the loop's
        prune.main()


def test_a_turn_beside_busy_processes_and_its_rows():
    before = torch.get_num_threads()
    try:
        with busy.kept_busy(1):
            turn = busy.take_turn(32, 1)
    finally:
        torch.set_num_threads(before)
    assert turn["seconds"] > 0
    turns = {
        (build, way, 0): [seconds]
        for build, seconds in (("now", 2.0), ("then", 1.0)) for way in busy.WAYS
    }  # fmt: skip
    first, _ = busy.rows_of(turns, [0])
    assert (first["build"], first["two threads / best of one and two"]) == ("now", 2.0)


@pytest.mark.slow
def test_what_a_person_waits_for_in_the_explorer_is_timed_in_either_build():
    seconds = screen.take_times()
    assert set(seconds) == set(screen.WAITS)
    assert all(0 < found < screen.PATIENCE for found in seconds.values())
    assert seconds["first number"] <= seconds["done"]
    assert 0 < screen.held()["now"] <= screen.held()["most"]
    turns = {("now", "times"): [seconds], ("then", "times"): [{"open": 2 * seconds["open"]}]}
    row = screen.times_row("open", "opening", {"now": "", "then": ""}, turns)
    assert row["now / then"] == pytest.approx(0.5)
    turns = {
        ("now", "torch"): [{"now": 0.25}], ("now", "opened"): [{"now": 0.5}],
        ("now", "used"): [{"most": 1.25}],
    }  # fmt: skip
    assert screen.memory_row("now", turns) == {"build": "now", "opened": [0.25], "at most": [1.0]}


def test_a_network_that_never_learns_ends_the_benchmark(monkeypatch):
    monkeypatch.setattr(prune, "EPOCHS", 1)
    images, labels = torch.zeros(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    model = nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten())
    with pytest.raises(RuntimeError, match="found 50% after 1 epochs"):
        prune.train(model, images, labels, 0.9)
