"""How far a result may be believed: one verdict, with its reasons in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

AS_EXPECTED, LOOK_CLOSELY, NOT_TO_BE_USED = "as expected", "look closely", "not to be used"
VERDICTS = (AS_EXPECTED, LOOK_CLOSELY, NOT_TO_BE_USED)  # from the best to the worst


@dataclass(frozen=True)
class Reason:
    """One cause of doubt.

    `cause` is its short name, for programs; `text` says what is wrong and what to do. `verdict` is
    what it calls for; one that calls for "as expected" is a note.
    """

    cause: str
    text: str
    verdict: str = LOOK_CLOSELY


@dataclass(frozen=True)
class Quality:
    """The verdict on a mask, its reasons, and the Dice that its liver is predicted to have.

    `liver_dice` holds the low end, the middle and the high end of an 80 % interval; None where
    nothing is predicted: without a liver, or for weights that the prediction was not fitted to.

    >>> Quality().verdict
    'as expected'
    """

    reasons: Sequence[Reason] = field(default=())
    liver_dice: tuple[float, float, float] | None = None

    @property
    def verdict(self) -> str:
        """The worst that any reason calls for."""
        return max(
            (reason.verdict for reason in self.reasons), key=VERDICTS.index, default=AS_EXPECTED
        )

    @property
    def usable(self) -> bool:
        """Whether the mask is worth writing."""
        return self.verdict != NOT_TO_BE_USED

    @property
    def headline(self) -> str:
        """The verdict, and the predicted Dice where there is one."""
        if not self.liver_dice:
            return self.verdict
        low, middle, high = self.liver_dice
        return f"{self.verdict}; predicted liver Dice {middle:.2f} ({low:.2f} to {high:.2f})"

    @property
    def details(self) -> list[str]:
        """The reasons in sentences, the gravest first."""
        ordered = sorted(self.reasons, key=lambda reason: -VERDICTS.index(reason.verdict))
        return [reason.text for reason in ordered]

    def to_dict(self) -> dict[str, Any]:
        """The verdict, the reasons and the predicted Dice, fit for JSON."""
        reasons = [vars(reason) for reason in self.reasons]
        return {"verdict": self.verdict, "reasons": reasons, "liver_dice": self.liver_dice}
