"""The table of words that the browser's scripts take is the one that Python writes."""

import json

from carviz.screen import phrases
from carviz.screen.classes import CHANGES


def test_the_file_is_as_python_would_write_it(tmp_path, monkeypatch):
    before = phrases.FILE.read_text("utf-8")
    monkeypatch.setattr(phrases, "FILE", tmp_path / "words.js")
    phrases.write()
    assert phrases.FILE.read_text("utf-8") == before
    assert json.loads(before[before.index("{") : -2]) == json.loads(json.dumps(phrases.words()))


def test_every_change_has_words():
    assert len(phrases.words()["changes"]) == len(set(phrases.words()["changes"])) == len(CHANGES)
