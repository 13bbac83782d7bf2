"""Floor 4: what filters cost together: sets of them, and pairs, beside each alone."""

from carviz.joint.engine import measure_sets
from carviz.joint.front import measure_joint
from carviz.joint.pairs import all_pairs, measure_pairs, proposed_pairs

__all__ = ["all_pairs", "measure_joint", "measure_pairs", "measure_sets", "proposed_pairs"]
