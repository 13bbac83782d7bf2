"""A session reads the data for whoever asks, in its one thread."""

import threading

import pytest
from support.gated import GATE, network
from support.own_data import Own
from support.waiting import WAIT

from carviz import Run, open_session


def test_what_reads_the_data_for_somebody_is_done_between_two_batches_of_a_job():
    session = open_session(network(), Own(), run=Run(batch_size=4))
    with GATE.closed(after=20) as (reached, opened):
        session.compute()
        assert reached.wait(WAIT)
        GATE.act = None  # this pass waits, and none after it
        threading.Timer(0.2, opened.set).start()  # when it is asked for
        found = session.read(lambda: (threading.current_thread().name, session.busy))
        session.wait(WAIT)
    assert found == ("carviz-session", True)
    with pytest.raises(OSError, match="gone"):
        session.read(_raise)


def _raise():
    raise OSError("gone")


def test_nobody_looks_nothing_is_read():
    own = Own()
    session = open_session(network(), own)
    session.compute()
    session.wait(WAIT)
    before = len(own.readers)
    session.settle(WAIT)
    assert len(own.readers) == before
