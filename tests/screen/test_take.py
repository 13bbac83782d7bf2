"""What is taken along is what is shown, and the lines of Python make it."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.gated import data, network
from support.waiting import WAIT

import carviz
from carviz.screen.take import TYPES, figure_of, file_name, lines, take


@pytest.fixture(scope="module")
def session():
    made = carviz.open_session("shapes", carviz.load_data("shapes", limit=2))
    yield made
    made.close()


@pytest.fixture(scope="module")
def measured_shapes():
    """Return a session of what is given by name, so that its lines run."""
    session = carviz.open_session()
    session.load("shapes", "shapes", limit=2)
    session.wait(WAIT)
    session.compute("bank")
    session.wait(WAIT)
    session.look(view="filter")
    session.settle(WAIT)
    yield session
    session.close()


def run(code):
    """Return the figure that the last line makes."""
    *first, last = code.strip().splitlines()
    names = {}
    exec("\n".join(first), names)
    made = eval(last, names)
    assert isinstance(made, Figure)
    return made


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer))


def assert_its_lines_make_it(session, within=0):
    shown = session.snapshot()
    made = run(lines(shown))
    made.sign(shown.about)
    found, expected = (pixels(figure).astype(int) for figure in (made, figure_of(shown)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)


def test_the_lines_make_the_figure_that_is_shown(measured_shapes):
    session = measured_shapes
    session.picked = [8, 9]
    session.compute("together")
    session.wait(WAIT)
    for view in ("filter", "several", "bank"):
        session.look(view=view)
        assert_its_lines_make_it(session)
    session.look(view="image")
    session.settle(WAIT)
    assert_its_lines_make_it(session, within=1)  # a screen's picture is of bytes


@pytest.mark.slow
def test_the_lines_prune_as_the_session_did(measured_shapes):
    session = measured_shapes
    session.look(view="pruning")
    session.prune(2)
    session.wait(WAIT)
    assert_its_lines_make_it(session)  # random orders among them
    session.prune(2, held_out=0.25)
    session.wait(WAIT)
    assert "held_out=0.25" in lines(session.snapshot())
    session.compare()
    session.wait(WAIT)
    assert_its_lines_make_it(session)


def test_the_lines_measure_the_filter_that_alone_was_measured():
    session = carviz.open_session()
    session.load("shapes", "shapes", limit=2)
    session.wait(WAIT)
    session.filter = 5
    session.compute("filter")
    session.wait(WAIT)
    shown = session.snapshot()
    assert "filters=[5])" in lines(shown)
    assert_its_lines_make_it(session)
    session.close()
    # A table of other images than those at hand is not made of these.
    passport = {**shown.table.passport, "opened": {"data": "shapes", "limit": 3}}
    other = dataclasses.replace(shown.table, passport=passport)
    assert "limit=3)" in lines(dataclasses.replace(shown, table=other, own_data=False))
    other = dataclasses.replace(shown.table, passport={})
    code = lines(dataclasses.replace(shown, table=other, own_data=False))
    assert "data = ...  # the 32 images that the table was measured on" in code


def test_what_was_given_as_an_object_has_a_line_that_says_so(measured):
    code = lines(measured)
    assert "model = ...  # the network that the explorer was given" in code
    assert "data = ...  # the images that the explorer was given" in code


@pytest.mark.parametrize("kind", list(TYPES))
def test_files_are_what_they_are_called(measured_shapes, kind):
    session = measured_shapes
    session.look(view="filter")
    shown = session.snapshot()
    content = take(session, shown, kind)
    name = file_name(shown, kind)
    assert name.endswith(f".{kind}")
    if kind == "png":
        assert np.asarray(Image.open(io.BytesIO(content))).std() > 0
        assert name == f"shapes-features.0-filter-{shown.filter}.png"
    elif kind == "svg":
        assert b"<svg" in content
    elif kind == "html":
        assert content.startswith(b"<!DOCTYPE html>")
    else:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert len(rows) == 32
        assert float(rows[3]["car"]) == shown.table.car[3]


def test_what_is_not_measured_is_told(session):
    shown = session.snapshot()
    for kind in ("png", "csv"):
        with pytest.raises(ValueError, match="measured"):
            take(session, shown, kind)
    session.picked = [1]
    session.look(view="several")
    with pytest.raises(ValueError, match="removed together"):
        take(session, session.snapshot(), "png")
    session.picked = []
    with pytest.raises(ValueError, match="some are picked"):
        lines(session.snapshot())
    with pytest.raises(ValueError, match="found 'exe'"):
        take(session, session.snapshot(), "exe")


def test_names_of_files_hold_no_path():
    made = carviz.open_session(network(), data())
    shown = made.snapshot()
    made.close()
    evil = dataclasses.replace(shown, model="../../etc/pass wd\n")
    assert "/" not in file_name(evil, "png")
    assert " " not in file_name(evil, "png")
