"""One table of the filters of two, where they were measured alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.record import same_measurement


def merged(a: Any, b: Any) -> Any:
    """Return one table of the filters of two; see `carviz.CarTable.merged`, which calls this."""
    for name in (
        "layer",
        "classes",
        "total",
        "images",
        "targets",
        "baseline",
        "top",
        "top_baseline",
        "passport",
    ):
        mine, its = getattr(a, name), getattr(b, name)
        if name == "passport":
            alike = same_measurement(mine, its)
        else:
            alike = bool(np.all(mine == its)) if np.shape(mine) == np.shape(its) else False
        if not alike:
            raise ValueError(
                "Tables are merged when only their filters differ; these differ in "
                f"`{name}`. Measure the filters anew, on the same images."
            )
    kept = ~np.isin(a.filters, b.filters)
    filters = np.concatenate([a.filters[kept], b.filters])
    order = np.argsort(filters)

    def rows(mine: NDArray[Any], its: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([mine[kept], its])[order]

    return dataclasses.replace(
        a,
        passport=_merged_passport(a, b) if kept.any() else b.passport,
        filters=filters[order],
        predictions=rows(a.predictions, b.predictions),
        log_prob_drop=rows(a.log_prob_drop, b.log_prob_drop),
        image_log_prob_drop=_both("image_log_prob_drop", a, b, rows),
        values=_both("values", a, b, rows),
        top_predictions=rows(a.top_predictions, b.top_predictions)
        if a.top > 1
        else a.top_predictions,
    )


def _both(name: str, a: Any, b: Any, rows: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Return what is known of each filter's rows, where both tables have it."""
    mine, its = getattr(a, name), getattr(b, name)
    if its.size and (mine.size or np.isin(a.filters, b.filters).all()):
        return rows(mine if mine.size else np.zeros((len(a.filters), its.shape[1])), its)
    return np.zeros((0, 0), mine.dtype)


def _merged_passport(a: Any, b: Any) -> dict[str, Any]:
    """Return the passport of two tables together: each was audited by itself."""
    own = dict(a.passport)
    audits = [table.passport["precision_audit"] for table in (a, b) if "precision_audit" in own]
    if audits and audits[0] != audits[1]:
        own["precision_audit"] = {
            "found": " ".join(audit["found"] for audit in audits),
            "largest_change": max(audit["largest_change"] for audit in audits),
            "parts": audits,
        }
    return own
