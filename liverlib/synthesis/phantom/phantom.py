"""Phantoms: synthetic abdominal CTs with a liver and tumours, computed from formulas.

Seed and index alone decide a body, its contrast phase, noise and slices. Phantoms lack fine
structures (costal cartilage, walls of bile ducts, mesentery, lungs beyond dots), disease around the
liver (ascites, thrombosis, operations), and artefacts of motion and metal.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import fft

from liverlib.core.settings import SEEDS, CheckedSettings, setting
from liverlib.io.volume import Grid, Volume

from .body import Body, LiverAnatomy, draw_heart, make_body
from .canvas import Canvas
from .liver import draw_liver
from .organs import draw_great_vessels, draw_organs, draw_table
from .sdf import orthonormalised
from .skeleton import draw_skeleton
from .tumours import draw_tumours

PHANTOM_VERSION = 1  # raised when equal settings come to give other voxels
SLICE_MM = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # between slices
SLICE_ODDS = (0.07, 0.1, 0.26, 0.29, 0.12, 0.06, 0.1)
MAX_SLICES = 200


@dataclass(frozen=True)
class PhantomSettings(CheckedSettings):
    """What the phantoms are; equal settings give equal voxels."""

    cases: int = setting(64, "phantoms with labels", low=1, high=100_000)
    unlabelled: int = setting(2, "phantoms without labels, in imagesTs", low=0, high=100_000)
    seed: int = setting(0, "another seed, other bodies", low=SEEDS[0], high=SEEDS[1])
    size: int = setting(
        256, "pixels along each side of a slice; the field of view stays", low=16, high=1024
    )
    tumour_free: float = setting(0.15, "fraction of cases without a tumour", low=0, high=1)
    most_tumours: int = setting(8, "tumours in a liver, at most", low=0, high=100)
    bend: float = setting(5.0, "mm by which bodies are bent out of shape", low=0, high=30)


@dataclass(frozen=True)
class PhantomKind:
    """What is fixed in phantoms of one kind; the rest is sampled, as in all."""

    phase: int | None = None  # of `body.PHASES`
    liver: LiverAnatomy = field(default_factory=LiverAnatomy)
    bright_tumours: bool = False  # by 10 to 35 HU, with a mosaic within
    tumour_mm: tuple[float, float] | None = None  # diameters, from the least to the largest
    slice_mm: float | None = None  # between slices


def make_phantom(
    index: int, settings: PhantomSettings = PhantomSettings()
) -> tuple[Volume, Volume]:
    """The scan (int16 HU) and the label (uint8) of one case, on one grid.

    Args:
        index: of the case; with the settings it alone decides the voxels.
        settings: what phantoms are; the number of cases does not matter.

    >>> scan, label = make_phantom(3, PhantomSettings(size=32))
    >>> scan.voxels.shape[:2], label.grid.matches(scan.grid)
    ((32, 32), True)
    """
    return make_phantom_of(PhantomKind(), index, settings)[:2]


def make_phantom_of(
    kind: PhantomKind, index: int, settings: PhantomSettings = PhantomSettings()
) -> tuple[Volume, Volume, Volume]:
    """The scan and the label of one case of a kind, and the lumen of its gallbladder (uint8)."""
    random = np.random.default_rng([settings.seed, index])
    fat = float(np.clip(random.lognormal(2.9, 0.5), 4, 45))  # mm under the skin
    size = np.clip(random.normal(0.99, 0.05) * random.normal(1, 0.04, 3), 0.85, 1.1)
    shape, spacing, low, parts = _geometry(fat, size, settings, kind.slice_mm, random)
    fine = (*shape[:2], shape[2] * parts), (*spacing[:2], spacing[2] / parts)
    to_patient = _to_patient(*fine, low, size, random)
    canvas = Canvas(*fine, to_patient, settings.bend, random.spawn(1)[0])
    body = make_body(canvas, fat, random, kind.phase)
    _draw(canvas, replace(body, liver=kind.liver), index, settings, kind, random)
    hu, liver, tumour = (
        _averaged(array, parts) for array in (canvas.hu, canvas.liver, canvas.tumour)
    )
    label = np.where(tumour >= 0.5, np.uint8(2), (liver >= 0.5).astype(np.uint8))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [*(-spacing[:2] * (np.array(shape[:2]) - 1) / 2), random.uniform(-900, 200)]
    grid = Grid.of(shape, affine, str(random.choice(["LAS", "LPS", "RAS"])))
    scan, name = _acquired(hu, settings, random), phantom_name(index)
    gallbladder = (_averaged(canvas.gallbladder, parts) >= 0.5).astype(np.uint8)
    return Volume(scan, grid, name), Volume(label, grid, name), Volume(gallbladder, grid, name)


def phantom_name(index: int) -> str:
    """The name of a case and its files."""
    return f"phantom_{index:03d}"


def tumour_count(
    index: int, settings: PhantomSettings, random: np.random.Generator | None = None
) -> int:
    """The number of tumours in a case; the cases without any are spread evenly."""
    start = np.random.default_rng(settings.seed).random()
    before, after = (math.floor((index + i) * settings.tumour_free + start) for i in (0, 1))
    if after > before or not settings.most_tumours:
        return 0
    random = random or np.random.default_rng([settings.seed, index])
    return int(min(random.geometric(0.26), settings.most_tumours))


def _draw(
    canvas: Canvas,
    body: Body,
    index: int,
    settings: PhantomSettings,
    kind: PhantomKind,
    random: np.random.Generator,
) -> None:
    """The whole patient, from the bones to the tumours, and the table."""
    draw_skeleton(canvas, body, random)
    draw_heart(canvas, body, random)
    draw_organs(canvas, body, random)
    draw_liver(canvas, body, random)
    draw_great_vessels(canvas, body, random)
    count = tumour_count(index, settings, random)
    draw_tumours(canvas, body, count, random, kind.bright_tumours, kind.tumour_mm)
    draw_table(canvas, random)


def _geometry(
    fat: float,
    size: np.ndarray,
    settings: PhantomSettings,
    slice_mm: float | None,
    random: np.random.Generator,
) -> tuple[tuple[int, int, int], np.ndarray, float, int]:
    """Shape, spacing in mm, height of the lowest slice, and parts each slice is averaged of."""
    view = np.clip(2 * (146 + fat) * size[0] * random.uniform(0.98, 1.2), 330, 450)
    gap = random.choice(SLICE_MM, p=SLICE_ODDS)
    gap = max(slice_mm or gap, min(gap * 200 / settings.size, 6))  # coarse pixels, coarse slices
    low, high = random.uniform(-165, -85), random.uniform(130, 185)
    if random.random() < 0.12:  # the dome, or the tip, is cut off
        low, high = (low, random.uniform(85, 115)) if random.random() < 0.5 else (-25, high)
    count = int(np.clip((high - low) * size[2] / gap, 40 * min(1, 2.5 / gap), MAX_SLICES))
    pixel = view / settings.size
    parts = math.ceil(gap / 3.3)
    return (settings.size,) * 2 + (count,), np.array([pixel, pixel, gap]), low, parts


def _to_patient(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    low: float,
    size: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset from voxels' mm to the patient's: sized, a little turned, off centre."""
    angles = random.normal(0, 0.035, 3)
    rotation = orthonormalised(np.eye(3) + np.cross(np.eye(3), angles))
    matrix = np.diag(1 / size) @ rotation
    middle = (np.array(shape) - 1) * spacing / 2
    centre = np.array([random.normal(0, 5), random.normal(4, 6), low + middle[2] / size[2]])
    return matrix, centre - matrix @ middle


def _averaged(values: np.ndarray, parts: int) -> np.ndarray:
    """Slices as thick as their distance, averaged from thinner ones."""
    return values.reshape(*values.shape[:2], -1, parts).mean(3) if parts > 1 else values


def _acquired(hu: np.ndarray, settings: PhantomSettings, random: np.random.Generator) -> np.ndarray:
    """The scanner's image (int16) of a body: with noise, and padded outside its round view."""
    level = random.uniform(8, 25) * min(1, settings.size / 256)
    noise = _ct_noise(hu.shape, random, random.random(), random.uniform(0, 1.5))
    x, y = (np.linspace(-1, 1, n)[:, None] for n in hu.shape[:2])
    deeper = 0.75 + 0.5 * np.exp(-2 * (x**2 + y.T**2))  # more noise where rays pass more body
    noise *= (level * deeper[..., None]).astype(np.float32)
    hu = hu + noise
    np.clip(hu, -1024, 3071, out=hu)
    image = np.rint(hu).astype(np.int16)
    if random.random() < 0.35:
        image[np.hypot(x, y.T) > 1] = random.choice([-1024, -2000, -3024])
    return image


def _ct_noise(
    shape: tuple[int, int, int], random: np.random.Generator, sharp: float, streaks: float
) -> np.ndarray:
    """Noise of unit variance with a CT's texture: band-passed in plane, shared by next slices.

    `sharp` 0…1: soft to sharp kernel; `streaks`: excess of sideways streaks.
    """
    x = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    y = np.fft.fftfreq(shape[1]).astype(np.float32)[None]
    frequency = np.hypot(x, y)
    cut = 0.2 + 0.2 * sharp
    gain = np.sqrt(frequency + 0.012) * np.exp(-((frequency / cut) ** 2))
    gain *= 1 + streaks * (y / (frequency + 1e-3)) ** 4
    gain = (gain / np.sqrt((gain**2).mean())).astype(np.float32)
    pairs = (shape[2] + 2) // 2
    slices = np.empty((2 * pairs, *shape[:2]), np.float32)
    for k in range(pairs):
        white = random.standard_normal((*shape[:2], 2), dtype=np.float32).view(np.complex64)[..., 0]
        pair = fft.ifft2(white * gain, norm="ortho")
        slices[2 * k], slices[2 * k + 1] = pair.real, pair.imag
    mixed = 0.88 * slices[: shape[2]] + 0.47 * slices[1 : shape[2] + 1]
    return mixed.transpose(1, 2, 0)
