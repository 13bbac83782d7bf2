"""Floor 4: networks that really get smaller, and what that is worth."""

from carviz.compression.finetuning import Epoch, FineTuned, finetune
from carviz.compression.importance import CarImportance
from carviz.compression.removal import compress
from carviz.compression.report import CompressionReport, Cost, measure_compression
from carviz.compression.saving import save_compressed

__all__ = [
    "CarImportance",
    "CompressionReport",
    "Cost",
    "Epoch",
    "FineTuned",
    "compress",
    "finetune",
    "measure_compression",
    "save_compressed",
]
