"""Pictures synthesised to excite filters: an objective, a parameterisation, changes, an ascent."""

from carviz.pictures.synthesis.front import Excited, excite, iter_excite

__all__ = ["Excited", "excite", "iter_excite"]
