"""Grey values of a synthetic CT: a contrast phase, at random, and tissues that imitate the liver's.

One scan is of one phase. It decides what contrast medium adds to aorta, veins, liver, spleen and
kidneys, and how each kind of lesion looks (`lesions.LesionKind`).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .label_maps import ORGANS
from .noise import smooth_noise
from .phantom.body import ABDOMINAL_FAT_TEXTURE, PHASES, SUBCUTANEOUS_FAT_TEXTURE, TISSUE_HU

PHASE_ODDS = (0.18, 0.28, 0.41, 0.13)  # of PHASES
EARLY = ("aorta", "heart", "cortex", "spleen", "pancreas")  # bright as soon as the medium arrives
BILE = ORGANS.index("bile")


class Contrast(NamedTuple):
    """For each tissue of a label map (n,): HU, unevenness in HU, and 1 where it is liver."""

    hu: np.ndarray
    texture: np.ndarray
    is_liver: np.ndarray
    phase: str = "portal venous"  # one of `phantom.body.PHASES`


class FatFilling(NamedTuple):
    """A shape of no organ in the abdomen's fat."""

    inside: Tensor  # (edge³,) whether a voxel lies in the shape
    is_fat: Tensor  # (n,) whether a tissue of the label map is the fat that it replaces
    hu: float


def parenchyma(table: np.ndarray) -> int:
    """The row of the liver's own tissue, in which its vessels lie."""
    return int(np.argmax(table[:, 2] * (1 + table[:, 1])))


def sample_contrast(table: np.ndarray, random: np.random.Generator) -> Contrast:
    """A random contrast of the tissues in a label map's `table` (n, 4)."""
    hu, texture, is_liver, organ = (column.copy() for column in table.T)
    liver, phase = parenchyma(table), int(random.choice(len(PHASES), p=PHASE_ODDS))
    enhance(hu, texture, organ.astype(int), phase, random)
    organs = (hu > -40) & (hu <= 330) & (is_liver == 0)
    vessels = (is_liver > 0) & (np.arange(len(hu)) != liver)
    randomise_contrast(hu, texture, liver, random)
    hard_negatives(hu, organs, vessels, hu[liver], random)
    hu[organ == BILE] = _bile(random)
    texture *= np.float32(random.uniform(0.5, 1.8))
    return Contrast(hu, texture, is_liver, PHASES[phase])


def enhance(
    hu: np.ndarray, texture: np.ndarray, organ: np.ndarray, phase: int, random: np.random.Generator
) -> None:
    """Adds what contrast medium adds in this phase to each organ, more or less in each patient.

    An arterial phase is early or late: the later, the more of the medium has reached the liver
    and the veins.
    """
    strength = random.normal(1, 0.15)
    lateness = random.uniform(-0.1, 1.1)
    for n, (name, by_phase) in enumerate(TISSUE_HU.items()):
        added = strength * (by_phase[phase] - by_phase[0]) * random.normal(1, 0.1)
        if PHASES[phase] == "arterial" and name not in EARLY:
            added *= lateness
        hu[organ == n] += added
        if PHASES[phase] == "arterial" and name == "spleen":  # its pulp fills unevenly
            texture[organ == n] = random.uniform(8, 25)


def _bile(random: np.random.Generator) -> float:
    """HU of the gallbladder's content: bile, now and then thick or with excreted medium."""
    kind = random.random()
    if kind < 0.78:
        return random.uniform(-6, 24)
    return random.uniform(20, 55) if kind < 0.93 else random.uniform(80, 400)


def randomise_contrast(
    hu: np.ndarray, texture: np.ndarray, liver: int, random: np.random.Generator
) -> None:
    """Shifts the HU of every soft tissue, of bone and of fat; `liver` is the liver's row."""
    soft, fat, bone = hu > -40, (hu > -140) & (hu <= -40), hu > 330
    spread = random.choice([6.0, 14.0, 25.0], p=[0.4, 0.42, 0.18])
    hu[soft] += random.normal(0, spread, soft.sum()).astype(np.float32)
    hu[soft] += random.normal(0, 5)
    hu[bone] *= random.uniform(0.7, 1.3)
    hu[fat] += random.normal(0, 10)
    if random.random() < 0.15:  # between the organs of thin patients, and with oedema
        hu[fat & (texture != SUBCUTANEOUS_FAT_TEXTURE)] = random.uniform(-80, 50)
    if random.random() < 0.12:  # a fatty liver
        hu[liver] -= random.uniform(15, 50)


def hard_negatives(
    hu: np.ndarray,
    organs: np.ndarray,
    vessels: np.ndarray,
    liver_hu: float,
    random: np.random.Generator,
) -> None:
    """Gives some other organs the liver's HU, and its vessels the liver's or those of a tumour."""
    if random.random() < 0.35:
        alike = organs & (random.random(len(hu)) < random.uniform(0.1, 0.8))
        hu[alike] = liver_hu + random.normal(0, 4, alike.sum())
    kind = random.random()
    if kind < 0.2:
        hu[vessels] = liver_hu + random.normal(0, 6)
    elif kind < 0.45:  # darker, as before the contrast medium arrives
        hu[vessels] = liver_hu - random.uniform(8, 35)


def hard_negatives_in_fat(
    table: np.ndarray, edge: int, random: np.random.Generator, device: torch.device | str = "cpu"
) -> list[FatFilling]:
    """Shapes of no organ that fill the abdomen's fat in three draws of ten, up to four of them.

    Patients have less room between their organs than label maps have.
    """
    if random.random() > 0.3:
        return []
    hu, texture, *_ = table.T
    is_fat = (hu > -140) & (hu <= -40) & (texture == ABDOMINAL_FAT_TEXTURE)
    return [
        FatFilling(
            smooth_noise(edge, int(random.integers(7, 20)), random, device).flatten() > 0.6,
            torch.from_numpy(is_fat).to(device),
            random.uniform(-40, 130),
        )
        for _ in range(random.integers(1, 5))
    ]
