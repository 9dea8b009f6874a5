"""Masks that several tests of evaluation share, and lesions that other scorers have measured."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liverlib.io.nifti import read_label
from liverlib.io.volume import Volume

MASKS = hnp.arrays(bool, (6, 5, 4))
CLASSES = hnp.arrays(np.uint8, (7, 6, 5), elements=st.sampled_from([0, 0, 0, 1, 2]))
SPACING = np.array([0.8, 0.9, 2.5])  # mm
CUBOID = (5, 15, 5, 15, 5, 15)  # x0, x1, y0, y1, z0, z1
EMPTY, FULL = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
EMPTY_PAIRS = (EMPTY, EMPTY), (FULL, EMPTY), (EMPTY, FULL)  # both, prediction, reference

# The TriALS evaluation of the two pairs of `trials_pair`: means over their detected lesions, then
# over the cases.
TRIALS_LESIONS = {
    "Dice": 0.8767814601809033,
    "VOE": 0.2183007538432856,
    "ASSD": 0.5891962909208087,
    "RMSD": 0.9451723162962817,
    "MSSD": 5.4471563162678365,
}
TRIALS_NAMES = ("venous_0", "venous_11")
TRIALS_DICE, TRIALS_GLOBAL_DICE = 0.8734970954079257, 0.8827353964438224


def cuboids(*corners: tuple, shape=(40, 40, 40), background: int = 0) -> np.ndarray:
    """A label with a tumour in each cuboid (x0, x1, y0, y1, z0, z1)."""
    label = np.full(shape, background, np.uint8)
    for x0, x1, y0, y1, z0, z1 in corners:
        label[x0:x1, y0:y1, z0:z1] = 2
    return label


def trials_pair(shared: Path, name: str) -> tuple[Volume, Volume]:
    """The tumours of one of `TRIALS_NAMES`: reference and prediction, as class 2."""
    folder = shared / "lesion_pairs"
    reference = read_label(folder / "gt" / f"{name}.nii.gz", classes={1: 2})
    predicted = folder / "pred" / f"{name}.nii.gz"
    return reference, read_label(predicted, like=reference, classes={1: 2})
