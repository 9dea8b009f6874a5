"""From what a prediction shows to what it is worth: fitted on phantoms, for one file of weights.

The liver's Dice is predicted by ridge regression of −log(1 − Dice), its interval from the errors
on kinds of phantoms that were left out. The chance that a lesion is one comes from logistic
regression. `benchmarks/weights/quality.py` fits both and writes the file beside the weights, with
the changed contrasts in which these find more tumours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json
from liverlib.core.verdict import LOOK_CLOSELY, Reason
from liverlib.io.provenance import sha256_of

from ..contrasts import ChangedContrast

VERSION = 2  # raised when features come to mean something else
LEAST_MISSING = 1e-3  # 1 − Dice; less counts as this
LEAST_DICE = 0.8  # of the middle of the interval: below it a mask wants a close look


@dataclass(frozen=True)
class Linear:
    """A linear function of standardised features; a feature that is unknown counts as average."""

    intercept: float
    weights: Mapping[str, float]
    means: Mapping[str, float]
    deviations: Mapping[str, float]

    def __call__(self, features: Mapping[str, float]) -> float:
        """Its value."""
        total = self.intercept
        for name, weight in self.weights.items():
            standardised = (features[name] - self.means[name]) / self.deviations[name]
            total += weight * standardised if standardised == standardised else 0.0
        return total


@dataclass(frozen=True)
class Calibration:
    """What was fitted to a file of weights, and chosen for it.

    `interval` holds the 10 % and 90 % quantiles of the liver's errors. `contrasts` are those in
    which the ROI stage sees the liver, too.
    """

    liver: Linear
    interval: tuple[float, float]
    lesion: Linear
    contrasts: tuple[ChangedContrast, ...] = ()

    @classmethod
    def of(cls, weights: str | Path) -> "Calibration | None":
        """That of a file of weights; None where the file beside it was not fitted to it."""
        path = calibration_path(weights)
        if not path.is_file():
            return None
        content = read_json(path)
        try:
            if content["version"] != VERSION or content["weights"] != sha256_of(weights):
                return None
            low, high = content["interval"]
            contrasts = tuple(ChangedContrast(**values) for values in content.get("contrasts", ()))
            liver, lesion = Linear(**content["liver"]), Linear(**content["lesion"])
            return cls(liver, (low, high), lesion, contrasts)
        except (KeyError, TypeError, ValueError) as error:
            raise LiverlibError(
                f"{path}: no calibration ({error!r}). Fit it again, or delete it."
            ) from error

    def liver_dice(self, features: Mapping[str, float]) -> tuple[float, float, float]:
        """The low end, the middle and the high end of an 80 % interval of the liver's Dice."""
        middle = self.liver(features)
        low, high = (middle + error for error in self.interval)
        return to_dice(low), to_dice(middle), to_dice(high)

    def lesion_chance(self, features: Mapping[str, float]) -> float:
        """The chance that a lesion overlaps a true one, at an IoU above 0.1."""
        return 1 / (1 + math.exp(-self.lesion(features)))

    def doubts(self, dice: tuple[float, float, float]) -> list[Reason]:
        """A reason where the predicted Dice is low."""
        if dice[1] >= LEAST_DICE:
            return []
        text = f"The liver's Dice is predicted to be {dice[1]:.2f} only: the stages are unsure, or "
        return [Reason("uncertain", text + "disagree. Correct the mask by hand.", LOOK_CLOSELY)]


def calibration_path(weights: str | Path) -> Path:
    """Where the calibration of a file of weights lies: beside it, ending in ``.quality.json``."""
    return Path(weights).with_suffix(".quality.json")


def from_dice(dice: float) -> float:
    """−log(1 − Dice): what is predicted, as errors of large and of small Dice vary alike there.

    NaN stays NaN.
    """
    return -math.log(min(max(1 - dice, LEAST_MISSING), 1))


def to_dice(value: float) -> float:
    """The inverse of `from_dice`, from 0 to 1."""
    return min(max(1 - math.exp(-value), 0.0), 1.0)
