"""Floor 3: which filters of a bank select colour, and which select shape."""

from carviz.selectivity.indices import activation_index, color_index
from carviz.selectivity.measurement import measure_selectivity

__all__ = ["activation_index", "color_index", "measure_selectivity"]
