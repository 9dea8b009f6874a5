"""The outcome of one stage for a scan, in its small cube."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from liverlib.core.arrays import Box
from liverlib.preprocessing.cube import Cube


@dataclass(frozen=True, eq=False)
class StageOutput:
    """One stage's outcome for a scan.

    `probabilities` (N, 2, S, S, S) float32 are of liver or tumour, and of tumour, by each network
    and each test-time augmentation. `kept` (2, S, S, S) is their mean after post-processing, and
    `box` lies around its liver, in the scan's voxels; None where there is no liver. `level` is the
    HU from which the cube's window was counted. Both hold the probability of tumours that changed
    contrasts and the fine stage `added` (S, S, S), which no post-processing takes away.
    """

    cube: Cube
    probabilities: np.ndarray
    kept: np.ndarray
    box: Box | None
    level: float = 0.0
    added: np.ndarray | None = None

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean probabilities (2, S, S, S), before post-processing."""
        return self.probabilities.mean(axis=0)

    def with_tumours(self, added: np.ndarray) -> "StageOutput":
        """This outcome with the probability (S, S, S) of further tumours, 0 elsewhere."""
        probabilities, kept = self.probabilities.copy(), self.kept.copy()
        for tumour in (*probabilities[:, 1], kept[1]):
            np.maximum(tumour, added, out=tumour)
        if self.added is not None:
            added = np.maximum(self.added, added)
        return replace(self, probabilities=probabilities, kept=kept, added=added)
