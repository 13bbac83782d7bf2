"""carviz explains a convolutional network filter by filter.

CAR is the Classification Accuracy Reduction of a network after one filter is pruned (Abbasi-Asl
and Yu, arXiv 1711.02329). This is the only door for users: each name is loaded on first use, so
that ``import carviz`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from carviz.version import __version__ as __version__

_WHERE = {
    "CarImportance": "carviz.compression",
    "CarTable": "carviz.results",
    "CarTables": "carviz.results",
    "Explorer": "carviz.explorer",
    "PruningPath": "carviz.results",
    "Run": "carviz.ablation",
    "SelectivityTable": "carviz.results",
    "SiblingTable": "carviz.results",
    "compare_classes": "carviz.results",
    "compare_paths": "carviz.results",
    "compress": "carviz.compression",
    "excite": "carviz.pictures",
    "explore": "carviz.explorer",
    "finetune": "carviz.compression",
    "iter_car": "carviz.car",
    "iter_excite": "carviz.pictures",
    "list_banks": "carviz.banks",
    "list_models": "carviz.zoo",
    "load_data": "carviz.zoo",
    "load_model": "carviz.zoo",
    "measure_car": "carviz.car",
    "measure_compression": "carviz.compression",
    "measure_selectivity": "carviz.selectivity",
    "measure_siblings": "carviz.siblings",
    "plan_car": "carviz.car",
    "plot_agreement": "carviz.plots",
    "plot_bank": "carviz.plots",
    "plot_banks": "carviz.plots",
    "plot_classes": "carviz.plots",
    "plot_clusters": "carviz.plots",
    "plot_filter": "carviz.plots",
    "plot_lost": "carviz.plots",
    "plot_order": "carviz.plots",
    "plot_paths": "carviz.plots",
    "plot_seen": "carviz.plots",
    "plot_siblings": "carviz.plots",
    "prune_filters": "carviz.pruning",
    "rgb_weights": "carviz.pictures",
    "save_compressed": "carviz.compression",
    "top_patches": "carviz.pictures",
}

if TYPE_CHECKING:
    from carviz.ablation import Run as Run
    from carviz.banks import list_banks as list_banks
    from carviz.car import iter_car as iter_car
    from carviz.car import measure_car as measure_car
    from carviz.car import plan_car as plan_car
    from carviz.compression import CarImportance as CarImportance
    from carviz.compression import compress as compress
    from carviz.compression import finetune as finetune
    from carviz.compression import measure_compression as measure_compression
    from carviz.compression import save_compressed as save_compressed
    from carviz.explorer import Explorer as Explorer
    from carviz.explorer import explore as explore
    from carviz.pictures import excite as excite
    from carviz.pictures import iter_excite as iter_excite
    from carviz.pictures import rgb_weights as rgb_weights
    from carviz.pictures import top_patches as top_patches
    from carviz.plots import plot_agreement as plot_agreement
    from carviz.plots import plot_bank as plot_bank
    from carviz.plots import plot_banks as plot_banks
    from carviz.plots import plot_classes as plot_classes
    from carviz.plots import plot_clusters as plot_clusters
    from carviz.plots import plot_filter as plot_filter
    from carviz.plots import plot_lost as plot_lost
    from carviz.plots import plot_order as plot_order
    from carviz.plots import plot_paths as plot_paths
    from carviz.plots import plot_seen as plot_seen
    from carviz.plots import plot_siblings as plot_siblings
    from carviz.pruning import prune_filters as prune_filters
    from carviz.results import CarTable as CarTable
    from carviz.results import CarTables as CarTables
    from carviz.results import PruningPath as PruningPath
    from carviz.results import SelectivityTable as SelectivityTable
    from carviz.results import SiblingTable as SiblingTable
    from carviz.results import compare_classes as compare_classes
    from carviz.results import compare_paths as compare_paths
    from carviz.selectivity import measure_selectivity as measure_selectivity
    from carviz.siblings import measure_siblings as measure_siblings
    from carviz.zoo import list_models as list_models
    from carviz.zoo import load_data as load_data
    from carviz.zoo import load_model as load_model

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'carviz' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
