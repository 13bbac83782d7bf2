"""Floor 6: static pages that open anywhere, one for a filter, one for a bank.

A page is a single file of HTML without scripts: pictures and figures are inside it as data, and
nothing is fetched. It follows the reader's light or dark theme, and prints on A4.
"""

from carviz.cards.pages import bank_page, filter_page, save_page, whole_page

__all__ = ["bank_page", "filter_page", "save_page", "whole_page"]
