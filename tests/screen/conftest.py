"""A bank that is measured, its pictures made."""

import pytest
from support.gated import data, network
from support.waiting import WAIT

import carviz


@pytest.fixture(scope="package")
def measured():
    """Return a snapshot: six filters that read RGB, 80 images of five classes, siblings open."""
    session = carviz.open_session(network(), data())
    session.look(siblings=True)
    session.compute()
    session.wait(WAIT)
    session.settle(WAIT)
    yield session.snapshot()
    session.close()


@pytest.fixture(scope="package")
def deep():
    """Return a snapshot of a bank that reads feature maps, nothing measured, pictures made."""
    session = carviz.open_session(network(), data(), layer="second")
    session.look()
    session.settle(WAIT)
    yield session.snapshot()
    session.close()


@pytest.fixture(scope="package")
def pruned():
    """Return a snapshot of a bank that is pruned, half of the images held out, and compared."""
    session = carviz.open_session(network(), data())
    session.prune(held_out=0.5)
    session.wait(WAIT)
    session.compare()
    session.wait(WAIT)
    yield session.snapshot()
    session.close()
