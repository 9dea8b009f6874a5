"""What a scan and its coarse stage tell about how far a mask may be believed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from liverlib.core.verdict import NOT_TO_BE_USED, Reason
from liverlib.io.volume import Volume
from liverlib.preprocessing.cube import Cube

from ..stage_output import StageOutput
from .geometry import Sample, check_geometry
from .grey_values import check_grey_values
from .liver import CoarseLiver, check_liver
from .orientation import Axes, check_orientation
from .spine import check_spine


def examine_scan(
    scan: Volume,
    coarse: StageOutput,
    window: tuple[float, float],
    predict: Callable[[Cube], np.ndarray],
) -> list[Reason]:
    """Every cause of doubt in the scan and in its coarse stage.

    Where the values are no Hounsfield units, nothing else is looked at: it would follow from that.

    Args:
        scan: in Hounsfield units, as it should be.
        coarse: the coarse stage's outcome for it.
        window: HU of the coarse stage's cube.
        predict: the coarse stage's probabilities (2, S, S, S) of another cube.
    """
    sample = Sample.of(scan)
    reasons = check_grey_values(sample.voxels)
    if any(reason.verdict == NOT_TO_BE_USED for reason in reasons):
        return reasons
    reasons += check_geometry(scan.grid, sample)
    if not sample.body:
        return reasons

    def turned(axes: Axes) -> np.ndarray:
        if not axes:
            return coarse.mean
        image = np.ascontiguousarray(np.flip(coarse.cube.image, axes))
        return predict(replace(coarse.cube, image=image))

    orientation = check_orientation(sample, turned)
    if any(reason.verdict == NOT_TO_BE_USED for reason in orientation):
        return [*reasons, *orientation]
    if not any(reason.cause == "spacing" for reason in reasons):
        reasons += check_spine(scan, sample)
    return [*reasons, *orientation, *check_liver(CoarseLiver(coarse, scan.grid, window))]
