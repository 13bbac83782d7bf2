"""Floor 6: a model on its data, explained in the background; it names no widget library."""

from carviz.session.bank_tables import car_of
from carviz.session.exporting import Exported
from carviz.session.front import open_session
from carviz.session.loading import BUNDLED, How, by_name, left_out, usual_limit
from carviz.session.looks import View
from carviz.session.seeing.kept import LARGE, SIGHTS, Seen, Sight
from carviz.session.seeing.making import small
from carviz.session.session import Session
from carviz.session.snapshot import Snapshot
from carviz.session.state import News
from carviz.session.subject import Subject
from carviz.session.thumbnails import SIDE, as_bytes, png, reduced, rgb_image
from carviz.session.worker import Throttle

__all__ = [
    "BUNDLED",
    "LARGE",
    "SIDE",
    "SIGHTS",
    "Exported",
    "How",
    "News",
    "Seen",
    "Session",
    "Sight",
    "Snapshot",
    "Subject",
    "Throttle",
    "View",
    "as_bytes",
    "by_name",
    "car_of",
    "left_out",
    "open_session",
    "png",
    "reduced",
    "rgb_image",
    "small",
    "usual_limit",
]
