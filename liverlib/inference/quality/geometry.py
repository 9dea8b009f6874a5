"""Whether the body's size, the voxels' size and what the scan covers are possible.

Bounds on the body: CT scanners show a field of 500 mm, and their bores are 700 to 850 mm wide.
Adults' waists are from about 240 mm wide and 160 mm deep (Gordon et al., 1988 Anthropometric Survey
of U.S. Army Personnel; from memory). Bounds on the liver: 111 livers of LiTS and 3D-IRCADb are 161
to 278 mm from side to side, 126 to 237 mm from front to back and 133 to 239 mm high.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Reason
from liverlib.io.volume import Grid, Volume

SAMPLES = 96  # voxels along each axis of a sample, at most
BODY_MM = (220, 520)  # from side to side
LEAST_DEPTH_MM = 150
BODY_RATIO = (0.95, 2.6)  # width / depth; 2.6: with both arms beside the body
MIN_COVER_MM = (150, 120, 30)  # of a scan: narrower than any liver; a few slices
SPACING_MM = (0.2, 8.0)  # the pretrained weights saw slices up to 7 mm
TOO_COARSE_MM = 12.0
MATRICES = (128, 256, 512, 768, 1024)  # pixels along a slice, as scanners make them
HEADER = "Correct the header, or convert the series again."


@dataclass(frozen=True)
class Sample:
    """Voxels (X, Y, Z) of a scan at equal distances, and `spacing` in mm between them.

    `body` is the box of the largest dense piece, in the sample's voxels; None without any.
    """

    voxels: np.ndarray
    spacing: np.ndarray
    body: tuple[slice, ...] | None

    @classmethod
    def of(cls, scan: Volume) -> "Sample":
        """Every nth voxel, so that no axis has more than `SAMPLES`."""
        step = [-(-n // SAMPLES) for n in scan.voxels.shape]
        voxels = scan.voxels[tuple(slice(n // 2, None, n) for n in step)]
        dense = voxels > -300
        opened = ndimage.binary_opening(dense)  # without the table's top
        pieces, count = ndimage.label(opened if opened.any() else dense)
        sizes = np.bincount(pieces.ravel())[1:]
        body = ndimage.find_objects(pieces)[int(sizes.argmax())] if count else None
        return cls(voxels, np.array(step) * scan.grid.spacing, body)

    @property
    def body_mm(self) -> np.ndarray:
        """The body's extents (3,) by the header."""
        assert self.body
        return np.array([side.stop - side.start for side in self.body]) * self.spacing

    @property
    def cut(self) -> list[int]:
        """How many ends of the scan the body reaches along each axis, 0 to 2."""
        assert self.body
        ends = zip(self.body, self.voxels.shape, strict=True)
        return [int(side.start == 0) + int(side.stop == n) for side, n in ends]


def check_geometry(grid: Grid, sample: Sample) -> list[Reason]:
    """What is wrong with a scan's voxels, its coverage and its body by its header."""
    return [
        *_of_affine(grid),
        *_of_spacing(grid),
        *_of_cover(grid),
        *(_of_body(grid, sample) if sample.body else ()),
    ]


def _of_affine(grid: Grid) -> Iterator[Reason]:
    if grid.sheared:
        text = "The voxels are sheared, as by a tilted gantry: lengths and volumes are off. "
        yield Reason("axes", text + "Resample the scan to upright voxels.")
    if grid.ambiguous:
        text = "The header's sform and qform place the voxels differently. The sform is used; "
        yield Reason("axes", text + "other programs may use the qform. Make them alike.")


def _of_spacing(grid: Grid) -> Iterator[Reason]:
    shape, spacing = grid.shape, grid.spacing
    if not grid.spacing_known:
        text = "The file gives no voxel size: mm and ml are unknown, and whatever looks too small "
        yield Reason("spacing", text + f"or too large may be right. {HEADER}")
        return
    if np.allclose(spacing, 1, atol=1e-4) and shape[0] == shape[1] and shape[0] in MATRICES:
        text = f"Voxels of exactly 1 mm in slices of {shape[0]} × {shape[1]}: this looks like a "
        yield Reason("spacing", text + f"default, not like a measure. {HEADER}")
    low, high = SPACING_MM
    if not (spacing.min() >= low and spacing.max() <= high):
        size = " × ".join(f"{mm:.3g}" for mm in spacing)
        verdict = NOT_TO_BE_USED if spacing.max() > TOO_COARSE_MM else LOOK_CLOSELY
        text = f"Voxels of {size} mm are outside {low:g} to {high:g} mm, which the networks know. "
        yield Reason("resolution", text + "Take a finer series, or correct the header.", verdict)


def _of_cover(grid: Grid) -> Iterator[Reason]:
    if not grid.spacing_known:
        return
    cover = np.array(grid.shape) * grid.spacing
    if cover[2] < MIN_COVER_MM[2]:
        text = f"Only {grid.shape[2]} slices over {cover[2]:.0f} mm: too little of a liver to tell "
        yield Reason("coverage", text + "it by. Take the whole series.")
    elif (cover < MIN_COVER_MM).any():
        size = " × ".join(f"{mm:.0f}" for mm in cover)
        text = f"The scan covers {size} mm, less than a liver: cropped, or a false voxel size. "
        yield Reason("coverage", text + "Take the whole scan, or correct the header.")


def _of_body(grid: Grid, sample: Sample) -> Iterator[Reason]:
    width, depth, height = sample.body_mm
    cut = sample.cut
    low, high = BODY_MM
    small = (width < low and not cut[0]) or (depth < LEAST_DEPTH_MM and not cut[1])
    if grid.spacing_known and (width > high or small):
        known = f"adults are {low} to {high} mm wide and over {LEAST_DEPTH_MM} mm deep"
        text = f"By its header the body is {width:.0f} mm wide and {depth:.0f} mm deep; {known}. "
        text += "A child, or a wrong voxel size: " if small else "The voxel size is wrong: "
        verdict = NOT_TO_BE_USED if not low / 2 < width < 1.6 * high else LOOK_CLOSELY
        yield Reason("spacing", text + f"{HEADER[0].lower()}{HEADER[1:]}", verdict)
    least, most = BODY_RATIO
    size = f"The body is {width:.0f} × {depth:.0f} × {height:.0f} mm (wide, deep, high)"
    flat = (not cut[0] and width / depth < least) or (not cut[1] and width / depth > most)
    if flat or (max(cut[:2]) == 2 and not cut[2]):
        ends = "" if flat else " and reaches the scan's ends at its sides, not at head and feet"
        text = f"{size}{ends}: axes may be swapped, or the voxel size is wrong. "
        yield Reason("axes", text + HEADER)
