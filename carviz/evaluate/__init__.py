"""Floor 0: what measuring starts from: images with labels, their preprocessing, a safe copy."""

from carviz.evaluate.arithmetic import arithmetic, in_float32
from carviz.evaluate.batch_checks import check_kept_labels, check_labels
from carviz.evaluate.class_names import layers
from carviz.evaluate.fingerprints import (
    digest_images,
    fingerprint_images,
    fingerprint_model,
    versions,
)
from carviz.evaluate.forward import misfit, quiet_call, sets_attributes
from carviz.evaluate.free_memory import free_device_memory, free_memory, return_memory
from carviz.evaluate.hooks import foreign_hooks, hooks_remark
from carviz.evaluate.images import Data, Images
from carviz.evaluate.items import split, whole_labels
from carviz.evaluate.label_outputs import find_label_logits
from carviz.evaluate.last_steps import LastSteps
from carviz.evaluate.model_copies import copy_structure, shadow
from carviz.evaluate.models import check_model, device_of, placed, placement
from carviz.evaluate.modes import (
    enable_grad,
    fork_rng,
    inference_mode,
    no_grad,
    set_grad_enabled,
)
from carviz.evaluate.order import stratified_order
from carviz.evaluate.outputs import AS_IS, OutputKind, Pick, check_answers, find_logits
from carviz.evaluate.preprocessing import Normalization, find_normalization
from carviz.evaluate.progress import Progress, drive, telling
from carviz.evaluate.repeated_readings import TWICE, random_step
from carviz.evaluate.targets import (
    MULTI_LABEL,
    AnyTargets,
    LabelRowsError,
    LabelTargets,
    digest_of,
    paired,
)
from carviz.evaluate.tf32 import imitated_tf32, is_coarser
from carviz.evaluate.watching import Watch, watch_model, weights_changed
from carviz.evaluate.whole_outputs import (
    AnswersPick,
    Layout,
    WholePick,
    answer_of,
    cloned,
    find_layout,
    on_cpu,
)
from carviz.evaluate.wrappers import name_in_copy, names_in_copy, unwrap

__all__ = [
    "AS_IS",
    "MULTI_LABEL",
    "TWICE",
    "AnswersPick",
    "AnyTargets",
    "Data",
    "Images",
    "LabelRowsError",
    "LabelTargets",
    "LastSteps",
    "Layout",
    "Normalization",
    "OutputKind",
    "Pick",
    "Progress",
    "Watch",
    "WholePick",
    "answer_of",
    "arithmetic",
    "check_answers",
    "check_kept_labels",
    "check_labels",
    "check_model",
    "cloned",
    "copy_structure",
    "device_of",
    "digest_images",
    "digest_of",
    "drive",
    "enable_grad",
    "find_label_logits",
    "find_layout",
    "find_logits",
    "find_normalization",
    "fingerprint_images",
    "fingerprint_model",
    "foreign_hooks",
    "fork_rng",
    "free_device_memory",
    "free_memory",
    "hooks_remark",
    "imitated_tf32",
    "in_float32",
    "inference_mode",
    "is_coarser",
    "layers",
    "misfit",
    "name_in_copy",
    "names_in_copy",
    "no_grad",
    "on_cpu",
    "paired",
    "placed",
    "placement",
    "quiet_call",
    "random_step",
    "return_memory",
    "set_grad_enabled",
    "sets_attributes",
    "shadow",
    "split",
    "stratified_order",
    "telling",
    "unwrap",
    "versions",
    "watch_model",
    "weights_changed",
    "whole_labels",
]
