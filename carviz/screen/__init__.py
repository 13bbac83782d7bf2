"""Floor 7: what the screen shows of a snapshot, as JSON and pictures; it names no widget library.

A notebook's widget and a saved page show the same sections (`sections.py`), with the same scripts
(`front/`).
"""

from carviz.screen.chooser import Choice, model_names, what_to_open
from carviz.screen.page import save_page
from carviz.screen.pictures import Made, make_picture
from carviz.screen.scripts import SCRIPT, STYLE
from carviz.screen.sections import SECTIONS, Sections, sections, sendable

__all__ = [
    "SCRIPT",
    "SECTIONS",
    "STYLE",
    "Choice",
    "Made",
    "Sections",
    "make_picture",
    "model_names",
    "save_page",
    "sections",
    "sendable",
    "what_to_open",
]
