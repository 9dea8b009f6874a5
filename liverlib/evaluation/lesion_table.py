"""The lesions of one label or mask: each connected tumour with its place, volume and extent.

`find_lesions` is quick, for lists beside pictures; `measure_lesions` is the table of a report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.spatial import ConvexHull, cKDTree
from scipy.spatial.distance import pdist

from liverlib.core.arrays import (
    Box,
    count_classes,
    enough_memory,
    find_pieces,
    ratio,
    to_box,
)
from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Grid, Volume, check_grid

from .lesion_matching import joint_box
from .surface_distance import rim_voxels, search_tree

TUMOUR = 2
MOST_MEASURED = 10_000  # lesions in a mask; more is noise


@dataclass(frozen=True)
class Lesion:
    """One connected tumour. `at` is the voxel of it nearest to its centre, in RAS order.

    `ml` and `longest_mm` are NaN where the spacing is unknown. `covered` is the share of it that
    is tumour in the other label or mask too, NaN without one.
    """

    at: tuple[int, int, int]
    voxels: int
    ml: float
    longest_mm: float
    covered: float


@dataclass(frozen=True)
class MeasuredLesion:
    """One row of the table of lesions. What is in mm or ml is NaN where the spacing is unknown.

    Diameters go from voxel centre to voxel centre, the axial one within one slice. `centroid` is
    in the world coordinates of NIfTI: mm to the patient's right, front and head. Distances are to
    the nearest voxel of the liver's surface; where the scan ends there is none.
    """

    number: int  # largest first
    voxels: int
    ml: float
    longest_axial_mm: float
    longest_mm: float
    mean_hu: float
    centroid: tuple[float, float, float]
    to_surface_mm: float
    probability: float  # mean of the network's; NaN where none was given
    chance: float = np.nan  # that it is a tumour, calibrated; NaN where it is not known


@dataclass(frozen=True)
class LesionTable:
    """What a mask says of a scan; `dataclasses.asdict` makes it fit for JSON.

    `tumour_ml_each` are the total volumes by each single prediction of the same scan (shifted, or
    with other weights); none where there is only one. Their spread tells how certain it is.
    """

    name: str
    spacing_known: bool
    liver_ml: float  # tumours included
    tumour_ml: float
    burden: float  # tumour / liver, in voxels; NaN without a liver
    lesions: list[MeasuredLesion]
    tumour_ml_each: tuple[float, ...] = ()


class PredictionLike(Protocol):
    """What `measure_lesions` asks of an `inference.Prediction`."""

    @property
    def mask(self) -> Volume: ...

    @property
    def tumour_ml_each(self) -> tuple[float, ...]: ...

    def probability(self, least: int, box: Box | None = None) -> np.ndarray: ...

    def chance(self, lesion: MeasuredLesion) -> float: ...


def measure_lesions(scan: Volume, mask: Volume | PredictionLike) -> LesionTable:
    """Every lesion of a scan's mask, measured; of a prediction with probabilities and spread.

    Raises `LiverlibError` for a mask on another grid than the scan's, for one of more than 10,000
    lesions, and where memory is short.

    Args:
        scan: in Hounsfield units.
        mask: classes on the scan's grid, or a `Prediction`.

    >>> [lesion.ml for lesion in measure_lesions(scan, prediction).lesions]
    """
    prediction: PredictionLike | None = None
    if not isinstance(mask, Volume):
        prediction, mask = mask, mask.mask
    check_grid(mask, scan)
    with enough_memory(mask.name, mask.grid.shape):
        parts = list(_parts(mask.voxels, None, f"{mask.name}: the mask"))
        probabilities = _mean_probabilities(parts, prediction)
        volumes = prediction.tumour_ml_each if prediction else ()
        rim = _liver_surface(mask) if mask.grid.spacing_known else None
        lesions = [
            _measured(number, part, box, scan, mask.grid, probability, rim)
            for number, ((part, box), probability) in enumerate(
                zip(parts, probabilities, strict=True), 1
            )
        ]
        if prediction:
            lesions = [replace(lesion, chance=prediction.chance(lesion)) for lesion in lesions]
        _, healthy, tumour = count_classes(mask.voxels)
    liver = healthy + tumour
    return LesionTable(
        scan.name, bool(mask.grid.spacing_known), liver * mask.grid.voxel_ml,
        tumour * mask.grid.voxel_ml, ratio(tumour, liver), lesions, tuple(volumes),
    )  # fmt: skip


def find_lesions(
    classes: np.ndarray, grid: Grid, other: np.ndarray | None = None, most: int | None = None
) -> list[Lesion]:
    """The lesions of an array of classes on `grid`, largest first, at most `most`.

    Connected by faces (6 neighbours), as LiTS counts them with ``scipy.ndimage.label``. Raises
    `LiverlibError` for more than 10,000 where `most` is None.

    Args:
        classes: (X, Y, Z): 0 background, 1 liver, 2 tumour.
        grid: where its voxels lie.
        other: another label or mask, of which `Lesion.covered` tells.
        most: how many lesions at most.

    >>> len(find_lesions(label.voxels, label.grid))
    1
    """
    return [_lesion(part, box, grid, other) for part, box in _parts(classes, most)]


def longest_diameter(points: np.ndarray) -> float:
    """The distance between the two of (N, 3) points that are furthest apart; 0 for one."""
    if len(points) > 500:  # only corners of the hull can be; QJ: also of a flat one
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    return float(pdist(points).max(initial=0))


def check_count(count: int, name: str) -> None:
    """Refuses more lesions than a mask of a patient can hold, as a `LiverlibError`."""
    if count > MOST_MEASURED:
        raise LiverlibError(
            f"{name} holds {count:,} separate tumours: not a segmentation. Check that its classes "
            f"are right; at most {MOST_MEASURED:,} tumours are measured."
        )


def _parts(
    classes: np.ndarray, most: int | None, name: str = "the mask"
) -> Iterator[tuple[np.ndarray, Box]]:
    """Each lesion, or the largest, as a small mask and the box that it fills, largest first."""
    pieces = find_pieces(classes, TUMOUR)
    if most is None:
        check_count(len(pieces.sizes), name)
    return map(pieces.part, np.argsort(-pieces.sizes, kind="stable")[:most].tolist())


def _lesion(part: np.ndarray, box: Box, grid: Grid, other: np.ndarray | None) -> Lesion:
    inside = np.argwhere(part)
    centre = ((inside - inside.mean(0)) ** 2).sum(1).argmin()
    world = inside @ grid.affine[:3, :3].T
    covered = np.nan if other is None else float((other[box][part] == TUMOUR).mean())
    x, y, z = (int(i + side.start) for i, side in zip(inside[centre], box, strict=True))
    return Lesion(
        at=(x, y, z),
        voxels=len(inside),
        ml=len(inside) * grid.voxel_ml,
        longest_mm=longest_diameter(world) if grid.spacing_known else np.nan,
        covered=covered,
    )


def _mean_probabilities(
    parts: Sequence[tuple[np.ndarray, Box]], prediction: PredictionLike | None
) -> list[float]:
    """Of each lesion; NaN without a prediction. Its map is made only where there are lesions."""
    if not parts or prediction is None:
        return [np.nan] * len(parts)
    whole = to_box(joint_box(*(box for _, box in parts)))
    values = prediction.probability(TUMOUR, whole)
    highest, means = 255 if values.dtype == np.uint8 else 1, []
    for part, box in parts:
        moved = to_box(
            slice(side.start - outer.start, side.stop - outer.start)
            for side, outer in zip(box, whole, strict=True)
        )
        means.append(float(values[moved][part].mean(dtype=np.float64)) / highest)
    return means


def _measured(
    number: int,
    part: np.ndarray,
    box: Box,
    scan: Volume,
    grid: Grid,
    probability: float,
    rim: cKDTree | None,
) -> MeasuredLesion:
    inside = np.argwhere(part) + [side.start for side in box]
    world = inside @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    slices = [world[inside[:, 2] == z] for z in np.unique(inside[:, 2])]
    known = grid.spacing_known
    right, front, head = (float(mm) for mm in (world.mean(0) if known else [np.nan] * 3))
    return MeasuredLesion(
        number=number,
        voxels=len(inside),
        ml=len(inside) * grid.voxel_ml,
        longest_axial_mm=max(map(longest_diameter, slices)) if known else np.nan,
        longest_mm=longest_diameter(world) if known else np.nan,
        mean_hu=float(scan.voxels[box][part].mean(dtype=np.float64)),
        centroid=(right, front, head),
        to_surface_mm=float(rim.query(world)[0].min()) if rim else np.nan,
        probability=probability,
    )


def _liver_surface(mask: Volume) -> cKDTree | None:
    """The liver's outermost voxels in world mm; None without any. Where the scan cuts the liver,
    there is no surface."""
    rim = rim_voxels(mask.voxels)
    if not len(rim):
        return None
    return search_tree(rim @ mask.grid.affine[:3, :3].T + mask.grid.affine[:3, 3])
