"""Names of pictures: whoever has one knows what to make, and of what a browser keeps it."""

from __future__ import annotations

import json

from carviz.session import Snapshot

SHEET = 32
"""Filters whose pictures in the gallery are sent as one."""


def key(shown: Snapshot, kind: str, *parts: str | int) -> str:
    """Return the name of a picture of the bank that is shown.

    It never names another picture: it holds the fingerprints of the model and of the data, the
    bank, and a number that changes with the picture.
    """
    return json.dumps([shown.subject, kind, shown.layer, *parts], separators=(",", ":"))


def image_key(shown: Snapshot, number: int) -> str:
    """Return the name of an image of the data."""
    return json.dumps([shown.subject, "image", number], separators=(",", ":"))
