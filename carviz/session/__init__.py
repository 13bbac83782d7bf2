"""Floor 6: a model on its data, explained in the background; it names no widget library."""

from carviz.session.bank_tables import best as best_table
from carviz.session.bank_tables import car_of
from carviz.session.exporting import Exported
from carviz.session.front import open_session
from carviz.session.loading import BUNDLED, How, by_name, left_out, usual_limit
from carviz.session.looks import OWN, View
from carviz.session.one_image import Needed, OneImage, changed_images
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
    "OWN",
    "SIDE",
    "SIGHTS",
    "Exported",
    "How",
    "Needed",
    "News",
    "OneImage",
    "Seen",
    "Session",
    "Sight",
    "Snapshot",
    "Subject",
    "Throttle",
    "View",
    "as_bytes",
    "best_table",
    "by_name",
    "car_of",
    "changed_images",
    "left_out",
    "open_session",
    "png",
    "reduced",
    "rgb_image",
    "small",
    "usual_limit",
]
