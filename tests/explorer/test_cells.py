"""Which cell made which explorer, so that running it again ends it and frees what it held."""

import gc
import weakref

from support.gated import data, network
from support.waiting import WAIT

from carviz.explorer import explore, front
from carviz.explorer.cells import enter, retire_former, running_cell
from carviz.screen import SECTIONS, sight


class Made:
    """What a cell made: it is retired first, and then its session is closed."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.session = self

    def retire(self) -> bool:
        self.ends.append("retired")
        return True

    def close(self) -> None:
        self.ends.append("waited for")


def test_running_a_cell_again_retires_what_it_made():
    first, twin, other, again = Made(), Made(), Made(), Made()
    for made, place in (
        (first, ("cell-a", "run-1")),
        (twin, ("cell-a", "run-1")),
        (other, ("cell-b", "run-2")),
    ):
        retire_former(place)
        enter(made, place)
    assert not first.ends
    assert not twin.ends
    retire_former(("cell-a", "run-3"))
    # Its last batch must not run while the next network is traced.
    assert first.ends == twin.ends == ["retired", "waited for"]
    enter(again, ("cell-a", "run-3"))
    retire_former(("cell-a", "run-3"))
    assert not other.ends
    assert not again.ends


def test_outside_a_kernel_nothing_is_noted_down():
    a = Made()
    assert running_cell() is None
    enter(a, None)
    retire_former(None)
    assert not a.ends


def test_the_running_kernel_says_which_cell_it_is(monkeypatch):
    class Shell:
        class kernel:  # noqa: N801
            @staticmethod
            def get_parent(channel):
                assert channel == "shell"
                return {
                    "content": {"code": "carviz.explore()"},
                    "metadata": {"cellId": "c7"},
                    "header": {"msg_id": "m1"},
                }

    monkeypatch.setattr("IPython.get_ipython", Shell)
    assert running_cell() == ("c7", "m1")
    first = explore(network(), data())
    assert first.comm is not None
    second = explore(network(), data())
    assert first.comm is not None, "both were made by the same execution"
    monkeypatch.setattr(front, "running_cell", lambda: ("c7", "m2"))
    third = explore(network(), data())
    assert first.comm is None
    assert second.comm is None
    assert third.comm is not None


def test_a_former_explorer_s_pictures_are_freed_though_somebody_holds_it(monkeypatch):
    executions = iter(["run-1", "run-2"])
    monkeypatch.setattr(front, "running_cell", lambda: ("a deep bank", next(executions)))
    monkeypatch.setattr(sight, "ALIKE", -1.0)  # in this network no filter is like another
    former = explore(network(), data(), layer="second")
    former.session.look(gallery="patches", siblings=True)
    former.compute()
    former.wait(WAIT)
    former.session.look(opened=0)
    former.session.settle(WAIT)
    shown = former.results()
    assert former.shown_gallery["sheets"]
    assert former.shown_siblings["items"]
    assert former.shown_classes["faces"]
    kept = [
        weakref.ref(picture)
        for picture in (*shown.seen.weights.values(), *shown.seen.best.values())
    ]
    assert len(kept) == 8
    del shown
    explore(network(), data(), layer="second").close()
    gc.collect()
    assert [picture for picture in kept if picture() is not None] == []
    after = former.session.snapshot()
    assert (after.seen.weights, after.seen.best, after.seen.sheets) == ({}, {}, {})
    assert (after.seen.exciting, after.seen.siblings) == (None, None)
    assert all(getattr(former, f"shown_{name}") == {} for name in SECTIONS)
    assert former.table.complete, "what was measured stays"
