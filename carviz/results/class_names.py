"""Classes are told by their numbers; where a name alone does not tell them, it is shown with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from carviz.checks import did_you_mean, is_whole


def shown_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names as they are shown, all different: "crane (134)" where two are called crane.

    A name that is blank is shown as its number, too. Names that differ in white space only look
    the same, and count as one.

    Parameters
    ----------
    classes
        K names, one a logit.

    Examples
    --------
    >>> shown_names(("crane", "dog", "crane", ""))
    ('crane (0)', 'dog', 'crane (2)', '(3)')
    """
    shown = list(classes)
    numbered: set[int] = set()
    while True:
        looks = [" ".join(name.split()) for name in shown]
        count = Counter(looks)
        # A name may be written like another one with its number: then it gets its own as well.
        alike = [n for n, look in enumerate(looks) if not look or count[look] > 1]
        if not alike:
            return tuple(shown)
        for number in set(alike) - numbered:
            shown[number] = f"{shown[number]} ({number})".lstrip()
        numbered.update(alike)


def find_class(classes: Sequence[str], asked: str | int) -> int:
    """Return the number of a class that is given by its number, its name, or as it is shown.

    Raises
    ------
    ValueError
        If there is none, or several go by that name.
    """
    count = len(classes)
    if is_whole(asked):
        if 0 <= int(asked) < count:
            return int(asked)
    elif isinstance(asked, str):
        fitting = [number for number, name in enumerate(classes) if name == asked]
        if not fitting and asked in (shown := shown_names(classes)):
            return shown.index(asked)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            numbers = " and ".join(str(number) for number in fitting)
            raise ValueError(
                f"A name is asked for where one class has it; {asked!r} is the name of classes "
                f"{numbers}. Give the number."
            )
    raise ValueError(
        f"A class is one of the table's {count} names or numbers; found {asked!r}."
        f"{did_you_mean(asked, classes)}"
    )
