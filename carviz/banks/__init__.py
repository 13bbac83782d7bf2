"""Floor 1: list the banks of a network and cut it at one: head | bank | tail."""

from carviz.banks.batch_norms import gain_of, stored_gain
from carviz.banks.cut import (
    Cut,
    FindReaders,
    Reader,
    ancestors,
    cut,
    insert_behind,
    part_between,
    part_up_to,
)
from carviz.banks.fields import field_of
from carviz.banks.geometry import WHOLE, Field, receptive_fields
from carviz.banks.hooked_ends import Call, HookedEnds, OutOfReachError, hooked_ends, watched_norms
from carviz.banks.hooked_places import hooked_places
from carviz.banks.listing import Bank, banks_of, list_banks
from carviz.banks.network import Model, Network, copy_network, find_layer, open_network
from carviz.banks.places import describe_places
from carviz.banks.responses import Answer, answers, maps_are_images
from carviz.banks.sums import PLUS, Sum
from carviz.banks.tracing import TRACING, patches_undone
from carviz.banks.units import CHANNEL, DEFINITION, hands_on, zero_channels

__all__ = [
    "CHANNEL",
    "DEFINITION",
    "PLUS",
    "TRACING",
    "WHOLE",
    "Answer",
    "Bank",
    "Call",
    "Cut",
    "Field",
    "FindReaders",
    "HookedEnds",
    "Model",
    "Network",
    "OutOfReachError",
    "Reader",
    "Sum",
    "ancestors",
    "answers",
    "banks_of",
    "copy_network",
    "cut",
    "describe_places",
    "field_of",
    "find_layer",
    "gain_of",
    "hands_on",
    "hooked_ends",
    "hooked_places",
    "insert_behind",
    "list_banks",
    "maps_are_images",
    "open_network",
    "part_between",
    "part_up_to",
    "patches_undone",
    "receptive_fields",
    "stored_gain",
    "watched_norms",
    "zero_channels",
]
