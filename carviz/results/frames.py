"""Tables for reading: what a `CarTable` holds, as pandas frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.filter_summary import ClassSummary
from carviz.results.statistics import paired_columns

if TYPE_CHECKING:
    import pandas as pd


def summary_frame(classes: Sequence[ClassSummary]) -> pd.DataFrame:
    """Return classes as a table, a row each; see `carviz.CarTable.top_classes`."""
    import pandas as pd

    rows = [{"class": one.name, **vars(one)} for one in classes]
    return pd.DataFrame(rows).drop(columns="name", errors="ignore")


def filter_frame(filters: NDArray[np.int64], numbers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Return F filters as a table, a row each; see `carviz.CarTable.to_frame`."""
    import pandas as pd

    return pd.DataFrame({"filter": filters, **numbers})


def class_frame(
    filters: NDArray[np.int64],
    classes: Sequence[str],
    lost: NDArray[np.int64],
    gained: NDArray[np.int64],
    images: NDArray[np.int64],
    log_prob_drop: NDArray[np.float64],
) -> pd.DataFrame:
    """Return F filters by K classes as a table, a row each; see `carviz.CarTable.to_frame`.

    Parameters
    ----------
    filters, classes
        F numbers, and K names as they are shown.
    lost, gained, log_prob_drop
        (F, K) of each filter and class.
    images
        (K,) images of each class; a class without any is left out.
    """
    import pandas as pd

    F, K = len(filters), len(classes)
    kept = np.tile(images > 0, F)
    columns = paired_columns(lost.ravel()[kept], gained.ravel()[kept], np.tile(images, F)[kept])
    return pd.DataFrame(
        {
            "filter": np.repeat(filters, K)[kept],
            "class": np.tile(np.array(classes, dtype=object), F)[kept],
            **columns,
            "log_prob_drop": log_prob_drop.ravel()[kept],
            "number": np.tile(np.arange(K), F)[kept],
        }
    )


def flip_columns(
    images: NDArray[np.int64],
    classes: Sequence[str],
    target: NDArray[np.int32],
    before: NDArray[np.int32],
    after: NDArray[np.int32],
) -> dict[str, NDArray[Any]]:
    """Return the columns of images whose prediction changes; see `carviz.CarTable.flips`.

    Parameters
    ----------
    images
        (N,) numbers of those images.
    classes
        K names as they are shown.
    target, before, after
        (N,) the true class, and the predicted one with the filter and without.
    """
    change = np.where(before == target, "lost", np.where(after == target, "gained", "still wrong"))
    names = np.array(classes, dtype=object)
    return {
        "image": images,
        "class": names[target],
        "before": names[before],
        "after": names[after],
        "change": change.astype(object),
    }


def flip_frame(columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Return images whose prediction changes as a table, a row each."""
    import pandas as pd

    return pd.DataFrame(columns)
