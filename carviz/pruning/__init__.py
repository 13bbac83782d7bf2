"""Floor 4: prune filters one after another, by greedy CAR or by a rival criterion."""

from carviz.pruning.criteria import CRITERIA
from carviz.pruning.cumulative import (
    DRAWS,
    check_draws,
    iter_bands,
    measure_band,
    measure_cumulative,
    random_orders,
)
from carviz.pruning.front import check_count, prepare_pruning, prune_filters
from carviz.pruning.held_out import check_held_out
from carviz.pruning.pruning import Pruning

__all__ = [
    "CRITERIA",
    "DRAWS",
    "Pruning",
    "check_count",
    "check_draws",
    "check_held_out",
    "iter_bands",
    "measure_band",
    "measure_cumulative",
    "prepare_pruning",
    "prune_filters",
    "random_orders",
]
