"""Floor 7: what the screen shows of a snapshot, as JSON and pictures; it names no widget library.

A notebook's widget and a saved page show the same sections (`sections.py`), with the same scripts
(`front/`).
"""

from carviz.screen.chooser import Choice, model_names, what_to_open
from carviz.screen.page import save_page
from carviz.screen.pictures import Made, make_picture
from carviz.screen.scripts import SCRIPT, STYLE
from carviz.screen.sections import SECTIONS, Sections, sections, sendable
from carviz.screen.take import TYPES, file_name, lines, take

__all__ = [
    "SCRIPT",
    "SECTIONS",
    "STYLE",
    "TYPES",
    "Choice",
    "Made",
    "Sections",
    "file_name",
    "lines",
    "make_picture",
    "model_names",
    "save_page",
    "sections",
    "sendable",
    "take",
    "what_to_open",
]
