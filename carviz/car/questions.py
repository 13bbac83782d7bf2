"""What is asked of a network's answers: the first class, or also others."""

from __future__ import annotations

import dataclasses
from typing import Any

from carviz.ablation import CLASSES, AnswerReading, TopClasses
from carviz.checks import check_whole


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of a network's answers.

    Parameters
    ----------
    top
        How many of the highest logits count as right, beside the first alone.
    """

    top: int = 1

    def reading(self, classes: int, precision: str) -> AnswerReading:
        """Return what is read of the answers.

        Parameters
        ----------
        classes
            Logits of the network.
        precision
            In which it runs.

        Raises
        ------
        TypeError, ValueError
            If that is not what such a network can be asked.
        """
        note = f"fewer than the network's {classes} logits"
        what = "how many of the highest logits count as right"
        top = check_whole(self.top, "top", 1, max(1, classes - 1), what=what, note=note)
        if top == 1:
            return CLASSES
        if precision != "float32":
            raise ValueError(
                f"top above 1 is measured in float32; found precision {precision!r}, whose audit "
                "looks at the first class alone. Leave the precision out, or top."
            )
        return TopClasses(top)

    def passport(self) -> dict[str, Any]:
        """Return what the passport says of it: only what is not plain."""
        return {} if self.top == 1 else {"top": int(self.top)}


PLAIN = Question()
