"""What filters cost that are removed together, beside what each costs alone."""

from __future__ import annotations

from typing import Any

from carviz.session import Snapshot


def several(shown: Snapshot) -> dict[str, Any]:
    """Return what the picked filters cost together."""
    return {}
