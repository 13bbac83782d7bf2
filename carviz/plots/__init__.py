"""Floor 5: matplotlib figures from results. A plot touches no model and never shows itself."""

from carviz.plots.agreement import plot_agreement
from carviz.plots.bank import plot_bank
from carviz.plots.banks import plot_banks
from carviz.plots.classes import plot_classes
from carviz.plots.clusters import plot_clusters
from carviz.plots.cumulative import plot_cumulative
from carviz.plots.filter import plot_filter
from carviz.plots.joint import plot_joint
from carviz.plots.lost import plot_lost
from carviz.plots.maps import plot_maps
from carviz.plots.order import plot_order
from carviz.plots.pairs import plot_pairs
from carviz.plots.paths import plot_paths
from carviz.plots.ranks import plot_ranks
from carviz.plots.seen import plot_seen
from carviz.plots.siblings import plot_siblings
from carviz.plots.style import CarvizFigure

__all__ = [
    "CarvizFigure",
    "plot_agreement",
    "plot_bank",
    "plot_banks",
    "plot_classes",
    "plot_clusters",
    "plot_cumulative",
    "plot_filter",
    "plot_joint",
    "plot_lost",
    "plot_maps",
    "plot_order",
    "plot_pairs",
    "plot_paths",
    "plot_ranks",
    "plot_seen",
    "plot_siblings",
]
