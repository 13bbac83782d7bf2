"""What a notebook's output holds, with a kernel and without."""

import re
import sys
import types

import IPython.display
import pytest
from support.gated import data, network
from support.legible import check_legible
from support.shown import displayed
from support.waiting import WAIT, eventually

from carviz.explorer import explore, notebook
from carviz.explorer.notebook import VIEW


class Output:
    """An output of a cell that can be replaced."""

    def __init__(self, content) -> None:
        self.contents = [content]

    def update(self, content, raw=False):
        assert raw
        self.contents.append(content)


@pytest.fixture
def outputs(monkeypatch):
    """The outputs that were displayed: those without a name as they are."""
    shown = []

    def display(content, raw=False, display_id=None):
        assert raw
        shown.append(Output(content) if display_id else content)
        return shown[-1] if display_id else None

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(notebook, "PAUSE", 0.01)
    return shown


@pytest.fixture
def explorer():
    made = explore(network(), data())
    yield made
    made.close()


def saved(outputs) -> str:
    return outputs[1].contents[-1]["text/plain"]


def test_the_bundle_falls_back_on_words_that_stay_true(explorer, outputs):
    displayed(explorer)
    live, picture = outputs
    assert live[VIEW]["model_id"] == explorer.model_id
    assert "run this cell" in live["text/html"]
    assert "Network" not in live["text/html"], "another may be chosen"
    assert picture.contents == [{"text/plain": ""}]


def test_when_a_run_ends_its_picture_is_there_before_wait_returns(explorer, outputs):
    displayed(explorer)
    explorer.filter = 3
    explorer.compute()
    explorer.wait(WAIT)
    assert "Filter 3 of first" in saved(outputs)
    assert outputs[1].contents[-1]["image/png"].startswith(b"\x89PNG")


def test_shown_after_a_run_it_has_its_picture_at_once(explorer, outputs):
    explorer.compute()
    explorer.wait(WAIT)
    displayed(explorer)
    (content,) = outputs[1].contents
    assert content["image/png"].startswith(b"\x89PNG")


def test_the_picture_is_closed_and_names_what_it_shows(explorer, outputs):
    explorer.compute()
    explorer.wait(WAIT)
    displayed(explorer)
    html = outputs[1].contents[0]["text/html"]
    assert html.startswith('<details class="carviz-saved"><summary>Saved picture</summary>')
    assert " open" not in html.split("<style>")[0]
    sentence = re.search("<p>(.*?)</p>", html)[1]
    about = explorer.results().about
    assert sentence == f"carviz explorer of {about}"
    assert about.startswith("network Network, data ")
    assert about in explorer.snapshot().description


def test_the_picture_follows_every_choice(explorer, outputs):
    explorer.compute()
    explorer.wait(WAIT)
    explorer.prune(2)
    explorer.wait(WAIT)
    displayed(explorer)
    for name, value, words in [
        ("count", 1, "after 1 "),
        ("view", "filter", f"Filter {explorer.filter} of first"),
        ("filter", 4, "Filter 4 of first"),
        ("view", "bank", "first: CAR of 6 filters"),
        ("view", "pruning", "Pruning first"),
    ]:
        setattr(explorer, name, value)
        eventually(lambda words=words: words in saved(outputs))
        check_legible(explorer.snapshot())
    explorer.layer = "second"
    eventually(lambda: saved(outputs) == "")


def test_the_picture_goes_with_its_subject(explorer, outputs):
    explorer.compute()
    explorer.wait(WAIT)
    displayed(explorer)
    assert f"Filter {explorer.filter} of first" in saved(outputs)
    explorer.load(data=data(1))
    explorer.wait(WAIT)
    eventually(lambda: saved(outputs) == "")


def test_many_choices_are_drawn_once(explorer, outputs, monkeypatch):
    explorer.compute()
    explorer.wait(WAIT)
    monkeypatch.setattr(notebook, "PAUSE", 0.3)
    displayed(explorer)
    for filter in (1, 2, 3, 4, 5):
        explorer.filter = filter
    eventually(lambda: "Filter 5 of first" in saved(outputs))
    assert len(outputs[1].contents) == 2


def test_two_outputs_of_one_explorer_are_one_by_name(explorer, monkeypatch):
    names = []
    monkeypatch.setattr(
        IPython.display, "display", lambda *_, raw, display_id=None: names.append(display_id)
    )
    displayed(explorer)
    displayed(explorer)
    assert names[1] == names[3] == f"{explorer.model_id}-saved"


def test_colab_is_told_to_show_widgets(monkeypatch):
    asked = []
    package, colab = types.ModuleType("google"), types.ModuleType("google.colab")
    colab.output = types.SimpleNamespace(enable_custom_widget_manager=lambda: asked.append(True))
    monkeypatch.setitem(sys.modules, "google", package)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    explore(network(), data()).close()
    assert asked == [True]
