"""Floor 0: the records that measuring returns. They hold numbers only, never a model."""

from carviz.results.archive import Archive, pack, seal
from carviz.results.car_table import CarTable
from carviz.results.car_tables import CarTables
from carviz.results.chance.class_comparison import compare_classes
from carviz.results.clusters import Clusters
from carviz.results.files import UNFINISHED, write_whole
from carviz.results.filter_summary import ClassSummary, FilterSummary
from carviz.results.folder import read_folder
from carviz.results.path_comparison import compare_paths
from carviz.results.pruning_path import PruningPath
from carviz.results.record import Record
from carviz.results.selectivity_table import SelectivityTable
from carviz.results.sibling_table import SiblingTable

__all__ = [
    "UNFINISHED",
    "Archive",
    "CarTable",
    "CarTables",
    "ClassSummary",
    "Clusters",
    "FilterSummary",
    "PruningPath",
    "Record",
    "SelectivityTable",
    "SiblingTable",
    "compare_classes",
    "compare_paths",
    "pack",
    "read_folder",
    "seal",
    "write_whole",
]
