# The public names, each written here and nowhere else: `carviz/__init__.py` loads them from what
# this says, and type checkers read it.
from .ablation import Run as Run
from .banks import list_banks as list_banks
from .car import iter_car as iter_car
from .car import measure_car as measure_car
from .car import plan_car as plan_car
from .compression import CarImportance as CarImportance
from .compression import compress as compress
from .compression import finetune as finetune
from .compression import measure_compression as measure_compression
from .compression import save_compressed as save_compressed
from .explorer import Explorer as Explorer
from .explorer import explore as explore
from .pictures import excite as excite
from .pictures import iter_excite as iter_excite
from .pictures import rgb_weights as rgb_weights
from .pictures import top_patches as top_patches
from .plots import plot_agreement as plot_agreement
from .plots import plot_bank as plot_bank
from .plots import plot_banks as plot_banks
from .plots import plot_classes as plot_classes
from .plots import plot_clusters as plot_clusters
from .plots import plot_filter as plot_filter
from .plots import plot_lost as plot_lost
from .plots import plot_order as plot_order
from .plots import plot_paths as plot_paths
from .plots import plot_ranks as plot_ranks
from .plots import plot_seen as plot_seen
from .plots import plot_siblings as plot_siblings
from .pruning import prune_filters as prune_filters
from .results import CarTable as CarTable
from .results import CarTables as CarTables
from .results import PruningPath as PruningPath
from .results import SelectivityTable as SelectivityTable
from .results import SiblingTable as SiblingTable
from .results import compare_classes as compare_classes
from .results import compare_paths as compare_paths
from .selectivity import measure_selectivity as measure_selectivity
from .session import Session as Session
from .session import Snapshot as Snapshot
from .session import open_session as open_session
from .siblings import measure_siblings as measure_siblings
from .zoo import list_models as list_models
from .zoo import load_data as load_data
from .zoo import load_model as load_model

__version__: str
