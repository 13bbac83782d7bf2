"""Filters that are chosen beside the one that is looked at: a set, and one that is pinned."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Picks:
    """Of the bank that is shown; another bank begins with none.

    Parameters
    ----------
    several
        The filters that are removed together, in the order in which they were picked.
    pinned
        The filter that stays beside the chosen one; -1 for none.
    """

    several: tuple[int, ...] = ()
    pinned: int = -1

    @property
    def ascending(self) -> tuple[int, ...]:
        """The filters that are removed together, by their numbers."""
        return tuple(sorted(self.several))

    def within(self, filters: int) -> Picks:
        """Return those of them that a bank of so many filters has."""
        held = tuple(filter for filter in self.several if filter < filters)
        return Picks(held, self.pinned if self.pinned < filters else -1)
