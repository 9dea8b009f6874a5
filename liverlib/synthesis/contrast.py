"""The grey values of a scan: another contrast phase, and organs that look like the liver."""

import numpy as np

from .phantom.body import UNDER_THE_SKIN


def parenchyma(table: np.ndarray) -> int:
    """The row of the liver's own tissue, which its vessels lie in."""
    return int(np.argmax(table[:, 2] * (1 + table[:, 1])))


def tissues(table: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """HU, unevenness and whether it is liver of each tissue, (n,) each: in another contrast."""
    hu, unevenness, liver = (column.copy() for column in table.T)
    own = parenchyma(table)
    organs = (hu > -40) & (hu <= 330) & (liver == 0)
    vessels = (liver > 0) & (np.arange(len(hu)) != own)
    other_contrast(hu, unevenness, own, random)
    hard_negatives(hu, organs, vessels, hu[own], random)
    return hu, unevenness * np.float32(random.uniform(0.5, 1.8)), liver


def other_contrast(
    hu: np.ndarray, unevenness: np.ndarray, own: int, random: np.random.Generator
) -> None:
    """Shifts the HU of every soft tissue, of bone and of fat; `own` is the liver's."""
    soft, fat, bone = hu > -40, (hu > -140) & (hu <= -40), hu > 330
    spread = random.choice([6.0, 14.0, 25.0], p=[0.3, 0.5, 0.2])
    hu[soft] += random.normal(0, spread, soft.sum()).astype(np.float32)
    hu[soft] += random.normal(0, 5)
    hu[bone] *= random.uniform(0.7, 1.3)
    hu[fat] += random.normal(0, 10)
    if random.random() < 0.15:  # what lies between the organs, in the thin and the swollen
        hu[fat & (unevenness != UNDER_THE_SKIN)] = random.uniform(-80, 50)
    if random.random() < 0.12:  # a fatty liver
        hu[own] -= random.uniform(15, 50)


def hard_negatives(
    hu: np.ndarray,
    organs: np.ndarray,
    vessels: np.ndarray,
    liver: float,
    random: np.random.Generator,
) -> None:
    """Gives some other organs the liver's HU, and its vessels those of a tumour or its own."""
    if random.random() < 0.35:
        alike = organs & (random.random(len(hu)) < random.uniform(0.1, 0.8))
        hu[alike] = liver + random.normal(0, 4, alike.sum())
    kind = random.random()
    if kind < 0.2:
        hu[vessels] = liver + random.normal(0, 6)
    elif kind < 0.45:  # darker, as before the contrast medium arrives
        hu[vessels] = liver - random.uniform(8, 35)
