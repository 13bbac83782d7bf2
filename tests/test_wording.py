"""One number is worded alike on the screen, in a figure and in a terminal."""

import dataclasses
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from rich.console import Console
from support.shown import text
from support.snapshots import snapshot_of
from support.tables import bank_table

from carviz import (
    PruningPath,
    SelectivityTable,
    plot_bank,
    plot_banks,
    plot_filter,
    plot_lost,
    plot_paths,
    wording,
)
from carviz.cli import printing
from carviz.cli import pruning as cli_pruning
from carviz.results import Beyond, CarTable, CarTables
from carviz.results.agreement import Agreement
from carviz.screen import sections
from carviz.wording import excess_words, twin_words


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


def on_screen(table, kinds=None):
    """What the screen says of the network and of filter 0, but for its classes."""
    shown = sections(snapshot_of(table=table, kinds=kinds))
    head, chosen = shown["head"], shown["chosen"]
    lines = [*head["facts"], [chosen["kind_words"]], chosen["index"], [chosen["car"], " points"]]
    said = " ".join(text([*lines, *chosen["facts"]]).split())
    return said.replace("These images", "these images")


def in_drawing(table):
    """What the screen says beside the drawing of the whole bank."""
    shown = snapshot_of(table=table)
    found = sections(dataclasses.replace(shown, looks=shown.looks.changed(view="bank")))
    return " ".join(found["numbers"]["bank"][name] for name in ("seen", "doubt"))


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
def test_a_filter_is_worded_alike_on_all_three(lost, gained, car, counts, kind, badge, monkeypatch):
    table, kinds = table_of(lost, gained), kinds_of(kind)
    screen = on_screen(table, kinds)
    figure = plot_filter(table, 0, selectivity=kinds)
    terminal = printed(
        printing, monkeypatch,
        lambda: (printing.print_bank(table, kinds), printing.print_filter(table, 0, kinds)),
    )  # fmt: skip
    summary = table.summary(0)
    interval = wording.interval_words(summary.low, summary.high, unit=False)
    for said in (screen, drawn(figure), figure.description, terminal):
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
def test_a_pruning_is_worded_alike_on_all_three(lost, change, monkeypatch):
    path = path_of(lost)
    left, whole = wording.percent(path.accuracy[1]), wording.percent(path.accuracy[0])
    row = path.lost_classes(1).iloc[0]
    before, after = wording.share_words(row.before), wording.share_words(row.after)
    shown = sections(snapshot_of(path=path, count=1))
    place, line = shown["place"], shown["pruning"]["lines"][0]
    figure = plot_lost(path, 1).description + plot_paths(path, count=1).description
    terminal = printed(
        cli_pruning, monkeypatch,
        lambda: (
            cli_pruning._print_path(path, {}),
            cli_pruning._print_steps(path, {}, 1),
            cli_pruning._print_forgotten(path),
        ),
    )  # fmt: skip
    for said in (figure, terminal):
        assert left in said
        assert whole in said
        assert "CAR, greedy" in said
    assert (place["right"], line["name"]) == (left, "CAR, greedy")
    assert change in terminal
    assert place["change"] == f"{change} points"
    assert place["lost"][0][1:3] == [row.before, row.after], "the browser words them"
    assert f"{before} → {after}" in figure
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
        (wording.counts_words(0, 0, 50), "none lost or gained of 50"),
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


def bank_of(apart, by_log_p):
    """Eight filters on 300 images that tell them apart by right and wrong, by log p, or neither."""
    g = np.random.default_rng(0)
    strength = np.linspace(0.0, 0.5, 8)[::-1, np.newaxis]
    right = g.random((8, 300)) >= (strength if apart else 0.02)
    return bank_table(right, strength * by_log_p + 0.2 * g.normal(size=right.shape), classes=3)


def surfaces(table, monkeypatch):
    """What is said of filter 0 and of the bank, on each surface."""
    tables = CarTables([table])
    return {
        "screen": on_screen(table),
        "drawing": in_drawing(table),
        "figure": drawn(plot_filter(table, 0)),
        "bank": drawn(plot_bank(table)),
        "banks": drawn(plot_banks(tables)),
        "terminal": printed(printing, monkeypatch, lambda: printing.print_bank(table, None)),
        "filter": printed(printing, monkeypatch, lambda: printing.print_filter(table, 0, None)),
        "all": printed(printing, monkeypatch, lambda: printing.print_all_banks(tables)),
    }


OFFERS = {
    True: {"filter": "; by log p: 1 of 8, agreement 1.00", "bank": "; log p does, agreement 1.00"},
    False: dict.fromkeys(("filter", "bank"), "; nor does log p"),
}


@pytest.mark.parametrize("by_log_p", [True, False])
def test_no_surface_tells_a_rank_where_the_images_do_not_tell_filters_apart(by_log_p, monkeypatch):
    table = bank_of(False, by_log_p)
    found = table.summary(0)
    assert not found.told_apart
    assert found.apart_p_value > 0.05
    assert found.log_prob_told_apart is by_log_p
    offers = OFFERS[by_log_p]
    for name, said in surfaces(table, monkeypatch).items():
        assert wording.NOT_APART in said.replace("These", "these"), name
        assert "the bank's filters" not in said, "there may be more than were measured"
        assert not re.search(r"rank \d", said), name
        if name in ("screen", "figure", "filter"):
            assert f"{wording.NOT_APART}{offers['filter']}" in said, name
        elif name == "all":
            assert ("Log p tells them apart in " in said) is by_log_p
        elif name != "banks":
            assert f"filters apart{offers['bank']}." in said, name


def test_every_surface_tells_a_rank_where_the_images_tell_filters_apart(monkeypatch):
    table = bank_of(True, True)
    found = table.summary(0)
    assert (found.told_apart, found.rank, found.log_prob_rank) == (True, 1, None)
    low, high = table.rank_interval(0)
    said = surfaces(table, monkeypatch)
    assert not any("do not tell" in words for words in said.values())
    for name in ("screen", "figure", "filter"):
        assert f"1 of 8, 95% interval {low} to {high}" in said[name], name
    for order in ("car", "log_prob"):
        assert wording.order_words(table.agreement(order=order)) in said["terminal"]


def test_one_filter_has_no_rank_to_doubt(monkeypatch):
    table = bank_table(np.arange(90)[np.newaxis] % 9 > 0)
    assert table.summary(0).told_apart
    assert table.agreement().told_apart
    said = surfaces(table, monkeypatch)
    assert not any("do not tell" in words for words in said.values())
    assert "rank 1 of 1" in said["filter"]


@pytest.mark.parametrize(
    ("alpha", "low", "high", "needed", "words"),
    [
        (0.5, 0.25, 0.7, (1234.2, 500, 3456), "takes about 1,200 images (500 to 3,500)"),
        (0.1, -0.3, 0.3, (3600, 933.3, np.inf), "takes about 3,600 images (930 or more)"),
        (-0.1, -0.4, 0.1, (np.inf, 3600, np.inf), "takes 3,600 images or more"),
        (-2, -4, -1, (np.inf, np.inf, np.inf), "no number of images is known to give 0.8"),
    ],
)
def test_an_agreement_in_words(alpha, low, high, needed, words):
    found = Agreement(
        order="car", filters=4, images=100, alpha=alpha, low=low, high=high, p_value=0.2,
        images_needed=needed[0], images_needed_low=needed[1], images_needed_high=needed[2],
        halves=np.nan, why="Halves want more.",
    )  # fmt: skip
    shown = [f"{max(0, number):.2f}" for number in (alpha, low, high)]
    ends = words if words.startswith("no") else f"0.8 {words}"
    expected = f"agreement {shown[0]} ({shown[1]} to {shown[2]}); {ends}"
    assert wording.agreement_words(found) == expected
    assert wording.order_words(found) == f"Order by CAR: {expected}."


SURE = 0.001


def test_what_filters_cost_together_is_said_with_its_doubt():
    why = Beyond(stood_in=9, too_much=3, shared=2, made_up=0, won_together=0)
    sure = excess_words(0.039, 0.016, 0.061, 0.0001, why)
    assert sure.startswith("Together they cost 3.9 points more than one by one: where one is miss")
    assert "p < 0.001" in sure
    assert "another does its work" not in excess_words(0.039, -0.01, 0.06, 0.2, why)
    assert "which could be chance" in excess_words(-0.01, -0.05, 0.02, float("nan"), why)
    less = excess_words(-0.2, -0.3, -0.1, SURE, why)
    assert "20.0 points less than one by one: what is lost without one is lost without an" in less
    many = excess_words(0.039, 0.016, 0.061, 0.02, why, tried=3)
    assert "which could be chance: it is one of 3 sets tried" in many
    assert "another does its work" in excess_words(0.039, 0.016, 0.061, 0.02, why, tried=2)
    assert "what they cost one by one" in excess_words(0.0, -0.01, 0.01, 1.0, why)


@pytest.mark.parametrize(
    ("excess", "why", "words"),
    [
        (0.04, Beyond(3, 5, 0, 0, 0), "right without another too, or not without all"),
        (-0.04, Beyond(9, 0, 2, 3, 1), "the loss of one makes up for the loss of another"),
        (-0.04, Beyond(9, 0, 2, 3, 4), "some images get right only without all of them"),
    ],
)
def test_why_is_what_most_of_the_images_say(excess, why, words):
    assert words in excess_words(excess, -0.1, 0.1, SURE, why)
    assert twin_words(8, 9, excess, SURE, why) == "No: 9 does not stand in for 8."


def test_whether_one_stands_in_for_another():
    why = Beyond(stood_in=9, too_much=3, shared=0, made_up=0, won_together=0)
    assert twin_words(8, 9, 0.04, SURE, why) == "Yes: 9 and 8 stand in for one another."
    assert "cannot tell" in twin_words(8, 9, 0.04, 0.2, why)
    assert "cannot tell" in twin_words(8, 9, 0.04, 0.02, why, tried=3)
    assert "cannot tell" in twin_words(8, 9, 0.0, float("nan"), why)


def test_an_answer_that_is_not_zero_does_not_read_as_zero():
    written = [wording.answer_words(x) for x in (2.134, 0.0, -1.25, 0.0995, 0.0994, 0.00213, -4e-5)]
    assert written == ["2.13", "0.00", "−1.25", "0.10", "0.099", "0.0021", "−4e−05"]
