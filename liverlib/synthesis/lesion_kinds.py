"""Kinds of liver tumours, as each looks in a contrast phase."""

import math
from dataclasses import dataclass, replace

import numpy as np

KIND_ODDS = (0.34, 0.3, 0.08, 0.28)  # metastasis, hepatocellular carcinoma, haemangioma, anything


@dataclass(frozen=True)
class LesionKind:
    """The appearance of a tumour, in HU and voxels."""

    contrast: float  # to the liver
    edge: float = 1.5  # over which the contrast fades
    fine: float = 0.0  # texture within, of small features
    coarse: float = 0.0  # of large features, in large tumours
    mosaic: float = 0.0  # nodules within, brighter and darker by so much, apart from each other
    rim: float = 0.0
    rim_width: float = 2.0
    necrosis: float | None = None  # HU of a dead centre
    spots: float = 0.0  # brightness of spots within: calcified ones, or vessels
    lobes: int = 0
    bulge: int = 0  # how far it may grow out of the liver

    @classmethod
    def sample(
        cls, liver_hu: float, random: np.random.Generator, phase: str = "portal venous"
    ) -> "LesionKind":
        """A random kind in a liver of so many HU, as it looks in a contrast phase.

        How they enhance: LI-RADS v2018 (American College of Radiology) for hepatocellular
        carcinoma. How often each kind is made is a guess (docs/synthesis.md).
        """
        makers = (_metastasis, _carcinoma, _haemangioma, _any_kind)
        kind = makers[random.choice(len(makers), p=KIND_ODDS)](random, phase)
        contrast = kind.contrast
        if liver_hu < 45 and random.random() < 0.4:  # beside a fatty liver most things are bright
            contrast = abs(contrast)
        darkest = -max(liver_hu - 15, 10)  # but for what is dead, nothing is water, as bile is
        return replace(
            kind,
            contrast=max(contrast, darkest),
            edge=random.uniform(1, 4.5) if random.random() < 0.85 else random.uniform(5, 12),
            rim_width=random.uniform(1, 3),
            bulge=int(random.integers(2, 5)) * (random.random() < 0.3),
        )


def _metastasis(random: np.random.Generator, phase: str) -> LesionKind:
    """Dark, most of all in the portal venous phase; its rim enhances; some are calcified."""
    depth = float(np.clip(random.lognormal(math.log(32), 0.45), 9, 75))
    bright = phase == "arterial" and random.random() < 0.15  # of a neuroendocrine tumour
    return LesionKind(
        contrast=0.7 * depth if bright else -depth * (1 if phase == "portal venous" else 0.75),
        fine=random.uniform(0, 9) * (random.random() < 0.6),
        coarse=random.uniform(5, 20) * (random.random() < 0.4),
        rim=random.uniform(8, 45) * (random.random() < 0.45),
        necrosis=random.uniform(5, 35) if random.random() < 0.35 else None,
        spots=random.uniform(80, 400) * (random.random() < 0.1),
        lobes=int(random.integers(0, 4)) * (random.random() < 0.5),
    )


def _carcinoma(random: np.random.Generator, phase: str) -> LesionKind:
    """Hepatocellular: bright in the arterial phase, then washed out; mosaic, with a capsule."""
    arterial = phase == "arterial"
    washed_out = phase in ("portal venous", "delayed")
    contrast = random.uniform(9, 55) if arterial else -random.uniform(8, 35)
    if random.random() < (0.12 if arterial else 0.18):  # the other way round
        contrast = -random.uniform(8, 30) if arterial else random.uniform(8, 25)
    return LesionKind(
        contrast=contrast,
        fine=random.uniform(0, 14) * (random.random() < 0.7),
        mosaic=random.uniform(6, 35) * (random.random() < 0.65),
        rim=random.uniform(12, 45) * (washed_out and random.random() < 0.5),
        necrosis=random.uniform(5, 40) if random.random() < 0.25 else None,
        spots=random.uniform(30, 120) * (arterial and random.random() < 0.4),
        lobes=int(random.integers(0, 4)) * (random.random() < 0.6),
    )


def _haemangioma(random: np.random.Generator, phase: str) -> LesionKind:
    """Dark with bright nodules at its edge in the arterial phase, then filling inwards."""
    filled = {"arterial": 0.25, "portal venous": 0.6, "delayed": 0.95}.get(phase, 0.0)
    filling = random.random() < filled
    dark = -random.uniform(12, 40)
    return LesionKind(
        contrast=random.uniform(10, 45) if filling else dark,
        mosaic=0 if filling or phase == "non-contrast" else random.uniform(10, 30),
        rim=0 if filling or phase == "non-contrast" else random.uniform(30, 90),
        lobes=int(random.integers(0, 3)),
    )


def _any_kind(random: np.random.Generator, phase: str) -> LesionKind:
    """Darker or brighter, in any phase, with anything in it."""
    size = float(np.clip(random.lognormal(math.log(25), 0.55), 8, 75))
    bright = random.random() < (0.45 if phase == "arterial" else 0.2)
    return LesionKind(
        contrast=size if bright else -size,
        fine=random.uniform(0, 12) * (random.random() < 0.6),
        coarse=random.uniform(8, 30) * (random.random() < 0.5),
        mosaic=random.uniform(5, 25) * (random.random() < 0.2),
        rim=random.uniform(-15, 50) * (random.random() < 0.35),
        necrosis=random.uniform(0, 35) if random.random() < 0.3 else None,
        spots=random.uniform(80, 400) * (random.random() < 0.05),
        lobes=int(random.integers(0, 4)) * (random.random() < 0.5),
    )
