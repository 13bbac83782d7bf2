"""The margin τ of a bank that is measured in low precision, as far as it is known."""

from __future__ import annotations

from carviz.ablation import AuditedFacts, Auditing, Facts


class Doubling:
    """τ: set by sample A, or by an earlier run, and doubled where sample B finds an error.

    Parameters
    ----------
    precision
        "tf32" or "bf16".

    Attributes
    ----------
    threshold
        τ as it was set; None before.
    level
        How often it has doubled.
    """

    def __init__(self, precision: str) -> None:
        self.precision = precision
        self.threshold: float | None = None
        self.level = 0

    def note(self, facts: Facts) -> None:
        """Take in what sample B found in some facts: τ doubles until no error lies above it."""
        assert isinstance(facts, AuditedFacts)
        if self.threshold is None:
            self.threshold = float(facts.threshold[0])
        self.level = max(self.level, int(facts.level.max()), int(facts.worst.max()) - 1)

    def behind(self, facts: Facts) -> bool:
        """Whether facts were found when τ was smaller."""
        assert isinstance(facts, AuditedFacts)
        return bool((facts.level < self.level).any())

    @property
    def margin(self) -> float:
        """τ as it is now; 0 before it is set."""
        return (self.threshold or 0.0) * 2.0**self.level

    def auditing(self, images: int, filters: int) -> Auditing:
        """Return how a bank of `filters` filters is audited on `images` images."""
        assert self.threshold is not None
        return Auditing(self.precision, self.threshold, images, filters)
