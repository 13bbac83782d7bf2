"""`carviz.open_session`: a model and data, checked and traced in the caller's thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Model, find_layer
from carviz.evaluate import Data
from carviz.session.bank_tables import data_of_tables, read_tables
from carviz.session.session import Session
from carviz.session.subject import open_subject


def open_session(
    model: Model | str | None = None,
    data: Data | str | Path | None = None,
    *,
    layer: str | nn.Module | None = None,
    device: str | torch.device | None = None,
    tables: str | Path | None = None,
    run: Run | None = None,
) -> Session:
    """Open a model on its data, to be explained filter by filter: `carviz.explore` without a view.

    For scripts, tests and other front ends. It names no widget library, and works in the
    background as the explorer does.

    Parameters
    ----------
    model, data, layer, device, tables, run
        As in `carviz.explore`.

    Returns
    -------
    Session

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If an argument cannot be explored; the message says the rule, what was found, and the way
        out. What fails while computing is told in the session's status, and raised by its `wait`.

    Examples
    --------
    >>> session = open_session("shapes", "shapes")
    >>> session.layer, [bank.filters for bank in session.banks][0], session.table
    ('features.0', 32, None)
    >>> session.close()
    """
    opened = None if tables is None else data_of_tables(tables)
    subject = open_subject(model, data, device, run, opened)
    cars, kinds = ([], []) if tables is None else read_tables(tables, subject.network)
    if layer is not None:
        # A module given as the layer is one of the given model, not of the opened copy.
        owner: Any = model if isinstance(model, nn.Module) else subject.network
        layer = find_layer(subject.network, owner, layer)
    return Session(subject, layer=layer, tables=cars, selectivity=kinds)
