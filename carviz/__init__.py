"""carviz explains a convolutional network filter by filter.

CAR is the Classification Accuracy Reduction of a network after one filter is pruned (Abbasi-Asl
and Yu, arXiv 1711.02329). This is the only door for users: each name is loaded on first use, so
that ``import carviz`` costs next to nothing. The names stand in ``__init__.pyi``.
"""

import lazy_loader

from carviz.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
