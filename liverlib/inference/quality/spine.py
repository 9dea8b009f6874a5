"""Whether vertebrae follow each other as in people: where not, the distance of the slices is wrong.

A vertebral body is 20 to 30 mm high. A disc is 5 mm high in the lower chest (Fletcher et al.,
European Spine Journal, doi 10.1007/s00586-015-3925-y) and, from memory, up to 11 mm in the loins.
So from one vertebra to the next it is 26 to 44 mm, short and tall people included.
"""

import numpy as np
from scipy import ndimage

from liverlib.core.verdict import Reason
from liverlib.io.volume import Volume

from .geometry import Sample

PITCH_MM = np.arange(26, 44, 0.5)
FACTORS = {2.0: "half", 0.5: "twice"}  # that mend the header's distance, which is so much
# Chosen on phantoms: what repeats less well than this, and better by so much at another distance.
CONVINCING, MARGIN = 0.25, 0.1
HALF_WIDTH_MM = 35  # of what is looked at, around the spine
SEARCH_MM = 50  # to each side of the body's middle
BONE_HU = (100, 400)


def check_spine(scan: Volume, sample: Sample) -> list[Reason]:
    """At most one reason: slices that seem to lie half or twice as far apart as the header says."""
    if not scan.grid.spacing_known:
        return []
    column, mm = spine_column(scan, sample), float(scan.grid.spacing[2])
    as_stated, _ = periodicity(column, mm)
    if not as_stated < CONVINCING:
        return []
    others = {factor: periodicity(column, factor * mm) for factor in FACTORS}
    factor, (strength, pitch) = max(others.items(), key=lambda item: np.nan_to_num(item[1][0]))
    if not strength > as_stated + MARGIN:
        return []
    text = (
        f"By its header the vertebrae lie {pitch / factor:.0f} mm from each other; 26 to 44 mm are "
        f"usual. The distance of its slices seems to be {FACTORS[factor]} the true one. Check the "
        "header."
    )
    return [Reason("spacing", text)]


def spine_column(scan: Volume, sample: Sample) -> np.ndarray:
    """HU (n, Z) of columns of voxels in and around the spine, some mm apart."""
    assert sample.body
    bone = np.clip(sample.voxels, *BONE_HU).mean(axis=2) - BONE_HU[0]
    middle = (sample.body[0].start + sample.body[0].stop) / 2
    reach = SEARCH_MM / sample.spacing[0]
    bone *= (np.abs(np.arange(len(bone)) - middle) <= reach)[:, None]
    blurred = ndimage.gaussian_filter(bone, 10 / sample.spacing[:2])
    centre = np.unravel_index(blurred.argmax(), blurred.shape)
    spacing, sides = scan.grid.spacing, []
    for axis in (0, 1):
        at = int(centre[axis] * sample.spacing[axis] / spacing[axis])
        half = int(np.rint(HALF_WIDTH_MM / spacing[axis]))
        sides.append(slice(max(0, at - half), at + half + 1, max(1, int(3 / spacing[axis]))))
    column = np.clip(scan.voxels[tuple(sides)].astype(np.float32), -50, BONE_HU[1])
    return ndimage.gaussian_filter(column, (1, 1, 0)).reshape(-1, column.shape[2])


def periodicity(column: np.ndarray, mm: float) -> tuple[float, float]:
    """How well a column (n, Z) with slices `mm` apart repeats as vertebrae do, and at which pitch.

    At the best of `PITCH_MM`, the correlation of slices one and two vertebrae apart, less that of
    slices that lie half and one and a half apart: 0 at random, 2 at best. NaN where too few slices
    show it.
    """
    flat = column - ndimage.gaussian_filter1d(column, 20 / mm, axis=1)
    products = flat.T @ flat
    power, n = np.diag(products), len(products)
    lags = np.arange(3 * n // 4)
    correlation = [
        np.trace(products, k) / np.sqrt(power[k:].sum() * power[: n - k].sum() + 1e-9) for k in lags
    ]
    pitches = PITCH_MM[mm * (len(lags) - 1) >= 2 * PITCH_MM]
    if not len(pitches):
        return np.nan, np.nan
    alike = [np.interp(by * pitches, lags * mm, correlation) for by in (1, 2)]
    unlike = [np.interp(by * pitches, lags * mm, correlation) for by in (0.5, 1.5)]
    strength = (sum(alike) - sum(unlike)) / 2
    best = int(strength.argmax())
    return float(strength[best]), float(pitches[best])
