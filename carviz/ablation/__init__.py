"""Floor 2: the engine. Ablate filters, exactly, without computing what cannot change."""

from carviz.ablation.auditing import SAMPLE as AUDITED_IMAGES
from carviz.ablation.auditing import Audit, choose_plan
from carviz.ablation.checkpoint import Checkpoint
from carviz.ablation.costs import CarPlan, count_costs
from carviz.ablation.low_precision import AuditedChunk, AuditedFacts, AuditedWork, SampleWork
from carviz.ablation.memory import Needs, find_needs
from carviz.ablation.plan import GraphPlan, HookPlan, Plan, ReferencePlan, layout_of
from carviz.ablation.pool import run_elsewhere
from carviz.ablation.precision_audit import Auditing, Checked, Counts, count, sample_a, summary
from carviz.ablation.run import Chunk, Facts, Work, run_chunk
from carviz.ablation.settings import Run
from carviz.ablation.tidy import Folded
from carviz.ablation.verifying import Claim, telling_pairs, verify

__all__ = [
    "AUDITED_IMAGES",
    "Audit",
    "AuditedChunk",
    "AuditedFacts",
    "AuditedWork",
    "Auditing",
    "CarPlan",
    "Checked",
    "Checkpoint",
    "Chunk",
    "Claim",
    "Counts",
    "Facts",
    "Folded",
    "GraphPlan",
    "HookPlan",
    "Needs",
    "Plan",
    "ReferencePlan",
    "Run",
    "SampleWork",
    "Work",
    "choose_plan",
    "count",
    "count_costs",
    "find_needs",
    "layout_of",
    "run_chunk",
    "run_elsewhere",
    "sample_a",
    "summary",
    "telling_pairs",
    "verify",
]
