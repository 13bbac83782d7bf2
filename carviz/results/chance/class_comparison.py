"""Whether the images that excite filters are of the classes that need the filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.car_table import CarTable
from carviz.results.selectivity_table import SelectivityTable

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 10_000
"""How often images are dealt to filters anew."""


def compare_classes(
    table: CarTable,
    labels: Sequence[int] | NDArray[np.int64],
    *,
    selectivity: SelectivityTable | None = None,
    k: int = 3,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Tell how many filters are excited most by an image of a class that needs them, and by chance.

    A class needs a filter if it is among the `k` that lose most without it. A list of classes
    always looks like a theme; so images are dealt to the filters anew, many times: among all
    filters of the table, and, since colour filters meeting colours is agreement of a cheaper sort,
    among filters of the same kind.

    Parameters
    ----------
    table
        What classes lose without the filters, best measured on other images than `labels` are of.
    labels
        (F,) for each filter of the table the class of the image that excites it most, as
        ``carviz.top_patches(…).labels[:, 0]``; below 0 where none does: it is left out.
    selectivity
        The kinds of the bank's filters; None for one row only.
    k
        How many classes of a filter count.
    draws, seed
        How often images are dealt, and the seed of that.

    Returns
    -------
    pandas.DataFrame
        A row "all filters", and with `selectivity` a row "same kind". Columns: filters, how many
        were looked at; found, the share of them whose image is of such a class; chance, the mean
        share over all deals; low and high, between which 95% of the deals lie; as_high, the share
        of deals with as much or more.

    Raises
    ------
    ValueError
        If there is not one label for each filter of the table, the selectivity is of another
        bank, or no filter is excited.

    Examples
    --------
    >>> table = CarTable("conv", filters=[0, 1], classes=("cat", "dog"), images=[0, 1], total=2,
    ...     targets=[0, 1], baseline=[0, 1], predictions=[[1, 1], [0, 0]],
    ...     log_prob_drop=[[1.0, 0.0], [0.0, 1.0]])
    >>> compare_classes(table, [0, 1], k=1)[["found", "chance"]].round(1).values.tolist()
    [[1.0, 0.5]]
    """
    import pandas as pd

    labels = np.asarray(labels)
    if labels.shape != table.filters.shape:
        raise ValueError(
            f"There is one label for each of the table's {len(table.filters)} filters; found "
            f"{labels.shape}. Take the patches of the whole bank, or of the same filters."
        )
    excited = np.flatnonzero(labels >= 0)
    if not len(excited):
        raise ValueError("One filter at least is excited by an image; found none.")
    groups: dict[str, NDArray[Any]] = {"all filters": np.zeros(len(excited))}
    if selectivity is not None:
        if selectivity.layer != table.layer:
            raise ValueError(
                f"Table and kinds are of one bank; found {table.layer!r} and {selectivity.layer!r}."
            )
        groups["same kind"] = selectivity.kind[table.filters[excited]]
    needed = [_needing(table, int(table.filters[i]), k) for i in excited]
    # (filter, image): whether the image that excites one filter is of a class that needs another.
    meets = np.array([np.isin(labels[excited], classes) for classes in needed])
    found = float(meets.diagonal().mean())
    generator = np.random.default_rng(seed)
    rows = {}
    for name, group in groups.items():
        shares = meets[np.arange(len(excited)), _deal(group, draws, generator)].mean(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975])
        rows[name] = {
            "filters": len(excited),
            "found": found,
            "chance": shares.mean(),
            "low": low,
            "high": high,
            "as_high": (shares >= found).mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("dealt among")


def _needing(table: CarTable, filter: int, k: int) -> list[int]:
    """Return the numbers of the classes that lose most without a filter."""
    return [int(number) for number in table.top_classes(filter, k)["number"]]


def _deal(groups: NDArray[Any], draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return (draw, place): the places dealt anew within groups, many times."""
    deals = np.zeros((draws, len(groups)), dtype=np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        deals[:, members] = generator.permuted(np.tile(members, (draws, 1)), axis=1)
    return deals
