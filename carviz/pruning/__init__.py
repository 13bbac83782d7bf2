"""Floor 4: prune filters one after another, by greedy CAR or by a rival criterion."""

from carviz.pruning.criteria import CRITERIA
from carviz.pruning.front import check_count, prepare_pruning, prune_filters
from carviz.pruning.pruning import Pruning

__all__ = ["CRITERIA", "Pruning", "check_count", "prepare_pruning", "prune_filters"]
