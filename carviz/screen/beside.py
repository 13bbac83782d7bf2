"""The pinned filter beside the chosen one."""

from __future__ import annotations

from typing import Any

from carviz.session import Snapshot


def beside(shown: Snapshot) -> dict[str, Any]:
    """Return the sections of the pinned filter, and what only one of the two does."""
    return {}
