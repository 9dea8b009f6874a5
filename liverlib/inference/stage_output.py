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
    contrasts and the fine stage `added` (N or 1, S, S, S), to each single prediction or to all
    alike; no post-processing takes them away.
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

    def with_tumours(self, found: np.ndarray, each: np.ndarray | None = None) -> "StageOutput":
        """This outcome with further tumours.

        Args:
            found: their probability (S, S, S), 0 elsewhere.
            each: the same by each single prediction (N, S, S, S); by default all find the same.
        """
        added = found[None] if each is None else each
        probabilities, kept = self.probabilities.copy(), self.kept.copy()
        np.maximum(probabilities[:, 1], added, out=probabilities[:, 1])
        np.maximum(kept[1], found, out=kept[1])
        if self.added is not None:
            added = np.maximum(self.added, added)
        return replace(self, probabilities=probabilities, kept=kept, added=added)
