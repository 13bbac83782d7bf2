"""Several ways to prune, held against the first on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from carviz.results.pruning_path import PruningPath
from carviz.results.statistics import benjamini_hochberg, paired_interval, sign_test

if TYPE_CHECKING:
    import pandas as pd


def compare_paths(paths: Sequence[PruningPath], count: int) -> pd.DataFrame:
    """Tell how right networks without `count` filters are, and how much better the first one is.

    Parameters
    ----------
    paths
        Paths on the same images, the first of them the one that the others are held against.
    count
        How many filters are pruned.

    Returns
    -------
    pandas.DataFrame
        By criterion: accuracy; ahead, the first path's accuracy minus this one's; low and high,
        ahead's 95% interval (Agresti and Min's for paired proportions); better and worse, the
        images that only the first path has right, or only this one; q_value, of the exact sign
        test on these two, by Benjamini and Hochberg over the rivals. The first row has no rival.

    Raises
    ------
    ValueError
        If there is no path, one is shorter than `count`, or they are of different images.

    Examples
    --------
    >>> common = dict(banks=("conv",), bank_sizes=[3], layers=("conv",), classes=("cat", "dog"),
    ...     targets=[0, 1, 1], baseline=[0, 1, 1], decided_by_tie=[False], evaluated=[0],
    ...     naive=[9])
    >>> first = PruningPath("car", order=[2], predictions=[[0, 1, 1]], **common)
    >>> other = PruningPath("l1", order=[0], predictions=[[0, 1, 0]], **common)
    >>> compare_paths([first, other], 1)[["accuracy", "ahead"]].round(2).to_dict("index")
    {'car': {'accuracy': 1.0, 'ahead': 0.0}, 'l1': {'accuracy': 0.67, 'ahead': 0.33}}
    """
    import pandas as pd

    if not paths:
        raise ValueError("One path at least is compared; found none.")
    first = paths[0]
    for path in paths:
        if not np.array_equal(path.targets, first.targets):
            raise ValueError(
                "Paths are compared on the same images; those of "
                f"{path.criterion!r} are others than those of {first.criterion!r}. Follow its "
                "order on the same ones: prune_filters(…, order=path)."
            )
    right = [_right(path, count) for path in paths]
    better = np.array([int((right[0] & ~other).sum()) for other in right])
    worse = np.array([int((other & ~right[0]).sum()) for other in right])
    images = len(first.targets)
    low, high = paired_interval(better, worse, images)
    p_values = sign_test(better, worse)
    p_values[0] = low[0] = high[0] = np.nan
    return pd.DataFrame(
        {
            "accuracy": [other.mean() for other in right],
            "ahead": (better - worse) / images,
            "low": low,
            "high": high,
            "better": better,
            "worse": worse,
            "q_value": benjamini_hochberg(p_values),
        },
        index=pd.Index([path.criterion for path in paths], name="criterion"),
    )


def _right(path: PruningPath, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which images are right after `count` steps, (image,)."""
    path.prefix(count)  # says what a count can be
    answers = path.predictions[count - 1] if count else path.baseline
    return np.asarray(answers == path.targets)
