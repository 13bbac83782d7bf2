"""Floor 7: the explorer, one filter explained in a notebook while the kernel stays free."""

from carviz.explorer.doors import explore
from carviz.explorer.widget import Explorer

__all__ = ["Explorer", "explore"]
