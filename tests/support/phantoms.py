"""Simple volumes for tests: ellipsoids, and a body with a liver and a tumour."""

import numpy as np

from liverlib.io.volume import Grid, Volume


def ellipsoid(shape, spacing, centre, axes) -> np.ndarray:
    """A mask (X, Y, Z); `centre` and semi-`axes` in mm."""
    indices = np.ogrid[tuple(slice(size) for size in shape)]
    terms = zip(indices, spacing, centre, axes, strict=True)
    return sum(((index * mm - middle) / axis) ** 2 for index, mm, middle, axis in terms) < 1


def simple_case(seed: int = 0, size: int = 40, orientation: str = "LPS") -> tuple[Volume, Volume]:
    """A body, a liver on its right and a dark tumour: the least that a network can learn."""
    random = np.random.default_rng(seed)
    shape, spacing = (size, size, size), (4.0, 4.0, 4.0)
    edge = size * 4.0
    body = ellipsoid(shape, spacing, (edge / 2,) * 3, (edge * 0.45, edge * 0.4, edge))
    centre = np.array([0.65, 0.5, 0.5]) * edge + random.uniform(-6, 6, 3)
    liver = ellipsoid(shape, spacing, centre, (36, 32, 32))
    tumour = ellipsoid(shape, spacing, centre + random.uniform(-8, 8, 3), (12, 12, 12))
    hu = np.full(shape, -1000.0) + 1040 * body + 70 * liver - 60 * tumour
    hu += random.normal(0, 8, shape)
    grid = Grid.of(shape, np.diag([*spacing, 1.0]), orientation)
    label = (liver.astype(np.uint8) + tumour).astype(np.uint8)
    return Volume(hu.astype(np.int16), grid, "case"), Volume(label, grid, "case")
