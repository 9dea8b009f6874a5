"""What the stages say of one scan, kept in their small cubes, and what can be made of it.

A mask, maps of probability, how far single predictions spread: each is brought to the scan's own
grid slab by slab, as bytes. No float array of the scan's size is ever made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from liverlib.core.arrays import Box, count_classes, enough_memory
from liverlib.core.verdict import NOT_TO_BE_USED, Quality, Reason
from liverlib.evaluation.lesion_table import MeasuredLesion
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.boxes import whole_box

from .blending import Located, blend, blended, fill_box
from .postprocessing import DEFAULTS, PostprocessSettings, postprocess, roi_box
from .quality.calibration import Calibration
from .quality.features import lesion_features, liver_features
from .stage_output import StageOutput


@dataclass(frozen=True, eq=False)
class Prediction:
    """The outcome of one or two stages for a scan of this grid.

    Post-processing changes the mask, never the probabilities. Masks and maps raise `LiverlibError`
    where memory is short. `examine` looks for causes of doubt, once, where `quality` is asked for.
    `calibration` is that of the weights; None where there is none.

    >>> write_volume("mask.nii.gz", prediction.mask)
    """

    grid: Grid
    name: str
    stages: Sequence[StageOutput]
    settings: PostprocessSettings = DEFAULTS
    examine: Callable[[], Sequence[Reason]] = tuple
    calibration: Calibration | None = None

    @cached_property
    def quality(self) -> Quality:
        """How far the mask may be believed, and why."""
        found = Quality(tuple(self.examine()))
        if found.usable and self.stages[0].box and not self.stages[-1].box:
            text = "The ROI stage finds no liver where the coarse stage does: the mask is empty. "
            lost = Reason("liver", text + "Give a scan that shows the liver.", NOT_TO_BE_USED)
            return Quality((*found.reasons, lost))
        if self.calibration is None or not found.usable or not self.stages[-1].box:
            return found
        dice = self.calibration.liver_dice(liver_features(self.stages))
        doubts = self.calibration.doubts(dice)
        return Quality((*found.reasons, *doubts), dice)

    def chance(self, lesion: MeasuredLesion) -> float:
        """The chance that a lesion of the mask is one, calibrated; NaN without a calibration."""
        if self.calibration is None:
            return np.nan
        return self.calibration.lesion_chance(lesion_features(lesion, self.stages[-1]))

    @cached_property
    def mask(self) -> Volume:
        """0 background, 1 liver, 2 tumour, by the mean of all probabilities."""
        located = [(stage.cube, stage.kept) for stage in self.stages]
        with enough_memory(self.name, self.grid.shape):
            return Volume(self._merged(located, self.stages[0].box), self.grid, self.name)

    @cached_property
    def tumour_ml_each(self) -> tuple[float, ...]:
        """The tumours' volume by each single prediction, NaN where the spacing is unknown; none
        where there is only one."""
        count = max(len(stage.probabilities) for stage in self.stages)
        if count < 2:
            return ()
        with enough_memory(self.name, self.grid.shape):
            tumours = [count_classes(self._nth(n))[2] for n in range(count)]
        return tuple(float(voxels * self.grid.voxel_ml) for voxels in tumours)

    def probability(self, least: int, box: Box | None = None) -> np.ndarray:
        """Probability of class `least` or a higher one, (X, Y, Z) uint8 in 1/255.

        1 asks for the liver with its tumours, 2 for tumour. Only what lies in `box`, where given.
        """
        box = box or whole_box(self.grid.shape)
        coarse, *roi = [(stage.cube, stage.mean) for stage in self.stages]
        parts = [(coarse[0].box, coarse[0].slabs(coarse[1], coarse[0].box))]
        parts += [(stage[0].box, blended(coarse, stage, self.grid.spacing)) for stage in roi]
        with enough_memory(self.name, self.grid.shape):
            values = np.zeros([side.stop - side.start for side in box], np.uint8, order="F")
            for part, slabs in parts:
                levels = (np.rint(255 * slab[:least].min(axis=0)) for slab in slabs)
                fill_box(values, box, part, levels)
        return values

    def _nth(self, n: int) -> np.ndarray:
        """The mask by the nth prediction alone; a stage with fewer begins again."""
        located = []
        for stage in self.stages:
            single = stage.probabilities[n % len(stage.probabilities)]
            kept = postprocess(single, self.settings)
            if stage.added is not None:
                np.maximum(kept[1], stage.added[n % len(stage.added)], out=kept[1])
            located.append((stage.cube, kept))
        return self._merged(located, roi_box(*located[0], self.grid.spacing))

    def _merged(self, located: Sequence[Located], liver: Box | None) -> np.ndarray:
        """The classes of all stages; `liver` is the box that the coarse one asks for."""
        coarse, *roi = located
        if roi and (liver is None or _within(liver, roi[0][0].box)):
            mask = np.zeros(self.grid.shape, np.uint8, order="F")  # the ROI covers all of it
        else:
            mask = coarse[0].to_grid(coarse[1])
        for stage in roi:
            blend(mask, coarse, stage, self.grid.spacing, self.settings)
        return mask


def _within(box: Box, whole: Box) -> bool:
    return all(
        outer.start <= side.start and side.stop <= outer.stop
        for side, outer in zip(box, whole, strict=True)
    )
