"""Floor 2: the engine. Ablate filters, exactly, without computing what cannot change."""

from carviz.ablation.plan import GraphPlan, HookPlan, make_plan
from carviz.ablation.run import Facts, run_chunk
from carviz.ablation.settings import Run

__all__ = ["Facts", "GraphPlan", "HookPlan", "Run", "make_plan", "run_chunk"]
