"""Why something could not be opened, in words of the screen: where it was typed, and what to do.

Errors of carviz tell a programmer the way out. Who reads them on the screen has fields and a tick.
"""

from __future__ import annotations

import re

TICK = "Tick “Leave out what does not fit”"

SAID = (
    (
        "weights",
        r"The weights (\S+) are downloaded once; .*? Offline, put that file into (.*?), or use.*",
        r"The weights \1 could not be downloaded. Without a network: put their file into \2, or "
        "type none as Weights for random ones, or choose shapes or tiny-alexnet as Model.",
    ),
    (
        "weights",
        r"weights of (.*?) are 'DEFAULT', None, a file, or one of (.*?); found (.*)\.",
        r"Weights of \1: default, none, a file, or one of \2; found \3.",
    ),
    ("weights", r"(.*weights.*)\(weights=None, --weights none\)(.*)", r"\1(type none)\2"),
    (
        "data",
        r"(Each class of the data .*?) Say which is which with carviz\.load_data.*",
        rf"\1 {TICK}, or name the folders as the network names its classes.",
    ),
    (
        "data",
        r"One class at least stays; classes=.*? leaves out all of (.*?)\. Map one.*",
        r"No class of \1 is one of the network's: nothing is left. Choose data of its classes, "
        "or a network that was trained on these.",
    ),
    (
        "data",
        r"(Every image must be readable; .*?) Repair or remove them, or leave them out: .*",
        rf"\1 {TICK}, or repair them.",
    ),
    (
        "data",
        r"(.*?) with carviz\.load_data\((.*?), download=True\), or --download, or say where they "
        r"are with root=….",
        r"\1 in a cell of the notebook: carviz.load_data(\2, download=True).",
    ),
    ("weights", r"(Weights are read from a file .*)", r"\1"),
    ("data", r"(Data is .*)", r"\1 Folders are those of the machine that the kernel runs on."),
    ("data", r"(A folder of images .*)", r"\1"),
    ("data", r"(.* cannot look at the images of .*)", r"\1"),
    ("data", r"(A network is tried on images of its own classes.*)", r"\1"),
    ("model", r"(A model is .*)", r"\1"),
    ("limit", r"(Images a class: .*)", r"\1"),
)
"""Field, how the error reads, and what is said in its place; the first that fits counts."""


def reworded(words: str) -> tuple[str, str]:
    """Return why something was not opened, in words of the screen, and the field that it is about.

    The field is "" where that is not known; what is not in the table stays as it is.
    """
    for field, pattern, said in SAID:
        if found := re.fullmatch(pattern, words, re.DOTALL):
            return found.expand(said), field
    return words, ""
