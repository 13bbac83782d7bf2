"""Floor 3: which filters of a bank select colour, and which select shape."""

from carviz.selectivity.indices import Reading, color_index, read_weights
from carviz.selectivity.judging import iter_judge, open_case
from carviz.selectivity.measurement import measure_selectivity

__all__ = [
    "Reading",
    "color_index",
    "iter_judge",
    "measure_selectivity",
    "open_case",
    "read_weights",
]
