"""Floor 6: static pages that open anywhere, of a filter, of a bank, of pruning.

A page is a single file of HTML without scripts: pictures and figures are inside it as data, and
nothing is fetched. It follows the reader's light or dark theme, and prints on A4.
"""

from carviz.cards.pages import bank_page, filter_page, pruning_page, save_page, whole_page

__all__ = ["bank_page", "filter_page", "pruning_page", "save_page", "whole_page"]
