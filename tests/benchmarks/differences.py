"""How a table of a lower precision differs from float32's, and what its passport says of that."""

from __future__ import annotations

import math
from typing import Any

from rows import Row, flat
from scipy.stats import spearmanr


def audited(passport: dict[str, Any]) -> Row:
    """Return whatever a passport says of a precision and its audit."""
    return flat({k: v for k, v in passport.items() if "precision" in k and k != "precision"})


def ranks(table: Any, exact: Any) -> Row:
    """Return how a table differs from float32's: pairs, one filter's CAR, and Spearman's ranks."""
    row: Row = {
        "pairs that differ": float((table.predictions != exact.predictions).mean()),
        "largest change of a CAR": float(abs(table.car - exact.car).max()),
        "ranks by CAR": spearman(table.car, exact.car),
    }
    try:
        row["ranks by log p"] = spearman(table.log_prob_drop_all, exact.log_prob_drop_all)
    except (AttributeError, TypeError, ValueError):
        row["ranks by log p"] = None  # such a table may leave it out
    return row


def spearman(one: Any, other: Any) -> float | None:
    """Return the correlation of ranks; None where one of the two has one value only."""
    found = float(spearmanr(one, other).statistic)
    return None if math.isnan(found) else found


def compare(tables: Any, exact: Any, precision: str) -> list[Row]:
    """Return a row a bank; none where one of the two was not measured whole."""
    if tables is None or exact is None:
        return []
    return [
        {
            "bank": layer, "precision": precision,
            **ranks(tables[layer], exact[layer]), **audited(tables[layer].passport),
        }
        for layer in exact
    ]  # fmt: skip
