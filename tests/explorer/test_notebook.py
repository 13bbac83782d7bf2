"""What a notebook's output holds, with a kernel and without."""

import IPython.display
import pytest
from carviz.explorer.paper import VIEW
from support.gated import data, network
from support.shown import displayed

from carviz.explorer import explore


class Handle:
    def __init__(self) -> None:
        self.updates: list[dict] = []

    def update(self, content, raw=False):
        assert raw
        self.updates.append(content)


@pytest.fixture
def shown(monkeypatch):
    outputs, handles = [], []

    def display(content, raw=False, display_id=None):
        assert raw
        outputs.append(content)
        if display_id:
            handles.append(Handle())
            return handles[-1]
        return None

    monkeypatch.setattr(IPython.display, "display", display)
    return outputs, handles


def test_the_bundle_falls_back_on_words(shown):
    outputs, handles = shown
    explorer = explore(network(), data())
    displayed(explorer)
    live, paper = outputs
    assert live[VIEW]["model_id"] == explorer.model_id
    assert "needs a running kernel" in live["text/html"]
    assert "image/png" not in live
    assert paper == {"text/plain": ""}
    assert len(handles) == 1


def test_when_a_run_ends_a_plain_figure_is_there_before_wait_returns(shown):
    _, (handles) = shown
    explorer = explore(network(), data())
    displayed(explorer)
    explorer.filter = 3
    explorer.compute()
    explorer.wait(30)
    (update,) = handles[0].updates
    assert update["image/png"].startswith(b"\x89PNG")
    assert "Filter 3 of first" in update["text/plain"]


def test_shown_after_a_run_it_has_its_picture_at_once(shown):
    outputs, _ = shown
    explorer = explore(network(), data())
    explorer.compute()
    explorer.wait(30)
    displayed(explorer)
    assert all(out["image/png"].startswith(b"\x89PNG") for out in outputs)
