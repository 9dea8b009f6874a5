"""A phantom's patient on a canvas whose voxels lie where the patient's millimetres say."""

import numpy as np

from liverlib.synthesis.phantom.body import Body, make_body
from liverlib.synthesis.phantom.canvas import Canvas

LOW, SPACING = np.array([-200.0, -170.0, -150.0]), (4.0, 4.0, 4.0)
SHAPE = (100, 85, 80)


def patient(seed: int = 0, fat: float = 20) -> tuple[Canvas, Body, np.random.Generator]:
    """An unbent canvas with trunk and lungs, its body, and the random numbers that follow."""
    random = np.random.default_rng(seed)
    canvas = Canvas(SHAPE, SPACING, (np.eye(3), LOW), 0.0, random.spawn(1)[0])
    return canvas, make_body(canvas, fat, random), random


def around(canvas: Canvas, point: tuple[float, float, float], mm: float = 6) -> np.ndarray:
    """The HU of the voxels within some mm of a point of the patient, along each axis."""
    low = np.rint((np.array(point) - mm - LOW) / SPACING).astype(int)
    high = np.rint((np.array(point) + mm - LOW) / SPACING).astype(int) + 1
    return canvas.hu[tuple(map(slice, low, high))]
