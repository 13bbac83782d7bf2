"""How far a long call is: told to a function, shown as a bar, or not at all."""

import sys

import pytest

from carviz.evaluate import telling


def test_a_function_is_told_every_share():
    told = []
    with telling(told.append, "Work") as tell:
        tell(0.5)
        tell(1.0)
    assert told == [0.5, 1.0]


def test_a_bar_names_the_work_and_comes_to_its_end(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with telling(True, "Work on conv") as tell:
        tell(0.25)
        tell(1.5)  # a share is never more than all
    assert "Work on conv" in (said := capsys.readouterr().err)
    assert "100%" in said


def test_no_bar_is_drawn_into_a_file_or_a_pipe(capsys):
    with telling(True, "Work on conv") as tell:
        tell(1.0)
    assert capsys.readouterr() == ("", "")


def test_silence(capsys):
    with telling(False, "Work") as tell:
        tell(1.0)
    assert capsys.readouterr() == ("", "")


def test_what_the_function_raises_ends_the_work():
    def stop(_share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), telling(stop, "Work") as tell:
        tell(0.1)
