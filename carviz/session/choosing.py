"""What is chosen in a session: checked, and shown. Whoever calls holds the session's lock."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from carviz.banks import find_layer
from carviz.checks import check_filter, check_filters
from carviz.session.looks import OWN, Looks
from carviz.session.own_image import OwnImage
from carviz.session.picks import Picks
from carviz.session.state import State


def check_layer(state: State, layer: Any) -> str:
    """Return the name of a bank that can be chosen; ValueError for any other."""
    network, offered = state.subject.network, state.offered
    if layer in offered:
        return str(layer)
    found = find_layer(network, network, layer)
    if found not in offered:
        raise ValueError(
            f"{found!r} is a gate, whose zero is not “gone”, so it is shown only when asked for "
            f"from the start: layer={found!r}. Others: {offered}."
        )
    return found


def choose_layer(state: State, layer: Any) -> None:
    """Show another bank; a run of this one ends."""
    layer = check_layer(state, layer)
    if layer != state.layer:
        state.layer = layer
        state.show_bank()


def check_number(state: State, filter: Any) -> int:
    """Return a filter's number as an int; ValueError where the bank has none of it."""
    return check_filter(filter, state.bank.filters, state.layer)


def choose_filter(state: State, filter: Any) -> None:
    """Show another filter of the bank."""
    filter = check_number(state, filter)
    state.filter_asked = True
    if filter != state.filter:
        state.filter = filter
        state.refresh()


def check_place(state: State, count: Any) -> int:
    """Return a place on the path as an int; ValueError where the path has none of it."""
    value, most = int(count), 0 if state.path is None else len(state.path)
    if not 0 <= value <= most:
        raise ValueError(
            f"count is how many filters of the path are pruned, 0 to {most}; found {value}."
        )
    return value


def choose_place(state: State, count: Any) -> None:
    """Take so many filters of the path as pruned."""
    count = check_place(state, count)
    if count != state.count:
        state.count = count
        state.tell("place")


def choose_device(state: State, device: str) -> None:
    """Go on with another device; a run ends, and its table is kept."""
    devices = list(state.subject.networks)
    if device not in devices:
        raise ValueError(f"device is one of {devices}; found {device!r}.")
    if state.busy:
        state.supersede()
        state.busy, state.status = False, f"Stopped, to go on with {device}."
    state.device = device
    state.tell("work")
    state.refresh()


def choose_looks(state: State, looks: Looks, gallery_asked: bool) -> None:
    """Look at something else; from the first call on pictures are made.

    `gallery_asked` says whether the pictures of the gallery were asked for by name: they stay then,
    whatever bank is chosen.
    """
    state.gallery_asked |= gallery_asked
    before, begun = state.looks, not state.looked
    if looks.image != before.image:
        state.image.refused = ""  # it was of what is not looked at any more
    state.looks, state.looked = looks, True
    if begun or looks != before:
        state.tell("view")
        state.worker.wake()


def check_picked(state: State, filters: Any) -> tuple[int, ...]:
    """Return filters of the bank, none twice; TypeError, ValueError where one is not of it."""
    return tuple(dict.fromkeys(check_filters(filters, state.bank.filters, state.layer, "picked")))


def pick(state: State, filters: Sequence[int]) -> None:
    """Pick the filters that are to be removed together; none comes twice."""
    _take_picks(state, dataclasses.replace(state.picks, several=check_picked(state, filters)))


def pin(state: State, filter: Any) -> None:
    """Let a filter stay beside the chosen one; -1 for none."""
    number = -1 if filter == -1 else check_number(state, filter)
    _take_picks(state, dataclasses.replace(state.picks, pinned=number))


def choose_own_image(state: State, own: OwnImage) -> None:
    """Look at a picture of the reader's own."""
    state.image.own, state.image.refused = own, ""
    state.image.forget()
    choose_looks(state, state.looks.changed(view="image", image=OWN), False)
    state.tell("view")  # it may be another picture in the same place
    state.worker.wake()


def refuse_image(state: State, words: str) -> None:
    """Say why a picture that was given is not taken; what is looked at stays."""
    state.image.refused = words
    state.tell("view")


def _take_picks(state: State, picks: Picks) -> None:
    if picks != state.picks:
        state.picks = picks
        state.tell("view")
        state.worker.wake()


CHECKS: dict[str, Callable[[State, Any], Any]] = {
    "layer": check_layer,
    "filter": check_number,
    "count": check_place,
    "picked": check_picked,
}
"""By the attribute of a session."""
