"""Floor 4: prune filters one after another, by greedy CAR or by a rival criterion."""

from carviz.pruning.criteria import CRITERIA
from carviz.pruning.cumulative import DRAWS, follow, measure_cumulative, random_orders
from carviz.pruning.following import Follower
from carviz.pruning.front import check_count, prepare_pruning, prune_filters
from carviz.pruning.pruning import Pruning

__all__ = [
    "CRITERIA",
    "DRAWS",
    "Follower",
    "Pruning",
    "check_count",
    "follow",
    "measure_cumulative",
    "prepare_pruning",
    "prune_filters",
    "random_orders",
]
