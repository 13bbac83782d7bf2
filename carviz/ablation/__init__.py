"""Floor 2: the engine. Ablate filters, exactly, without computing what cannot change."""

from carviz.ablation.checkpoint import Checkpoint
from carviz.ablation.costs import CarPlan, count_costs
from carviz.ablation.memory import Needs, find_needs
from carviz.ablation.plan import GraphPlan, HookPlan, make_plan
from carviz.ablation.pool import run_elsewhere
from carviz.ablation.run import Chunk, Facts, Work, run_chunk
from carviz.ablation.settings import Run

__all__ = [
    "CarPlan",
    "Checkpoint",
    "Chunk",
    "Facts",
    "GraphPlan",
    "HookPlan",
    "Needs",
    "Run",
    "Work",
    "count_costs",
    "find_needs",
    "make_plan",
    "run_chunk",
    "run_elsewhere",
]
