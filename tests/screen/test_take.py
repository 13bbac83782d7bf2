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
    exec("\n".join(first).replace("count=", "progress=False, count="), names)
    made = eval(last, names)
    assert isinstance(made, Figure)
    return made


def test_the_lines_make_the_figure_that_is_shown(measured_shapes):
    session = measured_shapes
    session.picked = [8, 9]
    session.compute("together")
    session.wait(WAIT)
    for view in ("filter", "several", "image", "bank"):
        session.look(view=view)
        session.settle(WAIT)
        shown = session.snapshot()
        made, expected = run(lines(shown)), figure_of(shown)
        assert expected.description.endswith(made.description.split(". ", 1)[-1]), view


def test_a_path_is_made_by_its_lines(measured_shapes):
    session = measured_shapes
    session.prune(3)
    session.wait(WAIT)
    code = lines(session.snapshot())
    assert "prune_filters(model, data, 'features.0', count=3)" in code
    assert run(code).description


def test_what_was_given_as_an_object_has_a_line_that_says_so(measured):
    code = lines(measured)
    assert "model = …  # the network that the explorer was given" in code
    assert "data = …  # the images that the explorer was given" in code


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
    with pytest.raises(ValueError, match="found 'exe'"):
        take(session, session.snapshot(), "exe")


def test_names_of_files_hold_no_path():
    made = carviz.open_session(network(), data())
    shown = made.snapshot()
    made.close()
    evil = dataclasses.replace(shown, model="../../etc/pass wd\n")
    assert "/" not in file_name(evil, "png")
    assert " " not in file_name(evil, "png")
