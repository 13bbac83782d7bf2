"""`carviz.explore`: where people come in."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Model
from carviz.evaluate import Data
from carviz.explorer.cells import enter, retire_former, running_cell
from carviz.explorer.explorer import Explorer
from carviz.explorer.notebook import switch_on_widgets
from carviz.session import open_session


def explore(
    model: Model | str | None = None,
    data: Data | str | Path | None = None,
    *,
    layer: str | nn.Module | None = None,
    device: str | torch.device | None = None,
    tables: str | Path | None = None,
    run: Run | None = None,
    change: bool = True,
) -> Explorer:
    """Explore a network filter by filter, in a notebook whose kernel stays free.

    Shown are a bank's filters, the chosen one with its CAR, and the classes that it matters to.
    Nothing is measured before "Compute" is pressed or `Explorer.compute` called; only pictures of
    what deeper filters see come by themselves. Running the cell again ends the explorers that it
    made before, as `Explorer.close` does. Another model and other data can be chosen in it
    (“Change…”), or with its `Explorer.load`.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits
        ``(image, class)``, or a name that `carviz.load_model` knows; None for the bundled network,
        "shapes". It is not touched.
    data
        As in `carviz.measure_car`, or a name or a folder that `carviz.load_data` knows; None for
        the images that `tables` were measured on, where those came by name and are at hand, else
        for bundled images, 50 a class.
    layer
        The bank to begin with: a convolution's name or the module itself; None for the first.
    device
        Where to run; None for the GPU where there is one.
    tables
        A folder of tables that `carviz.CarTable.save` wrote: they are shown without computing.
        What is damaged, or no table of this network's banks, is left out; a warning names it.
    run
        How to run; None for the defaults.
    change
        Whether another model and other data can be chosen on the screen (“Change…”). False for a
        notebook that is served to others, as by Voila: any visitor could name any folder of the
        server there. `Explorer.load` works all the same.

    Returns
    -------
    Explorer

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If an argument cannot be explored; the message says the rule, what was found, and the way
        out. What fails while computing is told in the explorer's status, and raised by its `wait`.

    Examples
    --------
    >>> explorer = explore("shapes", "shapes")
    >>> explorer.layer, explorer.busy, explorer.table
    ('features.0', False, None)
    >>> explorer.close()
    """
    cell = running_cell()
    retire_former(cell)
    switch_on_widgets()
    explorer = Explorer(
        open_session(model, data, layer=layer, device=device, tables=tables, run=run),
        change=bool(change),
    )
    enter(explorer, cell)
    return explorer
