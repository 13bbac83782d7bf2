"""What a page says about a bank."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.cards.html import (
    fact_list,
    figure_tag,
    html_table,
    image_tag,
    remark,
    section,
    text_cell,
    th,
)
from carviz.cards.numbers import NUMBERS_NOTE, kind_mark, number_cells
from carviz.plots import check_picture, plot_bank
from carviz.results import CarTable, Order, SelectivityTable
from carviz.wording import (
    KIND_LETTERS,
    SIGNIFICANT,
    apart_sentence,
    interval_words,
    order_words,
    points,
)

if TYPE_CHECKING:
    import pandas as pd

ENDS_NOTE = (
    f" The last two columns name the class with the highest and the lowest CAR: * where its q, "
    f"over all filters and classes, is at most {SIGNIFICANT:g}; without it, it could be chance."
)


def bank_parts(
    table: CarTable, selectivity: SelectivityTable | None, pictures: Any, title: str
) -> list[str]:
    """Return the sections about a bank."""
    # The plot checks the arguments for both.
    figure = plot_bank(table, selectivity=selectivity, pictures=pictures)
    pictures = check_picture(pictures, "(filter, height, width, 3)")
    return [
        section(title, _bank_facts(table, selectivity) + figure_tag(figure)),
        section(
            "Filter by filter, highest CAR first",
            _filter_table(table, selectivity, pictures)
            + remark(NUMBERS_NOTE.format(family="all filters of this page") + ENDS_NOTE),
        ),
    ]


def _bank_facts(table: CarTable, selectivity: SelectivityTable | None) -> str:
    flat = int(((table.lost_all == 0) & (table.gained_all == 0)).sum())
    facts = [
        ("CAR", interval_words(table.car.min(), table.car.max())),
        ("Filters that change no image", f"{flat} of {len(table.filters)}"),
    ]
    if len(table.filters) > 1:
        doubt = apart_sentence(table)
        facts.append(("How sure the order is", " ".join(filter(None, [doubt, _orders(table)]))))
    if selectivity is not None:
        counts = selectivity.counts()
        everything, shaped = counts.loc["all"], counts.loc["without faint"]
        words = [
            f"{kind_mark(kind)} {everything[kind]:.0f}"
            for kind in KIND_LETTERS
            if everything[kind] or kind != "dead"
        ]
        facts.append(
            (
                f"Selective (colour index above {selectivity.threshold:g} is colour)",
                ", ".join(words)
                + f". Without filters under a tenth of the bank's median energy: colour "
                f"{shaped['color']:.0f}, shape {shaped['shape']:.0f}.",
            )
        )
    return fact_list(facts)


def _orders(table: CarTable) -> str:
    """Return how far the orders of the filters agree with what other images would give."""
    orders: list[Order] = ["car", "log_prob"] if table.has_image_log_prob_drop else ["car"]
    return " ".join(order_words(table.agreement(order=order)) for order in orders)


def _filter_table(
    table: CarTable, selectivity: SelectivityTable | None, pictures: NDArray[np.float64] | None
) -> str:
    frame = table.to_frame().set_index("filter")
    text = {"weights", "filter", "selects", "matters most to", "least to"}
    columns = ["filter", "CAR", "95% interval", "lost", "gained", "p", "q"]
    columns += ["matters most to", "least to"]
    if selectivity is not None:
        columns.insert(1, "selects")
    if pictures is not None:
        columns.insert(0, "weights")
    ends = _end_classes(table)
    rows = (
        _filter_row(int(filter), frame.loc[filter], selectivity, pictures, ends[table.row(filter)])
        for filter in table.order
    )
    return html_table("", columns, rows, text=text, css="bank")


def _filter_row(
    filter: int,
    numbers: pd.Series[Any],
    selectivity: SelectivityTable | None,
    pictures: NDArray[np.float64] | None,
    ends: tuple[str, str],
) -> list[str]:
    cells = [th(str(filter))]
    if pictures is not None:
        swatch = image_tag(pictures[filter], f"Weights of filter {filter}", css="swatch")
        cells.insert(0, f'<td class="words">{swatch}</td>')
    if selectivity is not None:
        kind = str(selectivity.kind[filter])
        index = "" if kind == "dead" else f" {selectivity.color_index[filter]:.2f}"
        cells.append(f'<td class="words">{kind_mark(kind)}{index}</td>')
    return [*cells, *number_cells(numbers, ("lost", "gained")), *ends]


def _end_classes(table: CarTable) -> list[tuple[str, str]]:
    """Return for each row the cells of the classes with the highest and the lowest CAR.

    Bold are those that pass the sign test over all filters and classes, not only over the ones
    that are picked for showing.
    """
    kept = np.flatnonzero(table.class_images > 0)
    lost, gained = table.lost[:, kept], table.gained[:, kept]
    sure = table.q_value[:, kept] <= SIGNIFICANT
    car, drop = table.class_car[:, kept], table.log_prob_drop[:, kept]

    def cell(row: int, column: int) -> str:
        if not lost[row, column] and not gained[row, column]:
            return text_cell("no class changes")
        words = f"{table.shown_classes[kept[column]]} {points(car[row, column], unit=False)}"
        shown = f"<b>{escape(words)} *</b>" if sure[row, column] else escape(words)
        return f'<td class="words">{shown}</td>'

    cells = []
    for row in range(len(car)):
        order = np.lexsort((-drop[row], -car[row]))
        cells.append((cell(row, int(order[0])), cell(row, int(order[-1]))))
    return cells
