"""Floor 7: the explorer, one filter explained in a notebook while the kernel stays free."""

from carviz.explorer.explorer import Explorer
from carviz.explorer.front import explore

__all__ = ["Explorer", "explore"]
