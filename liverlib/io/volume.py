"""A volume and its grid. Orientations are handled here and nowhere else.

Files store their axes in any order and direction (LiTS mixes LAS, RAS and LPS). On reading, every
volume is turned to RAS: axis 0 grows to the patient's right, 1 to the front, 2 to the head. This
makes a view and copies no voxel. On writing, the volume is turned back to the file's orientation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from liverlib.core.errors import LiverlibError

from .segments import SEGMENTS

CLASSES = {0: "background"} | {segment.value: segment.name.lower() for segment in SEGMENTS}
MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # NIfTI codes: metre, micron; others count as mm


@dataclass(frozen=True, eq=False)
class Grid:
    """Positions of voxels in the patient, in RAS order.

    Args:
        shape: number of voxels along each axis.
        affine: (4, 4), from voxel index to world coordinates in mm.
        header: of the file, in the file's own order of axes.

    >>> Grid.of((512, 512, 80), np.diag([0.75, 0.75, 2.5, 1])).spacing.tolist()
    [0.75, 0.75, 2.5]
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    header: nib.Nifti1Header = field(repr=False)

    @classmethod
    def from_header(cls, header: nib.Nifti1Header) -> "Grid":
        """The grid of a NIfTI header; raises `ValueError` where its affine is not invertible."""
        stored = header.get_best_affine()
        zooms = np.linalg.norm(stored[:3, :3], axis=0)
        if not np.isfinite(stored).all() or (zooms <= 0).any() or _is_flat(stored, zooms):
            raise ValueError("its affine cannot be inverted")
        shape = np.array(header.get_data_shape()[:3])
        order = io_orientation(stored)
        affine = stored @ inv_ornt_aff(order, shape)
        affine[:3] *= MM_PER_UNIT.get(int(header["xyzt_units"]) % 8, 1.0)
        x, y, z = (int(n) for n in shape[np.argsort(order[:, 0])])
        return cls((x, y, z), affine, header)

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: np.ndarray, orientation: str = "RAS") -> "Grid":
        """A new grid in RAS order; its file stores the axes as `orientation`, such as "LPS"."""
        order = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
        header = nib.Nifti1Header()
        stored_axes = [int(np.where(order[:, 0] == axis)[0][0]) for axis in range(3)]
        header.set_data_shape([shape[axis] for axis in stored_axes])
        header.set_sform(affine @ inv_ornt_aff(order, shape), code="scanner")
        header.set_qform(header.get_sform(), code="scanner", strip_shears=True)
        header.set_xyzt_units("mm")
        return cls.from_header(header)

    @property
    def orientation(self) -> str:
        """Directions in which the file's axes grow, such as "LPS"."""
        return "".join(nib.aff2axcodes(self.header.get_best_affine()))

    @property
    def stored_affine(self) -> np.ndarray:
        """The affine in the file's own order of axes, in mm, (4, 4)."""
        affine = self.header.get_best_affine()
        affine[:3] *= MM_PER_UNIT.get(int(self.header["xyzt_units"]) % 8, 1.0)
        return affine

    @property
    def spacing(self) -> np.ndarray:
        """Distance from voxel to voxel along each axis, in mm, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def spacing_known(self) -> bool:
        """Whether the spacing in mm is reliable.

        LiTS cases 28–47 (3D-IRCADb) carry a false identity affine: 1×1×1 mm at the origin. Their
        volumes by header are wrong by factors of 0.5 to 2.2.
        """
        identity = np.allclose(np.abs(self.header.get_best_affine()), np.eye(4), atol=1e-4)
        has_affine = self.header["sform_code"] > 0 or self.header["qform_code"] > 0
        return bool(not identity and (has_affine or not np.allclose(self.spacing, 1)))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml, from the affine's determinant; NaN where spacing is unknown."""
        return abs(np.linalg.det(self.affine[:3, :3])) / 1000 if self.spacing_known else np.nan

    @property
    def sheared(self) -> bool:
        """Whether voxels are no upright boxes, as where a scanner's gantry was tilted."""
        volume = abs(np.linalg.det(self.affine[:3, :3]))
        return bool(volume < 0.99 * np.prod(self.spacing))

    @property
    def ambiguous(self) -> bool:
        """Whether the header gives voxels two positions, half a voxel or more from each other.

        One is by its sform, which counts, and one by its qform, which other programs may take.
        """
        codes = self.header["sform_code"], self.header["qform_code"]
        if min(codes) <= 0 or self.sheared:  # a qform holds no shear
            return False
        sform, qform = self.header.get_sform(), self.header.get_qform()
        return not _close(sform, qform, self.header.get_data_shape()[:3], 0.5)

    def matches(self, other: "Grid") -> bool:
        """Whether voxels of equal index have equal positions, to a tenth of a voxel everywhere."""
        return self.shape == other.shape and _close(self.affine, other.affine, self.shape, 0.1)

    def to_ras(self, stored: np.ndarray) -> np.ndarray:
        """A view of an array in the file's order, turned to RAS."""
        return apply_orientation(stored, io_orientation(self.header.get_best_affine()))

    def to_stored(self, ras: np.ndarray) -> np.ndarray:
        """A view of an array in RAS order, turned to the file's order."""
        order = io_orientation(self.header.get_best_affine())
        return apply_orientation(ras, ornt_transform(axcodes2ornt("RAS"), order))


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels (X, Y, Z) in RAS order on their grid.

    A scan holds Hounsfield units: integers where the file allows, else float32. A label or a mask
    holds classes as uint8: 0 background, 1 liver, 2 tumour.

    Args:
        voxels: (X, Y, Z).
        grid: positions of the voxels, of the same shape.
        name: what messages and reports call it.

    >>> grid = Grid.of((4, 5, 6), np.diag([0.75, 0.75, 2.5, 1]))
    >>> Volume(np.zeros(grid.shape, np.uint8), grid, "mask").voxels.shape
    (4, 5, 6)
    """

    voxels: np.ndarray
    grid: Grid
    name: str = ""


def check_grid(volume: Volume, like: Volume, name: str = "") -> None:
    """Raises `LiverlibError` where a label or a mask does not lie on the grid of its scan.

    Args:
        volume: the label or the mask.
        like: its scan, or whatever else has the grid to lie on.
        name: what the message calls the volume, its own name by default.
    """
    sizes = [(volume.voxels.shape, like.voxels.shape), (volume.grid.shape, like.grid.shape)]
    what = "affine" if all(own == other for own, other in sizes) else "shape"
    if what == "affine" and volume.grid.matches(like.grid):
        return
    own, other = next((pair for pair in sizes if pair[0] != pair[1]), (None, None))
    if what == "affine":
        own, other = (np.round(v.grid.affine, 2).tolist() for v in (volume, like))
    raise LiverlibError(
        f"{name or volume.name}: its {what} is {own}, that of {like.name or 'its scan'} is "
        f"{other} (in RAS order). Resample it onto that grid, or correct its header if the voxels "
        "do line up."
    )


def _close(affine: np.ndarray, other: np.ndarray, shape: Sequence[int], voxels: float) -> bool:
    """Whether two affines place every voxel of this shape alike, to so many voxels."""
    distance = np.abs(affine - other) @ np.array([*shape, 1.0])
    return bool((distance[:3] < voxels * np.linalg.norm(affine[:3, :3], axis=0).min()).all())


def _is_flat(affine: np.ndarray, zooms: np.ndarray) -> bool:
    """Whether the axes span almost no volume: two of them have nearly the same direction."""
    return abs(np.linalg.det(affine[:3, :3] / zooms)) < 0.01
