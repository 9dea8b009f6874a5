"""Which lesions a mask detects, which it misses, and which it invents.

A lesion is one connected tumour. Pairs are one to one, so that tp + fn is the number of lesions in
the reference and tp + fp that in the prediction, whatever their order; the official LiTS scorer
merges lesions instead, and can arrive at negative counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from liverlib.core.arrays import Spacing, components, crop_to_content, ratio

from .overlap import voxel_ml

SIZES = ("under 10 mm", "10 to 20 mm", "over 20 mm")  # equivalent diameter


@dataclass(frozen=True)
class LesionCounts:
    """True positives, false negatives and false positives among lesions, and their quotients."""

    tp: int
    fn: int  # tp + fn: lesions of the reference
    fp: int  # tp + fp: predicted lesions
    precision: float  # tp / (tp + fp); NaN where nothing is predicted (LiTS writes 0)
    recall: float  # tp / (tp + fn); NaN where the reference has no lesion (LiTS writes 0)
    f1: float  # NaN where there is no lesion at all


@dataclass(frozen=True, eq=False)
class LesionMatching:
    """The lesions of a reference and of a prediction, and how far each pair of them overlaps.

    `reference` and `predicted` number the lesions from 1 (int32, cropped to what both hold);
    `shared` are the voxels of each of the reference (rows) in each predicted one (columns); only
    pairs that overlap are kept, as noise has a million lesions.
    """

    reference: np.ndarray
    predicted: np.ndarray
    reference_voxels: np.ndarray
    predicted_voxels: np.ndarray
    shared: coo_array

    @cached_property
    def iou(self) -> coo_array:
        """Intersection over union of the lesions of the reference with the predicted ones."""
        rows, columns = self.shared.coords
        both = self.reference_voxels[rows] + self.predicted_voxels[columns]
        values = self.shared.data / (both - self.shared.data)
        return coo_array((values, (rows, columns)), self.shared.shape)

    def counts(self, above: float) -> LesionCounts:
        """Lesion-wise detection at an IoU of more than `above`."""
        tp = len(match(self.iou, above)[0])
        n, m = self.shared.shape
        return lesion_counts(tp, n - tp, m - tp)

    def counts_by_size(self, spacing: Spacing, above: float = 0.5) -> dict[str, LesionCounts]:
        """The same for each of `SIZES`: tp and fn by the reference's size, fp by the predicted."""
        rows, columns = match(self.iou, above)
        reference, predicted = (
            _size(equivalent_diameter(voxels, spacing))
            for voxels in (self.reference_voxels, self.predicted_voxels)
        )
        groups = reference[rows], np.delete(reference, rows), np.delete(predicted, columns)
        return {
            size: lesion_counts(*(int(np.count_nonzero(group == i)) for group in groups))
            for i, size in enumerate(SIZES)
        }

    def pairs(self, above: float = 0.5) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each detected lesion and its prediction, as two small masks."""
        if not self.reference.size:  # neither has any
            return
        boxes = ndimage.find_objects(self.reference), ndimage.find_objects(self.predicted)
        for row, column in zip(*match(self.iou, above), strict=True):
            box = joint_box(boxes[0][row], boxes[1][column])
            yield self.reference[box] == row + 1, self.predicted[box] == column + 1


def joint_box(*boxes: tuple[slice, ...] | None) -> tuple[slice, ...]:
    """The box around boxes, of which some may be None."""
    sides = zip(*filter(None, boxes), strict=True)
    return tuple(slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)


def match_lesions(reference: np.ndarray, predicted: np.ndarray) -> LesionMatching:
    """The lesions of two tumour masks (X, Y, Z); raises `LiverlibError` for unequal shapes."""
    cropped = crop_to_content(reference, predicted)
    numbered_reference, numbered_predicted = (components(mask != 0)[0] for mask in cropped)
    shared, voxels, others = shared_voxels(numbered_reference, numbered_predicted)
    return LesionMatching(numbered_reference, numbered_predicted, voxels, others, shared)


def shared_voxels(
    reference: np.ndarray, predicted: np.ndarray
) -> tuple[coo_array, np.ndarray, np.ndarray]:
    """Voxels that every numbered lesion (rows) shares with every one of another array (columns).

    Also returns the voxels of each lesion of the first and of the second.
    """
    inside = (reference > 0) & (predicted > 0)
    voxels, others = (
        np.bincount(numbered[numbered > 0], minlength=1)[1:] for numbered in (reference, predicted)
    )
    n, m = len(voxels), len(others)
    pairs = (reference[inside].astype(np.int64) - 1) * m + predicted[inside] - 1
    overlapping, counts = np.unique(pairs, return_counts=True)
    rows_and_columns = np.divmod(overlapping, max(m, 1))
    return coo_array((counts, rows_and_columns), (n, m)), voxels, others


def match(iou: coo_array, above: float) -> tuple[np.ndarray, np.ndarray]:
    """One-to-one pairs (rows, columns) whose IoU exceeds `above`, with the largest sum of IoU.

    Of equal sums the one with more pairs is taken, so that counts do not hang on the order of
    the lesions. From one half up no lesion can be in two pairs, so every such pair is in.
    """
    near = iou.data > above
    (rows, first), (columns, second) = (
        np.unique(indices[near], return_inverse=True) for indices in iou.coords
    )
    n, m = len(rows), len(columns)
    if not n:
        return rows, columns
    # Each row has a column of its own as well, which stands for no pair. Weights of 0 would be
    # taken for missing, so all are 1 more: that changes nothing, as each row counts once.
    weights = np.concatenate([iou.data[near] + (1 + 1e-9), np.ones(n)])
    each = np.arange(n)
    coords = np.append(first, each), np.append(second, m + each)
    table = coo_array((weights, coords), (n, m + n)).tocsr()
    chosen = min_weight_full_bipartite_matching(table, maximize=True)
    kept = chosen[1] < m
    return rows[chosen[0][kept]], columns[chosen[1][kept]]


def lesion_counts(tp: int, fn: int, fp: int) -> LesionCounts:
    """The counts with the precision, recall and F1 that follow from them."""
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    return LesionCounts(
        int(tp), int(fn), int(fp), precision, recall, ratio(2 * tp, 2 * tp + fn + fp)
    )


def pool(counts: Iterable[LesionCounts]) -> LesionCounts:
    """The counts over the lesions of all cases together, as LiTS pools them."""
    each = [(case.tp, case.fn, case.fp) for case in counts]
    return lesion_counts(*np.sum(each, axis=0, dtype=int)) if each else lesion_counts(0, 0, 0)


def equivalent_diameter(voxels: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Diameter in mm of the ball that holds as much as so many voxels."""
    return np.cbrt(6 / np.pi * 1000 * voxel_ml(spacing) * np.asarray(voxels))


def _size(diameter: np.ndarray) -> np.ndarray:
    """Which of `SIZES`; 10 and 20 mm themselves are in the middle one."""
    return (diameter >= 10).astype(int) + (diameter > 20)
