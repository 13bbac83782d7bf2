"""How results are put into words: one number is one string, whoever shows it.

The notebook, a saved page, a figure and the terminal all ask here; none words a number by itself.
Fractions come in, and what is read goes out: percentage points, counts, shares, places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from carviz.results import SIGNIFICANT as SIGNIFICANT  # the q up to which a change is called sure

if TYPE_CHECKING:
    from carviz.results import (
        Agreement,
        Beyond,
        CarTable,
        ColorCount,
        FilterSummary,
        PruningPath,
        RandomBand,
        SelectivityTable,
    )

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""Stands for a number that there is not."""
KINDS = {"color": "colour", "shape": "shape", "dead": "dead"}
"""How the kinds of `SelectivityTable.kind` are called."""
KIND_LETTERS = {"color": "C", "shape": "S", "dead": "×"}
CRITERIA = {
    "car": "CAR, greedy",
    "car-once": "CAR, ranked once",
    "log-prob": "fall of log p",
    "l1": "L1 norm",
    "l2": "L2 norm",
    "taylor": "Taylor",
    "apoz": "APoZ",
    "random": "random",
}
"""How the criteria of `carviz.prune_filters` are called; others go by their own name."""
ORDERS = {"car": "CAR", "log_prob": "log p"}
"""How the orders of a table's filters are called."""
NOT_APART = "these images do not tell the measured filters apart"
"""Stands where a rank would, and says that there is none; the bank may have more filters."""


# -- single numbers


def points(fraction: float, unit: bool = True) -> str:
    """Write a fraction as percentage points with its sign: 0.024 is "+2.4 points".

    Examples
    --------
    >>> points(0.0004, unit=False), points(0.0)
    ('+0.04', '0.0 points')
    """
    value = 100 * float(fraction)
    words = f"{abs(value):.1f}"
    if 0 < abs(value) < 0.0995:  # what is not zero does not read as zero
        words = f"{abs(value):.1g}"
    sign = "" if value == 0 else "+" if value > 0 else MINUS
    words = NONE if math.isnan(value) else f"{sign}{words}"
    return f"{words} points" if unit else words


def nats(value: float) -> str:
    """Write a difference of log p with its sign: "+0.012"."""
    if math.isnan(value):
        return NONE
    words = f"{value:+.3f}" if not 0 < abs(value) < 0.000995 else f"{value:+.1g}"
    return "0.000" if value == 0 else words.replace("-", MINUS)


def interval_words(low: float, high: float, unit: bool = True) -> str:
    """Write an interval of fractions in percentage points."""
    return f"{points(low, unit=False)} to {points(high, unit)}"


def tick_words(value: float) -> str:
    """Write a round number of percentage points beside an axis: "+2.5", "0"."""
    return f"{value:+g}".replace("-", MINUS) if abs(value) > 1e-9 else "0"


def answer_words(value: float) -> str:
    """Write how strongly a filter answers: "2.13"; what is not zero does not read as zero."""
    small = 0 < abs(value) < 0.0995
    return (f"{value:.2g}" if small else f"{value:.2f}").replace("-", MINUS)


def percent(fraction: float) -> str:
    """Write an accuracy: "98.4%"."""
    return f"{fraction:.1%}"


def share_words(fraction: float) -> str:
    """Write a share of few, as of the images of a class or of the filters of a bank: "31%"."""
    return "none" if math.isnan(fraction) else f"{fraction:.0%}"


def probability(p: float) -> str:
    """Write a p or a q: "0.012", "<0.001"."""
    if math.isnan(p):
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


def probability_words(p: float, name: str = "p") -> str:
    """Write a p or a q with its name: "p = 0.012", "p < 0.001"."""
    words = probability(p)
    return f"{name} < {words[1:]}" if words.startswith("<") else f"{name} = {words}"


def index_words(index: float) -> str:
    """Write the colour index of a filter; a dead one has none."""
    return "no colour index" if math.isnan(index) else f"colour index {index:.2f}"


def likeness_words(likeness: float) -> str:
    """Write a likeness from -1 to 1."""
    if math.isnan(likeness):
        return "none"
    return f"{likeness:.2f}".replace("-0.00", "0.00").replace("-", MINUS)


def counted(number: int, thing: str) -> str:
    """Return a number with its thing, in the plural where it is not one."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def classes_words(number: int) -> str:
    """Write so many classes."""
    return f"{number:,} class{'' if number == 1 else 'es'}"


# -- what a filter is worth


def flips_words(lost: int, gained: int, images: int) -> str:
    """Write the images behind a filter's CAR: "12 lost, 0 gained of 50 images"."""
    return f"{lost:,} lost, {gained:,} gained of {counted(images, 'image')}"


def rank_words(found: FilterSummary, filters: int | None = None) -> str:
    """Write a filter's place and the ranks that it may have: "3 of 32, 95% interval 1 to 20".

    Where the images do not tell the filters apart it says so, and offers the place by log p.
    `filters` is how many the bank has, where that is known; else its numbers tell.
    """
    whole = found.whole if filters is None else found.filters == filters
    among = f"of {found.filters}" + ("" if whole else " measured")
    if found.told_apart:
        tied = f", CAR tied with {counted(found.tied, 'other')}" if found.tied else ""
        if found.rank_low is None or found.rank_high is None:
            return f"{found.rank} {among}{tied}"
        span = rank_interval_words(found.rank_low, found.rank_high)
        return f"{found.rank} {among}, {span}{tied}"
    if found.log_prob_told_apart is None:
        return NOT_APART
    if found.log_prob_rank is None or found.log_prob_agreement is None:
        return f"{NOT_APART}; nor does log p"
    place = f"{found.log_prob_rank} {among}"
    return f"{NOT_APART}; by log p: {place}, agreement {found.log_prob_agreement:.2f}"


def place_words(found: FilterSummary, filters: int | None = None) -> str:
    """Write a filter's place where nothing else says that it is one: "rank 3 of 32, …"."""
    return f"{'rank ' if found.told_apart else ''}{rank_words(found, filters)}"


def apart_words(table: CarTable) -> str:
    """Write that the images do not tell a bank's filters apart, and whether log p does; else ""."""
    if table.tells_apart():
        return ""
    if not table.has_image_log_prob_drop:
        return NOT_APART
    if not table.tells_apart(order="log_prob"):
        return f"{NOT_APART}; nor does log p"
    agreement = table.agreement(order="log_prob").shown
    return f"{NOT_APART}; log p does, agreement {agreement:.2f}"


def apart_sentence(table: CarTable) -> str:
    """Write the same as a sentence of its own; "" where the filters are told apart."""
    words = apart_words(table)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def rank_interval_words(low: int, high: int) -> str:
    """Write between which places a filter's true rank lies: "95% interval 1 to 12"."""
    return f"95% interval {low} to {high}"


def agreement_words(found: Agreement) -> str:
    """Write how far an order agrees with what other images would give, and what would be enough."""
    if math.isnan(found.alpha):
        return found.why
    low, high = max(0.0, found.low), max(0.0, found.high)
    words = f"agreement {found.shown:.2f} ({low:.2f} to {high:.2f})"
    if not math.isnan(found.halves):
        words += f", halves of the images {likeness_words(found.halves)}"
    return f"{words}; {_needed_words(found)}"


def _needed_words(found: Agreement) -> str:
    least, most = found.images_needed_low, found.images_needed_high
    if math.isinf(least):
        return "no number of images is known to give 0.8"
    if math.isinf(found.images_needed):
        return f"0.8 takes {_about(least)} images or more"
    span = f"{_about(least)} or more" if math.isinf(most) else f"{_about(least)} to {_about(most)}"
    return f"0.8 takes about {_about(found.images_needed)} images ({span})"


def _about(number: float) -> str:
    """Write a number of images that is known roughly, by its first two digits."""
    return f"{int(float(f'{math.ceil(number):.1e}')):,}"


WHY = {
    "stood_in": "where one is missing, another does its work",
    "too_much": "what gets right without one gets right without another too, or not without all",
    "shared": "what is lost without one is lost without another too",
    "made_up": "the loss of one makes up for the loss of another",
    "won_together": "some images get right only without all of them",
}
"""Why filters cost more, and less, together than one by one: see `carviz.results.Beyond`."""


def excess_words(
    excess: float, low: float, high: float, p_value: float, why: Beyond, tried: int = 1
) -> str:
    """Say what filters cost together beyond the sum of what each costs alone, and if that is sure.

    It is where it would be whichever of the sets that were tried was looked at (Bonferroni).

    Examples
    --------
    >>> from carviz.results import Beyond
    >>> excess_words(0.089, 0.05, 0.12, 0.0001, Beyond(9, 0, 0, 0, 0))[:63]
    'Together they cost 8.9 points more than one by one: where one i'
    """
    size = points(abs(excess)).removeprefix("+")
    span = f"95% interval {interval_words(low, high)}"
    if not excess:
        return f"Together they cost what they cost one by one ({span})."
    more = "more" if excess > 0 else "less"
    said = f"Together they cost {size} {more} than one by one"
    if not p_value * tried <= SIGNIFICANT:  # NaN is not sure either
        many = f": it is one of {tried} sets tried" if p_value <= SIGNIFICANT else ""
        return f"{said}, which could be chance{many} ({span})."
    reason = WHY[why.more if excess > 0 else why.less]
    return f"{said}: {reason} ({span}, {probability_words(p_value)})."


def twin_words(
    one: int, other: int, excess: float, p_value: float, why: Beyond, tried: int = 1
) -> str:
    """Answer whether one filter stands in for another, by what the two cost beyond their sum."""
    if not p_value * tried <= SIGNIFICANT:
        return f"No sign that {other} stands in for {one}: these images cannot tell."
    if excess > 0 and why.more == "stood_in":
        return f"Yes: {other} and {one} stand in for one another."
    return f"No: {other} does not stand in for {one}."


def order_words(found: Agreement) -> str:
    """Write the same of an order that is named: "Order by CAR: agreement 0.92 (0.88 to 0.96)"."""
    return f"Order by {ORDERS[found.order]}: {agreement_words(found).removesuffix('.')}."


def counts_words(lost: int, gained: int, images: int) -> str:
    """Write the images behind a class's CAR, where room is scarce: "12 lost of 50".

    Without any it does not read as "0 right", nor as "no answer changes": wrong ones may.
    """
    parts = [f"{n:,} {word}" for n, word in ((lost, "lost"), (gained, "gained")) if n]
    return f"{', '.join(parts) or 'none lost or gained'} of {images:,}"


def seen_words(table: CarTable) -> str:
    """Write how many images a table holds, and whether that is all."""
    seen = len(table.images)
    if seen == table.total:
        return counted(seen, "image")
    return f"{seen:,} of {table.total:,} images" + ("" if table.complete else " so far")


def accuracy_words(table: CarTable) -> str:
    """Write the accuracy of the whole network, on what, and what is not zero without a filter."""
    words = f"Whole network: {percent(table.accuracy)} right on {seen_words(table)}"
    value = value_words(table)
    return words + (f"; in a filter's place: {value}" if value else "")


def value_words(table: CarTable) -> str:
    """Write what stands in a filter's channel, in short; "" where it is zero."""
    value = table.passport.get("value", {}).get("set", "")
    names = {"mean": "its mean", "resample": "another image's", "optimal": "its best constant"}
    return value and names.get(value, f"{value:g}" if isinstance(value, float) else str(value))


def accuracy_share_words(accuracy: float, images: int) -> str:
    """Write the accuracy of the whole network on so many images."""
    return f"Whole network: {percent(accuracy)} right on {counted(images, 'image')}"


def kind_words(kind: str) -> str:
    """Write a filter's kind; "" for none."""
    return KINDS.get(str(kind), str(kind))


# -- a path of pruning


def criterion_words(path: PruningPath) -> str:
    """Write what ordered the filters."""
    return CRITERIA.get(path.criterion, path.criterion)


def banks_words(path: PruningPath) -> str:
    """Write the banks that were pruned jointly."""
    return names_words(path.banks)


def names_words(banks: Sequence[str]) -> str:
    """Write the names of banks: "features.0 and features.3", "3 banks"."""
    return " and ".join(banks) if len(banks) <= 2 else f"{len(banks)} banks"


def other_classes_words(found: Sequence[str], expected: Sequence[str]) -> str:
    """Write where two lists of classes part: "label 3 is 'cat' there, and 'dog' here"."""
    for label, (there, here) in enumerate(zip(found, expected, strict=False)):
        if there != here:
            return f"label {label} is {there!r} there, and {here!r} here"
    return f"found {len(found):,} classes beside {len(expected):,}"


def whole_words(path: PruningPath) -> str:
    """Write the accuracy of the whole network, and on what."""
    n = len(path.targets)
    return f"Whole network: {percent(path.accuracy[0])} right on {counted(n, 'image')}"


def count_words(path: PruningPath, count: int) -> str:
    """Write a place of the path: "16 of 32 filters (50%)"."""
    F = path.filters
    return f"{count} of {counted(F, 'filter')} ({share_words(count / F)})"


def band_words(band: RandomBand) -> str:
    """Write what a band of random orders is."""
    return (
        f"Band: lowest to highest of {counted(len(band), 'random order')}. At a given step one "
        f"more would lie in it with a chance of {share_words(band.covers)} or more."
    )


def color_words(count: ColorCount, among: str = "") -> str:
    """Write how many filters select colour, of how many: "5 of 16 (31%)"."""
    return f"{count.color} of {among or count.drawn} ({share_words(count.share)})"


def chance_words(count: ColorCount) -> str:
    """Write the share of the colour-selective in the whole of the banks: "8 of 32 (25%)"."""
    return f"{count.of_color} of {count.of} ({share_words(count.chance)})"


def chance_lines(path: PruningPath, kinds: Mapping[str, SelectivityTable], count: int) -> list[str]:
    """Write how many of the first `count` select colour beside chance, then without faint ones.

    Chance is the share of colour-selective filters among all of the banks that can be told, dead
    ones left out. Filters of banks without a table, and dead ones, are not counted.
    """
    from carviz.results import count_color

    if not kinds or not count:
        return []
    steps = path.steps[:count]
    found, shaped = count_color(steps, kinds), count_color(steps, kinds, faint=False)
    first = f"the first {count} pruned"
    if found.drawn < count:
        first = f"{found.drawn} counted among {first}"
    lines = [
        f"{color_words(found, first)} select colour; chance: {chance_words(found)}",
        f"By chance as many or more: {probability_words(found.p_value)} (hypergeometric).",
    ]
    if found.drawn < count:
        lines[1] += " Dead filters and banks without colour indices are not counted."
    if shaped.of < found.of:
        lines.append(
            f"Without {found.of - shaped.of} that training hardly shaped (energy under 10% of the "
            f"median): {color_words(shaped)}; chance: {chance_words(shaped)}; "
            f"{probability_words(shaped.p_value)}"
        )
    return lines
