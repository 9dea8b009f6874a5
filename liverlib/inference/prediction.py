"""What the looks say of one scan, kept in their small cubes, and what can be drawn from it.

A mask, maps of probability, how far single answers spread: each is brought to the scan's own grid
slab by slab, as bytes. No float array of the scan's size is ever made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.boxes import Box
from liverlib.preprocessing.cube import Cube

from .blending import blend, blended, fill, part_of
from .postprocessing import PostprocessSettings, keep, roi_box


@dataclass(frozen=True, eq=False)
class StageOutput:
    """One look at a scan: its cube, and (N, 2, S, S, S) float32, how likely each voxel is liver
    (or tumour), and tumour, by each network and each test-time augmentation."""

    cube: Cube
    answers: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The answers' average, (2, S, S, S)."""
        return self.answers.mean(axis=0)

    def answer(self, n: int) -> np.ndarray:
        """The nth answer, (2, S, S, S); begins again after the last."""
        return self.answers[n % len(self.answers)]


@dataclass(frozen=True, eq=False)
class Prediction:
    """One or two looks at a scan of this grid. Rules touch the mask, never the probabilities."""

    grid: Grid
    name: str
    looks: Sequence[StageOutput]
    rules: PostprocessSettings = PostprocessSettings()

    def mask(self) -> Volume:
        """0 background, 1 liver, 2 tumour, by the average of the answers."""
        mask = self._mask([look.mean for look in self.looks])
        return Volume(mask, self.grid, self.name)

    def probability(self, least: int) -> np.ndarray:
        """How likely each voxel is of class `least` or a higher one, (X, Y, Z) uint8 in 1/255:
        1 asks for the liver with its tumours, 2 for tumour."""
        shares = [(look.cube, look.mean) for look in self.looks]
        drawn = np.zeros(self.grid.shape, np.uint8, order="F")
        parts = [(shares[0][0].box, shares[0][0].slabs(shares[0][1], shares[0][0].box))]
        if len(shares) > 1:
            parts.append((shares[1][0].box, blended(*shares, self.grid.spacing)))
        for box, slabs in parts:
            fill(part_of(drawn, box), (np.rint(255 * slab[least - 1]) for slab in slabs))
        return drawn

    def tumour_ml(self) -> tuple[float, ...]:
        """The tumours' volume by each answer alone, NaN where the spacing is unknown; none where
        there is only one answer."""
        count = max((len(look.answers) for look in self.looks), default=1)
        masks = (self._mask([look.answer(n) for look in self.looks]) for n in range(count))
        volumes = (np.count_nonzero(mask == 2) * self.grid.voxel_ml for mask in masks)
        return tuple(float(ml) for ml in volumes) if count > 1 else ()

    def _mask(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        shares = [
            (look.cube, keep(answer, self.rules))
            for look, answer in zip(self.looks, answers, strict=True)
        ]
        if len(shares) == 1:
            return shares[0][0].to_grid(shares[0][1])
        found, box = roi_box(*shares[0], self.grid.spacing), shares[1][0].box
        if found and not _within(found, box):  # else the second look draws over all of it
            mask = shares[0][0].to_grid(shares[0][1])
        else:
            mask = np.zeros(self.grid.shape, np.uint8, order="F")
        blend(mask, *shares, self.grid.spacing, self.rules)
        return mask


def _within(box: Box, whole: Box) -> bool:
    return all(a <= c and d <= b for (c, d), (a, b) in zip(box, whole, strict=True))
