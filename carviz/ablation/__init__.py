"""Floor 2: the engine. Ablate filters, exactly, without computing what cannot change."""

from carviz.ablation.auditing import SAMPLE as AUDITED_IMAGES
from carviz.ablation.auditing import Audit, choose_plan
from carviz.ablation.batches import Batch
from carviz.ablation.checkpoint import Checkpoint
from carviz.ablation.costs import CarPlan, count_costs, count_multiply_adds, in_short
from carviz.ablation.facts import Chunk, Facts
from carviz.ablation.heads import joined_head, together_in_head
from carviz.ablation.label_reading import LabelFacts, LabelReading
from carviz.ablation.low_precision import AuditedChunk, AuditedFacts, AuditedWork, SampleWork
from carviz.ablation.memory import LEAST_ROWS, ROWS, Needs, find_needs
from carviz.ablation.plan import GraphPlan, HookPlan, Plan, ReferencePlan, layout_of, turn_of
from carviz.ablation.planning import plan_by_reference, plan_like
from carviz.ablation.pool import run_elsewhere
from carviz.ablation.precision_audit import Auditing, Checked, Counts, count, sample_a, summary
from carviz.ablation.readings import CLASSES, AnswerReading, TopClasses, TopFacts
from carviz.ablation.run import Work, run_chunk
from carviz.ablation.score_auditing import choose_score_plan, look_at_answers
from carviz.ablation.scoring import Score, ScoreFacts, ScoreReading, score_of
from carviz.ablation.sets import Filters, RemovalWork, Removed, SetFacts, SetWork
from carviz.ablation.settings import Run
from carviz.ablation.silence import lone_modules, silence, zero_output
from carviz.ablation.tails import check_finite, read_logits, workers_of
from carviz.ablation.tidy import Folded
from carviz.ablation.truth import AGREEMENT
from carviz.ablation.values import (
    QUANTILES,
    ZERO,
    Value,
    ValueName,
    check_value,
    partner_order,
)
from carviz.ablation.verifying import Claim, telling_pairs, verify
from carviz.ablation.workers import side_by_side

__all__ = [
    "AGREEMENT",
    "AUDITED_IMAGES",
    "CLASSES",
    "LEAST_ROWS",
    "QUANTILES",
    "ROWS",
    "ZERO",
    "AnswerReading",
    "Audit",
    "AuditedChunk",
    "AuditedFacts",
    "AuditedWork",
    "Auditing",
    "Batch",
    "CarPlan",
    "Checked",
    "Checkpoint",
    "Chunk",
    "Claim",
    "Counts",
    "Facts",
    "Filters",
    "Folded",
    "GraphPlan",
    "HookPlan",
    "LabelFacts",
    "LabelReading",
    "Needs",
    "Plan",
    "ReferencePlan",
    "RemovalWork",
    "Removed",
    "Run",
    "SampleWork",
    "Score",
    "ScoreFacts",
    "ScoreReading",
    "SetFacts",
    "SetWork",
    "TopClasses",
    "TopFacts",
    "Value",
    "ValueName",
    "Work",
    "check_finite",
    "check_value",
    "choose_plan",
    "choose_score_plan",
    "count",
    "count_costs",
    "count_multiply_adds",
    "find_needs",
    "in_short",
    "joined_head",
    "layout_of",
    "lone_modules",
    "look_at_answers",
    "partner_order",
    "plan_by_reference",
    "plan_like",
    "read_logits",
    "run_chunk",
    "run_elsewhere",
    "sample_a",
    "score_of",
    "side_by_side",
    "silence",
    "summary",
    "telling_pairs",
    "together_in_head",
    "turn_of",
    "verify",
    "workers_of",
    "zero_output",
]
