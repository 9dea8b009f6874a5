"""A volume and the grid that it lies on: the one place that knows orientations.

Files store their axes in any order and direction (LiTS mixes LAS, RAS and LPS). On reading, every
volume is turned to RAS (axis 0 grows to the patient's right, 1 to the front, 2 to the head), as
a view, without copying a voxel; on writing it is turned back to what the file had.
"""

from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

CLASSES = {0: "background", 1: "liver", 2: "tumour"}
MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # NIfTI codes: metre, micron; all else is taken for mm


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie. `shape` and `affine` (voxel index → world mm) are in RAS order."""

    shape: tuple[int, int, int]
    affine: np.ndarray
    header: nib.Nifti1Header = field(repr=False)  # of the file, in the file's own order

    @classmethod
    def from_header(cls, header: nib.Nifti1Header) -> "Grid":
        """The grid of a NIfTI header; raises `ValueError` where its affine is not invertible."""
        stored = header.get_best_affine()
        zooms = np.linalg.norm(stored[:3, :3], axis=0)
        if not np.isfinite(stored).all() or (zooms <= 0).any() or _flat(stored, zooms):
            raise ValueError("its affine cannot be inverted")
        shape = np.array(header.get_data_shape()[:3])
        order = io_orientation(stored)
        turned = stored @ nib.orientations.inv_ornt_aff(order, shape)
        turned[:3] *= MM_PER_UNIT.get(int(header["xyzt_units"]) % 8, 1.0)
        return cls(tuple(int(n) for n in shape[np.argsort(order[:, 0])]), turned, header)

    @classmethod
    def of(cls, shape: tuple, affine: np.ndarray, orientation: str = "RAS") -> "Grid":
        """A new grid in RAS order that its file is to store as `orientation`, such as "LPS"."""
        order = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
        header = nib.Nifti1Header()
        header.set_data_shape([shape[int(np.where(order[:, 0] == i)[0][0])] for i in range(3)])
        header.set_sform(affine @ nib.orientations.inv_ornt_aff(order, shape), code="scanner")
        header.set_qform(header.get_sform(), code="scanner", strip_shears=True)
        header.set_xyzt_units("mm")
        return cls.from_header(header)

    @property
    def orientation(self) -> str:
        """The directions in which the file's axes grow, such as "LPS"."""
        return "".join(nib.aff2axcodes(self.header.get_best_affine()))

    @property
    def spacing(self) -> np.ndarray:
        """Distance in mm from voxel to voxel along each axis, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def spacing_known(self) -> bool:
        """Whether millimetres can be believed.

        LiTS cases 28–47 (3D-IRCADb) carry an identity affine, 1×1×1 mm at the origin, that is
        false: their volumes by header are wrong by factors of 0.5 to 2.2.
        """
        identity = np.allclose(np.abs(self.header.get_best_affine()), np.eye(4), atol=1e-4)
        placed = self.header["sform_code"] > 0 or self.header["qform_code"] > 0
        return not identity and (placed or not np.allclose(self.spacing, 1))

    @property
    def voxel_ml(self) -> float:
        """Millilitres in a voxel, by the affine's determinant; NaN where spacing is unknown."""
        return abs(np.linalg.det(self.affine[:3, :3])) / 1000 if self.spacing_known else np.nan

    def matches(self, other: "Grid") -> bool:
        """Whether voxels of equal index are at equal places, to a tenth of a voxel anywhere."""
        if self.shape != other.shape:
            return False
        corner = np.array([*self.shape, 1.0])
        apart = np.abs(self.affine - other.affine) @ corner
        return bool((apart[:3] < 0.1 * self.spacing.min()).all())

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

    A scan is a volume of Hounsfield units (integers where the file allows, else float32), a label
    or a mask is one of classes (uint8: 0 background, 1 liver, 2 tumour).
    """

    voxels: np.ndarray
    grid: Grid
    name: str = ""


def _flat(affine: np.ndarray, zooms: np.ndarray) -> bool:
    """Whether two axes point the same way, or so nearly that no volume is left between them."""
    return abs(np.linalg.det(affine[:3, :3] / zooms)) < 0.01
