"""One image: where the chosen filter answers, and what the network says with and without it."""

from __future__ import annotations

from typing import Any

from carviz.session import Snapshot


def image(shown: Snapshot) -> dict[str, Any]:
    """Return the image that is looked at."""
    return {}
