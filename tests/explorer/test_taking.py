"""A file is sent to the browser that asks for it; nothing is written where the kernel runs."""

import pytest
from support.gated import data, network
from support.shown import send
from support.waiting import WAIT, eventually

from carviz.explorer import explore


@pytest.fixture
def explorer():
    made = explore(network(), data(), change=False)
    made.compute()
    made.wait(WAIT)
    yield made
    made.close()


def test_a_file_comes_as_one_message(explorer, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    told = []
    monkeypatch.setattr(explorer, "send", lambda content, buffers: told.append((content, buffers)))
    for kind in ("png", "csv", "python", "exe"):
        send(explorer, {"take": kind})
    eventually(lambda: len(told) == 4)
    (png, picture), (csv, table), (python, nothing), (other, _) = told
    assert png["taken"]["mime"] == "image/png"
    assert picture[0].startswith(b"\x89PNG")
    assert csv["taken"]["name"] == "Network-first-car.csv"
    assert table[0].startswith(b"filter,")
    assert "measure_car" in python["taken"]["text"]
    assert nothing == []
    assert "found 'exe'" in other["taken"]["problem"]
    assert list(tmp_path.iterdir()) == []
