"""What the browser words by itself, from the same table as Python: written into `front/words.js`.

    python -m carviz.screen.phrases

Most words come with the sections. What changes while somebody drags, points or sorts, and what
would make a saved page large, is worded in `front/wording.js`: numbers by the rules of
`carviz.wording`, and what is in this table. A test puts 2,000 numbers through both.
"""

from __future__ import annotations

import json
from typing import Any

from carviz.screen.classes import CHANGES
from carviz.screen.glossary import GLOSSARY
from carviz.screen.scripts import HERE
from carviz.wording import CRITERIA, KIND_LETTERS, KINDS, MINUS, NONE, SIGNIFICANT

FILE = HERE / "front" / "words.js"
CHANGE_WORDS = {"lost": "now wrong", "gained": "now right", "still wrong": "wrong before and after"}


def words() -> dict[str, Any]:
    """Return the table."""
    return {
        "minus": MINUS,
        "none": NONE,
        "significant": SIGNIFICANT,
        "kinds": {letter: kind for kind, letter in KIND_LETTERS.items()},
        "kind_words": KINDS,
        "criteria": CRITERIA,
        "changes": [CHANGE_WORDS[change] for change in CHANGES],
        "glossary": list(GLOSSARY.items()),
    }


def write() -> None:
    """Write the table to where the browser's scripts take it from."""
    FILE.write_text(script(), encoding="utf-8")


def script() -> str:
    """Return the table as an ES module."""
    table = json.dumps(words(), indent=2, ensure_ascii=False)
    return f"// Written by `make front` from carviz/screen/phrases.py.\nexport default {table};\n"


if __name__ == "__main__":
    write()
