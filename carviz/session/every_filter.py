"""Snapshots as if each filter of each bank were chosen: what a page shows."""

from __future__ import annotations

import dataclasses

from carviz.session.bank_paths import good_place
from carviz.session.bank_tables import best
from carviz.session.snapshot import Snapshot
from carviz.session.state import State


def snapshots_of_all(state: State) -> dict[str, list[Snapshot]]:
    """Return what `State.snapshot` would if each filter of each bank were chosen, bank by bank.

    Banks of which nothing is known are left out, but for the one that is shown.
    """
    return {
        layer: _snapshots_of(state, layer)
        for layer in state.offered
        if layer == state.layer or state.findings.knows(layer)
    }


def _snapshots_of(state: State, layer: str) -> list[Snapshot]:
    now, bank = state.snapshot(), state.banks[layer]
    if layer != state.layer:
        known, tables = state.paths_of(layer), state.findings.tables_of(layer).tables
        path = known.greedy
        now = dataclasses.replace(
            now, layer=layer, tables=tuple(tables),
            selectivity=state.findings.kinds.get(layer), pictures=state.subject.pictures(bank),
            path=path, paths=known.paths, band=known.band, held_out=known.held_out,
            count=0 if path is None else good_place(path), exported=None,
            order=tuple(range(bank.filters)), seen=state.findings.seen_of(layer).copy(),
        )  # fmt: skip
    tables = list(now.tables)
    shown = [best(tables, filter) for filter in range(bank.filters)]
    return [
        dataclasses.replace(now, filter=filter, table=table, own_data=state.own_data(table))
        for filter, table in enumerate(shown)
    ]
