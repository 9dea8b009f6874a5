"""Whether what the coarse stage takes for the liver can be one: size, HU, and how sure.

Bounds: of 111 livers of LiTS and 3D-IRCADb the middle 99 % reach 138 to 256 mm from side to side,
112 to 217 mm from front to back and 114 to 221 mm from feet to head, and they hold 871 to 3143 ml.
Their height divided by the geometric mean of the other two is 0.84 at the median; its logarithm
varies by 0.16 (computed from the quantiles and the correlations). Smaller and larger livers exist:
after operations, and with many cysts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from liverlib.core.verdict import AS_EXPECTED, LOOK_CLOSELY, NOT_TO_BE_USED, Reason
from liverlib.io.volume import Grid

from ..stage_output import StageOutput

LIVER_ML = (400, 4500)
LIVER_MM = ((90, 295), (90, 250), (90, 255))  # of the middle 99 % along each axis
HEIGHT_RATIO = (0.5, 1.35)  # height / the geometric mean of the other two: 3 deviations
LIVER_HU = (-10, 190)
SURE_SHARE = (0.35, 0.5)  # of what may be liver: below the first there is none
TOO_LITTLE_ML = 60
LOOK = "Look at every slice, or give a scan that shows the liver."


@dataclass(frozen=True, eq=False)
class CoarseLiver:
    """What the coarse stage takes for the liver, measured in its cube."""

    output: StageOutput
    grid: Grid
    window: tuple[float, float]

    @cached_property
    def inside(self) -> np.ndarray:
        """Its largest piece, (S, S, S) bool."""
        return self.output.kept[0] >= 0.5

    @cached_property
    def voxel_mm(self) -> np.ndarray:
        """The size of the cube's voxels, (3,)."""
        size = self.output.cube.image.shape
        sides = zip(self.output.cube.box, size, strict=True)
        return np.array([(side.stop - side.start) / n for side, n in sides]) * self.grid.spacing

    @cached_property
    def ml(self) -> float:
        """Its volume by the header."""
        return float(self.inside.sum() * self.voxel_mm.prod() / 1000)

    @cached_property
    def extents(self) -> np.ndarray:
        """Of the middle 99 % of it along each axis, in mm by the header, (3,)."""
        return np.array([high - low for low, high in self._ranges]) * self.voxel_mm

    @cached_property
    def ends(self) -> list[tuple[bool, bool]]:
        """Whether it reaches the scan's first and last voxel along each axis."""
        found = []
        for axis, (side, size) in enumerate(
            zip(self.output.cube.box, self.output.cube.shape, strict=True)
        ):
            counts = self.inside.sum(axis=tuple({0, 1, 2} - {axis}))
            first, last = bool(counts[:2].any()), bool(counts[-2:].any())
            found.append((side.start == 0 and first, side.stop == size and last))
        return found

    @cached_property
    def hu(self) -> float:
        """Its median."""
        low, high = self.window
        return low + float(np.median(self.output.cube.image[self.inside])) * (high - low) / 255

    @cached_property
    def sure_share(self) -> float:
        """The share that is surely liver, of all that may be liver."""
        mean = self.output.mean[0]
        return float((mean > 0.9).sum() / max(1, (mean > 0.1).sum()))

    @property
    def _ranges(self) -> Iterator[tuple[int, int]]:
        for axis in range(3):
            others = tuple({0, 1, 2} - {axis})
            counts = self.inside.sum(axis=others).cumsum()
            low, high = np.searchsorted(counts, np.array([0.005, 0.995]) * counts[-1])
            yield int(low), int(high) + 1


def check_liver(liver: CoarseLiver) -> list[Reason]:
    """What is implausible about the liver, and a note where the scan cuts it."""
    too_little = liver.grid.spacing_known and liver.ml < TOO_LITTLE_ML
    if not liver.inside.any() or too_little or liver.sure_share < SURE_SHARE[0]:
        text = f"No liver is found that could be one. {LOOK}"
        return [Reason("liver", text, NOT_TO_BE_USED)]
    return [*_of_certainty(liver), *(_of_size(liver) if liver.grid.spacing_known else ())]


def _of_certainty(liver: CoarseLiver) -> Iterator[Reason]:
    if liver.sure_share < SURE_SHARE[1]:
        share = f"only {100 * liver.sure_share:.0f} % of what may be liver surely is"
        yield Reason("liver", f"The network is unsure where the liver lies: {share}. {LOOK}")
    low, high = LIVER_HU
    if not low <= liver.hu <= high:
        text = (
            f"The liver's median is {liver.hu:.0f} HU, outside {low} to {high}: another organ, or "
        )
        yield Reason("liver", text + f"an unusual liver. {LOOK}")


def _of_size(liver: CoarseLiver) -> Iterator[Reason]:
    """Where the scan cuts the liver, its extents are lower bounds: of a tip, all three."""
    cut = [any(ends) for ends in liver.ends]
    names = ("left", "right"), ("back", "front"), ("lower", "upper")
    pairs = zip(names, liver.ends, strict=True)
    at = [name for named, ends in pairs for name, end in zip(named, ends, strict=True) if end]
    if at:
        text = f"The liver reaches the scan's {' and '.join(at)} end: it may be cut off there, and "
        yield Reason("partial", text + "volumes are lower bounds.", AS_EXPECTED)
    size = " × ".join(f"{mm:.0f}" for mm in liver.extents)
    bounds = list(zip(liver.extents, LIVER_MM, strict=True))
    too_large = any(mm > most for mm, (_, most) in bounds)
    too_small = any(mm < least for mm, (least, _) in bounds) and not any(cut)
    ratio, (low, high) = liver.extents[2] / np.sqrt(liver.extents[:2].prod()), HEIGHT_RATIO
    odd = (ratio > high and not any(cut[:2])) or (ratio < low and not cut[2])
    if too_large or too_small or odd:
        text = f"By its header the liver is {size} mm (wide, deep, high); about 180 × 170 × 150 mm "
        yield Reason("spacing", text + "is usual. The voxel size may be wrong: check the header.")
    elif liver.ml > LIVER_ML[1] or (liver.ml < LIVER_ML[0] and not any(cut)):
        text = f"The liver holds {liver.ml:.0f} ml; usual are 900 to 3,100. {LOOK}"
        yield Reason("liver", text, LOOK_CLOSELY)
