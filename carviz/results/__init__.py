"""Floor 0: the records that measuring returns. They hold numbers only, never a model."""

from carviz.results.agreement import Agreement, Order
from carviz.results.archive import Archive, pack, seal
from carviz.results.car_table import CarTable
from carviz.results.car_tables import CarTables
from carviz.results.chance.class_comparison import compare_classes
from carviz.results.chance.color_count import ColorCount, count_color
from carviz.results.class_ends import ClassEnds, class_ends
from carviz.results.class_names import shown_names
from carviz.results.clusters import Clusters
from carviz.results.cumulative_table import CumulativeTable, Curves
from carviz.results.files import UNFINISHED, write_whole
from carviz.results.filter_numbers import pruned_filters
from carviz.results.filter_summary import ClassSummary, FilterSummary
from carviz.results.folder import read_folder
from carviz.results.frames import summary_frame
from carviz.results.joint_table import JointTable
from carviz.results.label_table import LabelTable
from carviz.results.likeness import check_car, tidy
from carviz.results.pair_table import CHANCE, COMPENSATION, REDUNDANCY, PairTable
from carviz.results.path_comparison import compare_paths
from carviz.results.pruning_path import PruningPath
from carviz.results.random_band import RandomBand
from carviz.results.record import Record
from carviz.results.score_table import ScoreTable
from carviz.results.selectivity_table import SelectivityTable
from carviz.results.sets import Beyond, as_one_filter, beyond
from carviz.results.sibling_table import SiblingTable
from carviz.results.statistics import SIGNIFICANT, paired_interval
from carviz.results.two_filters import TwoFilters, became, two_filters
from carviz.results.value_comparison import ValueComparison, compare_values

__all__ = [
    "CHANCE",
    "COMPENSATION",
    "REDUNDANCY",
    "SIGNIFICANT",
    "UNFINISHED",
    "Agreement",
    "Archive",
    "Beyond",
    "CarTable",
    "CarTables",
    "ClassEnds",
    "ClassSummary",
    "Clusters",
    "ColorCount",
    "CumulativeTable",
    "Curves",
    "FilterSummary",
    "JointTable",
    "LabelTable",
    "Order",
    "PairTable",
    "PruningPath",
    "RandomBand",
    "Record",
    "ScoreTable",
    "SelectivityTable",
    "SiblingTable",
    "TwoFilters",
    "ValueComparison",
    "as_one_filter",
    "became",
    "beyond",
    "check_car",
    "class_ends",
    "compare_classes",
    "compare_paths",
    "compare_values",
    "count_color",
    "pack",
    "paired_interval",
    "pruned_filters",
    "read_folder",
    "seal",
    "shown_names",
    "summary_frame",
    "tidy",
    "two_filters",
    "write_whole",
]
