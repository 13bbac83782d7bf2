"""Floor 6: a model on its data, explained in the background; it names no widget library."""

from carviz.session.front import open_session
from carviz.session.session import Session
from carviz.session.snapshot import Snapshot

__all__ = ["Session", "Snapshot", "open_session"]
