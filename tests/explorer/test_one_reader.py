"""One thread reads a user's data, whatever is asked for, and never two at a time."""

from support.gated import GATE, network
from support.own_data import Own
from support.shown import Browser, send
from support.waiting import WAIT

from carviz import Run
from carviz.explorer import explore

ONE = {"carviz-session"}


def images(explorer) -> list[str]:
    """Return the names of the images that stand beside the classes, and of an opened class."""
    faces = [key for key, _ in explorer.shown_classes["faces"].values()]
    return [*faces, *(item[0] for item in explorer.shown_changed["items"])]


def test_one_thread_reads_for_jobs_pictures_and_opened_classes():
    own = Own()
    explorer = explore(network(), own, run=Run(batch_size=4))
    browser = Browser(explorer)
    explorer.session.settle(WAIT)
    own.readers.clear()
    explorer.compute()
    explorer.wait(WAIT)
    assert len(browser.ask(images(explorer))) == 5
    explorer.layer = "second"
    first = GATE.passes
    with GATE.closed(after=40) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        for filter, name in enumerate(("patches", "synthesised", "patches", "weights")):
            send(explorer, {"look": {"large": name, "opened": filter}})
            explorer.filter = filter
        send(explorer, {"look": {"siblings": True}})
        send(explorer, {"want": images(explorer)})
        opened.set()
        send(explorer, {"look": {"gallery": "patches"}})
        explorer.layer = "first"
        explorer.compute()
        send(explorer, {"look": {"opened": 1}})
        explorer.wait(WAIT)
    assert GATE.passes > first + 40
    explorer.prune(2)
    explorer.wait(WAIT)
    other = Own(1)
    explorer.load(data=other)
    explorer.wait(WAIT)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    found = browser.ask(images(explorer))
    assert all(made["data"] for made in found.values())
    assert set(own.readers) == ONE
    assert set(other.readers) == ONE
    assert own.together == other.together == set()
    explorer.close()


def test_a_picture_is_read_by_that_thread_between_two_batches_of_a_job():
    own = Own()
    explorer = explore(network(), own, run=Run(batch_size=4))
    browser = Browser(explorer)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    wanted = images(explorer)
    with GATE.closed(after=20) as (reached, opened):
        explorer.compute()
        assert reached.wait(WAIT)
        GATE.act = None  # this pass waits, and none after it
        own.readers.clear()
        send(explorer, {"want": wanted})
        assert browser.pictures == {}
        opened.set()
        found = browser.ask(wanted[:1])
        assert explorer.busy or own.readers, "beside the job"
        explorer.wait(WAIT)
    assert found[wanted[0]]["data"]
    assert set(own.readers) == ONE
    assert own.together == set()
    explorer.close()


def test_nobody_reads_an_image_when_filters_are_chosen_until_it_is_wanted():
    own = Own()
    explorer = explore(network(), own)
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    send(explorer, {"look": {"opened": 0}})
    own.readers.clear()
    for filter in (5, 4, 3):
        explorer.filter = filter
    assert explorer.shown_classes["filter"] == 3
    assert len(explorer.shown_classes["faces"]) == 5
    explorer.session.settle(WAIT)
    browser = Browser(explorer)
    own.readers.clear()
    wanted = images(explorer)
    assert all(made["data"] for made in browser.ask(wanted).values())
    assert len(own.readers) == len(wanted)
    assert set(own.readers) == ONE
    own.broken.update(range(len(own)))
    again = browser.pictures.pop(wanted[0])
    assert "gone" in browser.ask(wanted[:1])[again["key"]]["problem"]
    assert explorer.shown_work["story"] == "", "the numbers stand"
    explorer.close()
