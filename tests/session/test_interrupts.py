"""Ctrl-C at any line of what is asked of a session, and a fork: it works as ever."""

import contextlib
import linecache
import os
import signal
import subprocess
import sys

import pytest
from support.gated import data, network

import carviz
from carviz.ablation import Run
from carviz.session import Session, home, jobs, state, worker

WAIT = 20
WATCHED = {home.__file__, jobs.__file__, state.__file__, worker.__file__}
"""Where a line may be interrupted, but those that say `with` (see tests/test_interrupts.py)."""


class Interrupt:
    """Interrupts the call at one of its lines; `left` says whether there were so many."""

    def __init__(self, at):
        self.left = at

    def __call__(self, work):
        sys.settrace(self.enter)
        try:
            work()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)

    def enter(self, frame, _event, _arg):
        return self.line if frame.f_code.co_filename in WATCHED else None

    def line(self, frame, event, _arg):
        words = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and not words.strip().startswith("with "):
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self.line


def load(session):
    session.load(data=data())
    session.wait(WAIT)
    session.compute()


@pytest.mark.parametrize("ask", [Session.compute, pytest.param(load, marks=pytest.mark.slow)])
def test_interrupted_at_any_line_it_works_as_ever(ask):
    run = Run(batch_size=80)
    model, images = network(), data()
    truth = carviz.measure_car(model, images, "first", run=run, progress=False)
    session, at = carviz.open_session(model, images, run=run), 0
    while True:
        at += 2
        interrupt = Interrupt(at)
        interrupt(lambda: ask(session))
        with contextlib.suppress(KeyboardInterrupt):  # what was interrupted at home
            session.wait(WAIT)
        session.compute("filter")
        session.wait(WAIT)
        if interrupt.left > 0:
            break
    assert session.table == truth
    assert at > 40
    session.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_midst_of_a_job_ends_without_it():
    code = (
        "import os, sys; from support.gated import GATE, data, network; import carviz\n"
        "session = carviz.open_session(network(), data(), layer='second')\n"
        "with GATE.closed(after=9) as (reached, opened):\n"
        "    session.compute()\n"
        "    assert reached.wait(20)\n"
        "    if (child := os.fork()) == 0:\n"
        "        sys.exit(3)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "session.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split() == ["3"], done.stderr
