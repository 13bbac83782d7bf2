"""The peers of the benchmark give carviz's answers; nothing is timed."""

import json
import sys

import pytest
import torch
from benchmarks import compare, prune
from torch import nn
from woken import wake

from carviz.pruning import prune_filters


def test_the_peers_of_the_benchmark_agree():
    images = torch.randn(20, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    case = compare.Case("tiny", wake(network, images).eval(), images, ["0", "3"])
    assert compare.site_of(case, "0") == "1"
    for layer in case.banks:
        found, logits = compare.ours(case, layer)(), compare.hook_loop(case, layer)()
        assert len(found.unique()) > 1
        compare.agree(case, layer, found, logits)
        compare.agree(case, layer, compare.cached_head(case, layer)(), logits)


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
    assert {"machine", "threads", "torch", "date", "rows"} == set(found)
    (row,) = found["rows"]
    assert row["pruned"] == row["filters"] == 5
    assert row["naive_pairs"] == 40 * 15 > row["pairs"] > 0
    assert row["silent"] == pytest.approx(0.2)
    path = prune_filters(network, (images, labels), "0", progress=False)
    monkeypatch.setattr(prune.Naive, "step", lambda *_: (int(path.order[-1]), 40))
    with pytest.raises(AssertionError, match="step 1"):  # an order that is not the loop's
        prune.main()
