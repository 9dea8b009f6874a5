"""How a cube looks in numbers, to lay synthetic ones beside real ones: grey values, and noise.

Both are taken of the ROI stage's cubes, as the network sees them: greys count Hounsfield units
from the liver's median, and lengths are voxels. No voxel of a scan can be got back from them.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liverlib.core.files import atomic

Appearance = dict[str, tuple[np.ndarray, np.ndarray]]  # values, and what they stand at
BIN_HU = 5.0
SQUARE = 16  # voxels along the edge of the squares whose noise is measured


def cube_appearance(
    image: np.ndarray, soft_labels: np.ndarray, window: tuple[float, float]
) -> Appearance:
    """Values and what they stand at: histograms of "liver" and "cube", and the "noise" spectrum.

    The liver counts where it fills a voxel, without its tumours.

    Args:
        image: (S, S, S) uint8, as in cubes.
        soft_labels: (2, S, S, S) uint8, as in cubes.
        window: the HU that are 0 and 255.
    """
    liver = (soft_labels[0] > 250) & (soft_labels[1] == 0)
    return {
        "liver": hu_histogram(image, liver, window),
        "cube": hu_histogram(image, np.ones_like(liver), window),
        "noise": noise_spectrum(image, liver, window),
    }


def hu_histogram(
    image: np.ndarray, inside: np.ndarray, window: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Percent of the voxels of `image` in each bin of `BIN_HU`, and the middles of the bins in HU.

    Args:
        image: (S, S, S) uint8, 0 to 255 over the window.
        inside: which voxels are counted.
        window: the HU that are 0 and 255. What is clipped to them is left out.
    """
    low, high = window
    grey = image[inside & (image > 0) & (image < 255)]
    edges = np.arange(low, high + BIN_HU / 2, BIN_HU)
    counts, _ = np.histogram(low + grey * ((high - low) / 255), edges)
    return 100 * counts / max(1, counts.sum()), edges[:-1] + BIN_HU / 2


def noise_spectrum(
    image: np.ndarray, inside: np.ndarray, window: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Noise power spectrum in axial slices, in HU², and its frequencies in cycles a voxel.

    The mean over all squares that lie inside: what is left of a square once a plane is subtracted,
    under a Hann window, Fourier transformed, its magnitude squared, by the number of voxels,
    averaged over directions (ICRU Report 87, with voxels in place of millimetres). White noise of
    variance v gives v everywhere. NaN where no square lies inside.
    """
    low, high = window
    squares, full = (_squares(values) for values in (image, inside))
    hu = squares[full.all((1, 2))] * ((high - low) / 255)
    frequency = np.fft.fftfreq(SQUARE)
    ring = np.rint(SQUARE * np.hypot(frequency[:, None], frequency)).astype(int).ravel()
    rings = np.arange(1, SQUARE // 2 + 1)
    if not len(hu):
        return np.full(len(rings), np.nan), rings / SQUARE
    hann = np.outer(np.hanning(SQUARE + 2)[1:-1], np.hanning(SQUARE + 2)[1:-1])
    transformed = np.abs(np.fft.fft2(_without_plane(hu) * hann)) ** 2
    power = transformed.mean(0).ravel() / (hann**2).sum()
    sums = np.bincount(ring, power)[rings]
    return sums / np.bincount(ring)[rings], rings / SQUARE


def write_appearances(path: Path, appearances: Mapping[str, Appearance]) -> None:
    """Writes the appearances of some scans, by their names, as CSV."""
    rows = (
        [scan, of, f"{x:.4f}", f"{value:.4f}"]
        for scan, appearance in appearances.items()
        for of, curve in appearance.items()
        for value, x in zip(*curve, strict=True)
    )
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["scan", "of", "x", "value"], *rows])


def read_appearances(path: Path) -> dict[str, Appearance]:
    """What `write_appearances` wrote."""
    curves: dict[str, dict[str, list]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            curve = curves.setdefault(row["scan"], {}).setdefault(row["of"], [])
            curve.append((float(row["value"]), float(row["x"])))
    return {
        scan: {of: tuple(np.array(curve).T) for of, curve in by_kind.items()}
        for scan, by_kind in curves.items()
    }


def _squares(values: np.ndarray) -> np.ndarray:
    """The axial slices (X, Y, Z) cut into squares, (n, SQUARE, SQUARE)."""
    x, y = (n // SQUARE for n in values.shape[:2])
    parts = values[: x * SQUARE, : y * SQUARE].reshape(x, SQUARE, y, SQUARE, -1)
    return parts.transpose(0, 2, 4, 1, 3).reshape(-1, SQUARE, SQUARE)


def _without_plane(squares: np.ndarray) -> np.ndarray:
    """Squares (n, …) less the plane that fits each best."""
    ramp = np.arange(SQUARE) - (SQUARE - 1) / 2
    flat = squares - squares.mean((1, 2), keepdims=True)
    for slope in (ramp[:, None], ramp[None]):
        along = (flat * slope).sum((1, 2), keepdims=True) / (SQUARE * (ramp**2).sum())
        flat = flat - along * slope
    return flat
