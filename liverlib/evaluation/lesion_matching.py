"""Which lesions a mask found, which it missed, and which it made up.

A lesion is one connected tumour. Pairs are one to one, so that found + missed is the number of
lesions in the reference and found + false that in the prediction, whatever their order; the
official LiTS scorer merges lesions instead, and can arrive at negative counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from liverlib.core.arrays import components, crop_to_content, ratio

from .overlap import voxel_ml

SIZES = ("under 10 mm", "10 to 20 mm", "over 20 mm")  # equivalent diameter


@dataclass(frozen=True)
class LesionCounts:
    """Counts of lesions: found + missed = lesions of the reference, found + false = predicted."""

    found: int
    missed: int
    false: int
    precision: float  # found / predicted; NaN where nothing is predicted (LiTS writes 0)
    recall: float  # found / reference; NaN where the reference has no lesion (LiTS writes 0)
    f1: float  # NaN where there is no lesion at all


def equivalent_diameter(voxels: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Diameter in mm of the ball that holds as much as so many voxels."""
    return np.cbrt(6 / np.pi * 1000 * voxel_ml(spacing) * np.asarray(voxels))


def lesion_overlaps(
    reference: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU of every lesion of the reference (rows) with every predicted one (columns).

    Also returns the voxels of each reference and of each predicted lesion. Takes two masks.
    """
    cropped = crop_to_content(reference, predicted)
    shared, ours, theirs = shared_voxels(*(components(one != 0)[0] for one in cropped))
    return shared / (ours[:, None] + theirs - shared), ours, theirs


def shared_voxels(
    numbered: np.ndarray, guessed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels that every numbered lesion (rows) shares with every one of another array (columns).

    Also returns the voxels of each lesion of the first and of the second.
    """
    inside = numbered > 0
    ours = np.bincount(numbered[inside], minlength=1)[1:]
    theirs = np.bincount(guessed[guessed > 0], minlength=1)[1:]
    n, m = len(ours) + 1, len(theirs) + 1
    pairs = numbered[inside].astype(np.intp) * m + guessed[inside]
    return np.bincount(pairs, minlength=n * m).reshape(n, m)[1:, 1:], ours, theirs


def found_lesions(
    reference: np.ndarray, predicted: np.ndarray, above: float = 0.5
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The lesions found at an IoU above `above`: each and its prediction, as two small masks."""
    masks = crop_to_content(reference, predicted)
    numbered, guessed = (components(one != 0)[0] for one in masks)
    if not numbered.size:  # neither has any
        return
    iou, _, _ = lesion_overlaps(*masks)
    ours, theirs = ndimage.find_objects(numbered), ndimage.find_objects(guessed)
    for row, column in zip(*match(iou, above), strict=True):
        box = tuple(
            slice(min(a.start, b.start), max(a.stop, b.stop))
            for a, b in zip(ours[row], theirs[column], strict=True)
        )
        yield numbered[box] == row + 1, guessed[box] == column + 1


def match(iou: np.ndarray, above: float) -> tuple[np.ndarray, np.ndarray]:
    """One-to-one pairs (rows, columns) whose IoU exceeds `above`, with the largest sum of IoU.

    Of equal sums the one with more pairs is taken, so that counts do not hang on the order of
    the lesions. From one half up no lesion can be in two pairs, so every such pair is in.
    """
    rows, columns = np.nonzero((iou > above).any(1))[0], np.nonzero((iou > above).any(0))[0]
    near = iou[np.ix_(rows, columns)]
    chosen = linear_sum_assignment(np.where(near > above, near + 1e-9, 0), maximize=True)
    kept = near[chosen] > above
    return rows[chosen[0][kept]], columns[chosen[1][kept]]


def detection(found: int, missed: int, false: int) -> LesionCounts:
    """The counts with the precision, recall and F1 that follow from them."""
    precision, recall = ratio(found, found + false), ratio(found, found + missed)
    f1 = ratio(2 * found, 2 * found + missed + false)
    return LesionCounts(int(found), int(missed), int(false), precision, recall, f1)


def pool(detections: Iterable[LesionCounts]) -> LesionCounts:
    """One detection over the lesions of all."""
    counts = [(one.found, one.missed, one.false) for one in detections]
    return detection(*np.sum(counts, axis=0, dtype=int)) if counts else detection(0, 0, 0)


def count(pairs: tuple, references: int, predictions: int) -> LesionCounts:
    """The detection that so many pairs make of so many lesions."""
    found = len(pairs[0])
    return detection(found, references - found, predictions - found)


def count_by_size(
    pairs: tuple, ours: np.ndarray, theirs: np.ndarray, spacing: Sequence[float]
) -> dict[str, LesionCounts]:
    """The same for each of `SIZES`: found and missed go by the size that the reference has,
    false ones by the size that was predicted. `ours` and `theirs` are voxels of each lesion.
    """
    mine, their = (_size(equivalent_diameter(one, spacing)) for one in (ours, theirs))
    groups = mine[pairs[0]], np.delete(mine, pairs[0]), np.delete(their, pairs[1])
    return {
        size: detection(*(np.count_nonzero(group == i) for group in groups))
        for i, size in enumerate(SIZES)
    }


def _size(diameter: np.ndarray) -> np.ndarray:
    """Which of `SIZES`; 10 and 20 mm themselves are in the middle one."""
    return (diameter >= 10).astype(int) + (diameter > 20)
