"""One number is worded alike in the notebook, on a page, in a figure, and in the terminal."""

import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.text import Text
from rich.console import Console

from carviz import PruningPath, SelectivityTable, plot_filter, plot_lost, plot_paths, wording
from carviz.cards import filter_page, pruning_page
from carviz.cli import printing
from carviz.cli import pruning as cli_pruning
from carviz.explorer.panels import filter_panel, header
from carviz.explorer.pruning_panels import lost_panel
from carviz.results import CarTable


def table_of(lost, gained, n=10_000):
    """Filter 0 loses and gains so many of n images, filter 1 none; a fifth is wrong without it."""
    targets = np.arange(n) % 2
    baseline = np.where(np.arange(n) < n // 5, 1 - targets, targets)
    predictions = np.stack([baseline, baseline])
    predictions[0, n // 5 : n // 5 + lost] = 1 - targets[n // 5 : n // 5 + lost]
    predictions[0, :gained] = targets[:gained]
    return CarTable(
        "conv", filters=[0, 1], classes=("cat", "dog"), images=np.arange(n), total=n,
        targets=targets, baseline=baseline, predictions=predictions,
        log_prob_drop=np.zeros((2, 2)),
    )  # fmt: skip


def kinds_of(kind):
    index = {"color": 0.83, "shape": 0.12, "dead": np.nan}[kind]
    return SelectivityTable("conv", 0.5, np.array([index, 0.1]), [kind, "shape"], np.ones(2))


def text_of(html):
    found = []
    reader = HTMLParser()
    reader.handle_data = found.append
    reader.feed(re.sub("<style>.*</style>", "", html, flags=re.DOTALL))
    return " ".join(" ".join(found).split())


def printed(module, monkeypatch, show):
    out = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=out, width=200, highlight=False))
    show()
    return " ".join(out.getvalue().split())


def drawn(figure):
    return " ".join(t.get_text() for t in figure.findobj(Text))


@pytest.mark.parametrize(
    ("lost", "gained", "car", "counts"),
    [
        (4, 0, "+0.04", "4 lost, 0 gained of 10,000 images"),
        (0, 4, "−0.04", "0 lost, 4 gained of 10,000 images"),
        (0, 0, "0.0", "0 lost, 0 gained of 10,000 images"),
        (1, 0, "+0.01", "1 lost, 0 gained of 10,000 images"),
        (1234, 1000, "+2.3", "1,234 lost, 1,000 gained of 10,000 images"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "badge"),
    [
        ("color", "colour colour index 0.83"),
        ("shape", "shape colour index 0.12"),
        ("dead", "dead"),
    ],
)
def test_a_filter_is_worded_alike_on_all_four(lost, gained, car, counts, kind, badge, monkeypatch):
    table, kinds = table_of(lost, gained), kinds_of(kind)
    head = header("m", "d", 5, "cpu", table, "")
    notebook = text_of(head + filter_panel("conv", 0, 2, kinds, table))
    page = text_of(filter_page(table, 0, selectivity=kinds))
    figure = plot_filter(table, 0, selectivity=kinds)
    terminal = printed(
        printing, monkeypatch,
        lambda: (printing.print_bank(table, kinds), printing.print_filter(table, 0, kinds)),
    )  # fmt: skip
    summary = table.summary(0)
    interval = wording.interval_words(summary.low, summary.high, unit=False)
    for said in (notebook, page, drawn(figure), figure.description, terminal):
        for words in (f"{car} points", interval, counts, wording.rank_words(summary), "80.0%"):
            assert words in said, words
        assert badge in said.replace(", ", " ")
        assert "color" not in said


def test_the_terminal_shows_q_of_the_classes_that_were_picked(monkeypatch):
    targets = np.repeat([0, 1, 2, 3], 10)
    predictions = np.stack([targets, targets])
    predictions[0, :6] = 1  # six of ten of the first class: p = 2/64, and q four times that
    table = CarTable(
        "conv", filters=[0, 1], classes=tuple("abcd"), images=np.arange(40), total=40,
        targets=targets, baseline=targets, predictions=predictions, log_prob_drop=np.zeros((2, 4)),
    )  # fmt: skip
    said = printed(printing, monkeypatch, lambda: printing.print_filter(table, 0, None))
    assert " of q most to a +60.0 " in said
    assert " 6 0 10 0.12 " in said
    assert "0.031" not in said


def path_of(lost, n=10_000):
    table = table_of(lost, 0, n)
    return PruningPath(
        "car", banks=("conv",), bank_sizes=[2], layers=("conv",), order=[0],
        classes=table.classes, targets=table.targets, baseline=table.baseline,
        predictions=table.predictions[:1], decided_by_tie=[False], evaluated=[n], naive=[2 * n],
    )  # fmt: skip


@pytest.mark.parametrize(("lost", "change"), [(4, "−0.04"), (700, "−7.0")])
def test_a_pruning_is_worded_alike_on_all_four(lost, change, monkeypatch):
    path = path_of(lost)
    left, whole = wording.percent(path.accuracy[1]), wording.percent(path.accuracy[0])
    row = path.lost_classes(1).iloc[0]
    before, after = wording.share_words(row.before), wording.share_words(row.after)
    notebook = text_of(lost_panel(path, 1))
    page = text_of(pruning_page(path, count=1))
    figure = plot_lost(path, 1).description + plot_paths(path, count=1).description
    terminal = printed(
        cli_pruning, monkeypatch,
        lambda: (
            cli_pruning._print_path(path, {}),
            cli_pruning._print_steps(path, {}, 1),
            cli_pruning._print_forgotten(path),
        ),
    )  # fmt: skip
    for said in (notebook, page, figure, terminal):
        assert left in said
    for said in (page, figure, terminal):
        assert whole in said
        assert "CAR, greedy" in said
    for said in (notebook, page, terminal):
        assert change in said
    for said in (notebook, figure):
        assert f"{before} → {after}" in said
    assert f"{before} {after}" in terminal


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (wording.points(0.0004, unit=False), "+0.04"),
        (wording.points(float("nan")), "– points"),
        (wording.interval_words(-0.01, 0.0), "−1.0 to 0.0 points"),
        (wording.tick_words(0.12), "+0.12"),  # a tick is no measurement: it is not rounded
        (wording.tick_words(3 * 0.1), "+0.3"),
        (wording.tick_words(-5), "−5"),
        (wording.tick_words(0.0), "0"),
        (wording.probability(0.0004), "<0.001"),
        (wording.probability(0.0123), "0.012"),
        (wording.probability(0.5), "0.50"),
        (wording.probability_words(1e-9), "p < 0.001"),
        (wording.probability_words(0.03, "q"), "q = 0.03"),
        (wording.likeness_words(-0.001), "0.00"),
        (wording.likeness_words(-0.5), "−0.50"),
        (wording.likeness_words(float("nan")), "none"),
        (wording.counts_words(12, 0, 1000), "12 lost of 1,000"),
        (wording.counts_words(0, 0, 50), "0 of 50"),
        (wording.flips_words(1, 0, 1), "1 lost, 0 gained of 1 image"),
        (wording.counted(1, "filter"), "1 filter"),
        (wording.counted(0, "filter"), "0 filters"),
    ],
)
def test_single_numbers(said, words):
    assert said == words


def test_a_terminal_without_a_minus_gets_a_plain_one():
    code = "from carviz.cli.shell import console, write_plainly; write_plainly(); "
    code += "console.print('−1.2 … × 3 → “é”')"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert out.stdout.decode("ascii").strip() == '-1.2 ... x 3 -> "?"'
