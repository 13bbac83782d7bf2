"""Floor 1: list the banks of a network and cut it at one: head | bank | tail."""

from carviz.banks.cut import Cut, FindReaders, Reader, cut, zero_filters
from carviz.banks.listing import Bank, banks_of, list_banks
from carviz.banks.network import (
    Network,
    copy_network,
    find_layer,
    open_network,
    reads_through,
    unit_end,
)
from carviz.banks.tracing import TRACING
from carviz.banks.unit import Answer, answers, field_of

__all__ = [
    "TRACING",
    "Answer",
    "Bank",
    "Cut",
    "FindReaders",
    "Network",
    "Reader",
    "answers",
    "banks_of",
    "copy_network",
    "cut",
    "field_of",
    "find_layer",
    "list_banks",
    "open_network",
    "reads_through",
    "unit_end",
    "zero_filters",
]
