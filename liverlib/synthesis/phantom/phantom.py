"""Synthetic abdominal CTs with a liver and tumours, written as a real MSD dataset.

Every body is drawn anew from (seed, index) alone: anatomy, contrast phase, noise, slices.
What they lack: fine anatomy (costal cartilage, bile ducts' walls, mesentery, lung beyond dots),
disease around the liver (ascites, thrombosis, operations), and artefacts of motion and metal.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.core.parallel import in_processes
from liverlib.core.settings import setting, to_dict
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid, Volume

from .body import draw_heart, make_body
from .canvas import Canvas
from .liver import draw_liver, draw_tumours
from .organs import draw_great_vessels, draw_table, draw_viscera
from .skeleton import draw_skeleton

SLICES = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # mm between slices
SLICE_ODDS = (0.07, 0.1, 0.26, 0.29, 0.12, 0.06, 0.1)
MOST_SLICES = 200
PHANTOM_VERSION = 1  # raised when equal settings come to draw other voxels


@dataclass(frozen=True)
class PhantomSettings:
    """What the phantoms are; equal settings give equal voxels."""

    cases: int = setting(64, "phantoms with labels")
    unlabelled: int = setting(2, "phantoms without labels, in imagesTs")
    seed: int = setting(0, "another seed, other bodies")
    size: int = setting(256, "pixels along each side of a slice; the field of view stays")
    tumour_free: float = setting(0.15, "fraction of cases without a tumour")
    most_tumours: int = setting(8, "tumours in a liver, at most")
    bend: float = setting(5.0, "mm by which bodies are bent out of shape")


def make_phantom(
    index: int, settings: PhantomSettings = PhantomSettings()
) -> tuple[Volume, Volume]:
    """The scan (int16 HU) and the label (uint8) of one case, which `index` alone decides."""
    random = np.random.default_rng([settings.seed, index])
    fat = float(np.clip(random.lognormal(2.9, 0.5), 4, 45))  # mm under the skin
    size = np.clip(random.normal(0.99, 0.05) * random.normal(1, 0.04, 3), 0.85, 1.1)
    shape, spacing, low, parts = _geometry(fat, size, settings, random)
    fine = (*shape[:2], shape[2] * parts), (*spacing[:2], spacing[2] / parts)
    canvas = Canvas(*fine, _pose(*fine, low, size, random), settings.bend, random.spawn(1)[0])
    body = make_body(canvas, fat, random)
    draw_skeleton(canvas, body, random)
    draw_heart(canvas, body, random)
    draw_viscera(canvas, body, random)
    draw_liver(canvas, body, random)
    draw_great_vessels(canvas, body, random)
    draw_tumours(canvas, body, tumour_count(index, settings, random), random)
    draw_table(canvas, random)
    hu, liver, tumour = (_average(one, parts) for one in (canvas.hu, canvas.liver, canvas.tumour))
    label = np.where(tumour >= 0.5, np.uint8(2), (liver >= 0.5).astype(np.uint8))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [*(-spacing[:2] * (np.array(shape[:2]) - 1) / 2), random.uniform(-900, 200)]
    grid = Grid.of(shape, affine, str(random.choice(["LAS", "LPS", "RAS"])))
    scan, name = _scanned(hu, settings, random), case_name(index)
    return Volume(scan, grid, name), Volume(label, grid, name)


def case_name(index: int) -> str:
    """The name of a case and its files."""
    return f"phantom_{index:03d}"


def tumour_count(
    index: int, settings: PhantomSettings, random: np.random.Generator | None = None
) -> int:
    """How many tumours a case is given; the cases without any are spread evenly."""
    start = np.random.default_rng(settings.seed).random()
    before, after = (math.floor((index + i) * settings.tumour_free + start) for i in (0, 1))
    if after > before or not settings.most_tumours:
        return 0
    random = random or np.random.default_rng([settings.seed, index])
    return int(min(random.geometric(0.26), settings.most_tumours))


def write_dataset(
    folder: str | Path,
    settings: PhantomSettings = PhantomSettings(),
    workers: int | None = None,
) -> Path:
    """Writes the phantoms as MSD's Task03 is laid out, side by side in processes; the folder.

    Cases already there are kept; `dataset.json` comes last, so its presence means complete.
    Raises `LiverlibError` where the folder holds phantoms of other settings.
    """
    folder = Path(folder)
    _claim(folder, settings)
    indices = range(settings.cases + settings.unlabelled)
    missing = [
        (folder, i, settings) for i in indices if not _paths(folder, i, settings)[-1].exists()
    ]
    for _ in in_processes(write_case, missing, workers, "phantoms"):
        pass
    content = _dataset(settings)
    if not (folder / "dataset.json").exists() or read_json(folder / "dataset.json") != content:
        write_json(folder / "dataset.json", content)
    return folder


def write_case(folder: Path, index: int, settings: PhantomSettings) -> None:
    """Writes one phantom; its label last, so that a label means a complete case."""
    for path, volume in zip(
        _paths(folder, index, settings), make_phantom(index, settings), strict=False
    ):
        write_volume(path, volume.voxels, volume.grid)


def _paths(folder: Path, index: int, settings: PhantomSettings) -> list[Path]:
    """The files of a case: its scan and, where it is labelled, its label."""
    file = f"{case_name(index)}.nii.gz"
    if index >= settings.cases:
        return [folder / "imagesTs" / file]
    return [folder / "imagesTr" / file, folder / "labelsTr" / file]


def _claim(folder: Path, settings: PhantomSettings) -> None:
    """Notes the settings in the folder, or finds them there."""
    note, content = folder / "phantoms.json", {"drawing": PHANTOM_VERSION, **to_dict(settings)}
    if note.exists():
        if read_json(note) != content:
            raise LiverlibError(
                f"{folder}: holds phantoms of other settings ({note.name}). "
                "Choose another folder, or delete this one."
            )
    elif (folder / "dataset.json").exists():
        raise LiverlibError(f"{folder}: holds another dataset. Choose another folder.")
    else:
        write_json(note, content)


def _dataset(settings: PhantomSettings) -> dict:
    """What `dataset.json` says, in MSD's words."""
    files = [f"{case_name(i)}.nii.gz" for i in range(settings.cases + settings.unlabelled)]
    training, test = files[: settings.cases], files[settings.cases :]
    return {
        "name": "Liver phantoms",
        "description": "Synthetic abdominal CTs with liver and tumours, laid out as MSD Task03",
        "reference": "liverlib.phantom",
        "licence": "CC0-1.0",
        "release": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "numTraining": len(training),
        "numTest": len(test),
        "training": [
            {"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in training
        ],
        "test": [f"./imagesTs/{file}" for file in test],
    }


def _geometry(fat: float, size: np.ndarray, settings: PhantomSettings, random):
    """Shape, spacing in mm, height of the lowest slice, and parts each slice is averaged of."""
    view = np.clip(2 * (146 + fat) * size[0] * random.uniform(0.98, 1.2), 330, 450)
    gap = random.choice(SLICES, p=SLICE_ODDS)
    gap = max(gap, min(gap * 200 / settings.size, 6))  # coarse pixels, coarse slices
    low, high = random.uniform(-165, -85), random.uniform(130, 185)
    if random.random() < 0.12:  # the dome, or the tip, is cut off
        low, high = (low, random.uniform(85, 115)) if random.random() < 0.5 else (-25, high)
    count = int(np.clip((high - low) * size[2] / gap, 40 * min(1, 2.5 / gap), MOST_SLICES))
    pixel = view / settings.size
    parts = math.ceil(gap / 3.3)
    return (settings.size,) * 2 + (count,), np.array([pixel, pixel, gap]), low, parts


def _pose(shape, spacing, low: float, size: np.ndarray, random):
    """From voxel mm to the patient's: the patient's size, a little turned and off centre."""
    angles = random.normal(0, 0.035, 3)
    turn = np.eye(3) + np.cross(np.eye(3), angles)
    turn, _ = np.linalg.qr(turn)
    turn *= np.sign(np.diag(turn))
    matrix = np.diag(1 / size) @ turn
    middle = (np.array(shape) - 1) * spacing / 2
    to = np.array([random.normal(0, 5), random.normal(4, 6), low + middle[2] / size[2]])
    return matrix, to - matrix @ middle


def _average(values: np.ndarray, parts: int) -> np.ndarray:
    """Slices as thick as their distance, out of thinner ones."""
    return values.reshape(*values.shape[:2], -1, parts).mean(3) if parts > 1 else values


def _scanned(hu: np.ndarray, settings: PhantomSettings, random: np.random.Generator) -> np.ndarray:
    """What the scanner makes of the body: noise, and what lies outside its round view."""
    level = random.uniform(8, 25) * min(1, settings.size / 256)
    noise = _noise(hu.shape, random, random.random(), random.uniform(0, 1.5))
    x, y = (np.linspace(-1, 1, n)[:, None] for n in hu.shape[:2])
    deeper = 0.75 + 0.5 * np.exp(-2 * (x**2 + y.T**2))  # more noise where rays pass more body
    noise *= (level * deeper[..., None]).astype(np.float32)
    hu = hu + noise
    np.clip(hu, -1024, 3071, out=hu)
    out = np.rint(hu).astype(np.int16)
    if random.random() < 0.35:
        out[np.hypot(x, y.T) > 1] = random.choice([-1024, -2000, -3024])
    return out


def _noise(shape, random: np.random.Generator, sharp: float, streaks: float) -> np.ndarray:
    """Noise of unit variance with a CT's texture: band-passed in plane, alike in next slices.

    `sharp` 0…1: soft to sharp kernel; `streaks`: excess of sideways streaks.
    """
    x = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    y = np.fft.fftfreq(shape[1]).astype(np.float32)[None]
    f = np.hypot(x, y)
    cut = 0.2 + 0.2 * sharp
    gain = np.sqrt(f + 0.012) * np.exp(-((f / cut) ** 2))
    gain *= 1 + streaks * (y / (f + 1e-3)) ** 4
    gain = (gain / np.sqrt((gain**2).mean())).astype(np.float32)
    pairs = (shape[2] + 2) // 2
    out = np.empty((2 * pairs, *shape[:2]), np.float32)
    for k in range(pairs):
        white = random.standard_normal((*shape[:2], 2), dtype=np.float32).view(np.complex64)[..., 0]
        both = fft.ifft2(white * gain, norm="ortho")
        out[2 * k], out[2 * k + 1] = both.real, both.imag
    mixed = 0.88 * out[: shape[2]] + 0.47 * out[1 : shape[2] + 1]
    return mixed.transpose(1, 2, 0)
