"""One thread reads a user's data, whatever is asked for, and never two at a time."""

import threading

from support.gated import GATE, network
from support.own_data import Own
from support.waiting import WAIT

from carviz import Run
from carviz.explorer import explore, paper

ONE = {"carviz-session"}


def test_one_thread_reads_for_jobs_pictures_opened_classes_and_pages(tmp_path):
    own = Own()
    explorer = explore(network(), own, run=Run(batch_size=4))
    explorer.session.settle(WAIT)
    own.readers.clear()
    explorer.compute()
    explorer.wait(WAIT)
    explorer.layer = "second"
    first = GATE.passes
    with GATE.closed(after=40) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        for filter, name in enumerate(("patches", "synthesised", "patches", "weights")):
            explorer.listener.hear({"look": name})
            explorer.filter = filter
            explorer.listener.hear({"open": filter})
        explorer.listener.hear({"open": True})
        opened.set()
        explorer.panels.show.value = "patches"
        explorer.layer = "first"  # measured: a page of it while the other bank's job ends
        explorer.compute()
        explorer.save_html(tmp_path / "during.html")
        explorer.listener.hear({"open": 1})
        explorer.wait(WAIT)
    assert GATE.passes > first + 40
    for filter in (1, 2, 3):
        explorer.filter = filter
        explorer.save_html(tmp_path / "after.html")
    explorer.prune(2)
    explorer.wait(WAIT)
    other = Own(1)
    explorer.load(data=other)
    explorer.wait(WAIT)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    assert 'class="thumbnail"' in (tmp_path / "after.html").read_text()
    assert explorer.panels.classes.faces["of"]
    assert explorer.panels.sight.small["patches"]
    assert set(own.readers) == ONE
    assert set(other.readers) == ONE
    assert own.together == other.together == set()
    explorer.close()


def test_a_page_is_read_by_that_thread_between_two_batches_of_a_job(tmp_path, monkeypatch):
    own = Own()
    explorer = explore(network(), own, run=Run(batch_size=4))
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    read = []

    def watched(*arguments):
        read.append((threading.current_thread().name, explorer.session.busy))
        return raw_pictures(*arguments)

    raw_pictures = paper.raw_pictures
    monkeypatch.setattr(paper, "raw_pictures", watched)
    with GATE.closed(after=20) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        GATE.act = None  # this pass waits, and none after it
        own.readers.clear()
        threading.Timer(0.2, opened.set).start()  # when it is asked for
        explorer.save_html(tmp_path / "page.html")
        explorer.wait(WAIT)
    assert read == [("carviz-session", True)]
    assert set(own.readers) == ONE
    assert own.together == set()
    assert 'class="thumbnail"' in (tmp_path / "page.html").read_text()


def test_the_kernel_s_thread_reads_nothing_when_filters_are_chosen():
    own = Own()
    explorer = explore(network(), own)
    explorer.compute()
    explorer.wait(WAIT)
    own.readers.clear()
    for filter in (5, 4, 3):
        explorer.filter = filter
    explorer.session.settle(WAIT)
    assert set(own.readers) == ONE
    assert explorer.panels.classes.faces["filter"] == 3
    assert len(explorer.panels.classes.faces["of"]) == 5
