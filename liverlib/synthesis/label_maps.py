"""Label maps: bodies as maps of their tissues, from which `generator` synthesises scans.

The functions of the phantoms paint them, but from the chest to the hips, in thin and obese
bodies, with livers of unusual shape, and as tissues instead of Hounsfield units. So one label map
gives scans in every contrast phase, bent into other shapes, with other tumours. It has none.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from liverlib.core.arrays import Box
from liverlib.core.files import atomic, write_sparse
from liverlib.core.parallel import in_processes
from liverlib.core.settings import SEEDS, CheckedSettings, digest, setting

from .phantom.body import (
    ABDOMINAL_FAT_TEXTURE,
    SUBCUTANEOUS_FAT_TEXTURE,
    TISSUE_HU,
    Body,
    LiverAnatomy,
    OrganHU,
    draw_heart,
    make_body,
)
from .phantom.canvas import Canvas, Shape
from .phantom.liver import LIVER_SHAPES, draw_artery_and_duct, draw_liver
from .phantom.organs import draw_great_vessels, draw_organs
from .phantom.skeleton import draw_skeleton

LABEL_MAP_VERSION = 7  # raised when equal settings come to give other maps
AIR = 0  # the number of that tissue
ORGANS = (*TISSUE_HU, "bile")  # whose enhancement is known; a table's last column counts them
LIVER_ODDS = (0.46, 0.12, 0.12, 0.05, 0.05, 0.2)  # of LIVER_SHAPES
BODY_SIZE = (0.05, 0.1, 0.05)  # standard deviation of a factor on width, depth, height
LIVER_POINTS = 1500  # kept of the liver's voxels


@dataclass(frozen=True)
class LabelMapSettings(CheckedSettings):
    """What the label maps are; equal settings give equal maps."""

    count: int = setting(
        0, "label maps to synthesise scans from; 0: train on scans", low=0, high=100_000
    )
    seed: int = setting(1000, "another seed, other bodies", low=SEEDS[0], high=SEEDS[1])
    spacing: float = setting(1.5, "mm between the voxels of a label map", low=0.5, high=10)
    bend: float = setting(7.0, "mm by which bodies are bent out of shape", low=0, high=30)


class TissueCanvas(Canvas):
    """A canvas that keeps which tissue covers a voxel most, in place of its Hounsfield units."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: float,
        to_patient: tuple[np.ndarray, np.ndarray],
        bend: float,
        random: np.random.Generator,
    ) -> None:
        super().__init__(shape, (spacing,) * 3, to_patient, bend, random)
        del self.hu, self.tumour, self.gallbladder
        self.tissue = np.full(self.shape, AIR, np.uint8)
        self.numbers: dict[tuple[int, int, bool, int], int] = {(-1000, 0, False, -1): AIR}

    def paint(
        self,
        shape: Shape,
        value: float,
        texture: float = 0,
        edge: float | None = None,
        keep: bool = False,
        opacity: float = 1,
    ) -> None:
        """Covers the inside of a shape with the tissue of this value and texture."""
        box, distance = shape
        if opacity < 0.5 or not distance.size:
            return
        inside = distance < 0
        self.tissue[box][inside] = self.number(value, texture, keep)
        if self.has_liver and not keep:
            self.liver[box][inside] = 0

    def brighten(self, box: Box, hu: np.ndarray) -> None:
        """Paints another tissue where voxels become much brighter."""
        self.tissue[box][hu > 400] = self.number(-250, 60, False)

    def paint_liver(self, shape: Shape, value: float, texture: float) -> None:
        """Paints the liver itself, and marks it."""
        self.paint(shape, value, texture, keep=True)
        self.liver[shape[0]] = shape[1] < 0
        self.has_liver = True

    def mark_gallbladder(self, shape: Shape) -> None:
        """Does nothing: a tissue of its own tells where it is."""

    def number(self, value: float, texture: float, is_liver: bool) -> int:
        """The number of a tissue; those of an organ of the same rounded HU and texture share it."""
        organ = value.organ if isinstance(value, OrganHU) else ""
        index = ORGANS.index(organ) if organ in ORGANS else -1
        key = round(value), round(texture), is_liver, index
        return self.numbers.setdefault(key, len(self.numbers))

    def table(self) -> np.ndarray:
        """A row (HU, texture, is liver, organ) for each tissue, float32 (n, 4), by number."""
        return np.array(list(self.numbers), np.float32)


def make_label_map(index: int, settings: LabelMapSettings) -> dict[str, np.ndarray]:
    """The arrays of one label map, which the settings and `index` alone decide.

    ``tissue`` (X, Y, Z) uint8 numbers the rows of ``table`` (n, 4): HU without contrast medium,
    unevenness in HU, whether it is liver, and its place in `ORGANS` or -1. ``body`` and ``liver``
    (m, 3) float32 are their first and last voxels along x and y in every slice, and of the liver
    some within.
    """
    random = np.random.default_rng([settings.seed, index])
    fat = float(np.clip(random.lognormal(2.9, 0.7), 3, 70))  # mm under the skin
    arms = random.random() < 0.12
    canvas = _canvas(fat, arms, settings, random)
    body = make_body(canvas, fat, random, phase=0)  # contrast medium comes with each scan
    body = replace(body, liver=_sample_anatomy(random))
    abdominal_fat = canvas.number(body.hu["fat"] + 4, ABDOMINAL_FAT_TEXTURE, False)
    if arms:
        _draw_arms(canvas, body, random)
    draw_skeleton(canvas, body, random, cartilage=True)
    draw_heart(canvas, body, random)
    draw_organs(canvas, body, random)
    draw_artery_and_duct(canvas, body, draw_liver(canvas, body, random), random)
    draw_great_vessels(canvas, body, random)
    table = canvas.table()
    if random.random() < 0.1:  # ascites: fluid in place of the fat around the organs
        table[abdominal_fat, :2] = random.uniform(0, 18), 3
    liver = table[canvas.tissue, 2] > 0
    return {
        "tissue": canvas.tissue,
        "table": table,
        "liver": np.concatenate([_outline(liver), _points_within(liver, random)]),
        "body": _outline(canvas.tissue != AIR),
    }


def write_label_maps(
    folder: str | Path, settings: LabelMapSettings, workers: int | None = None
) -> list[Path]:
    """The files of the label maps, in a subfolder of their own; missing ones are made."""
    folder = Path(folder) / digest(replace(settings, count=0), LABEL_MAP_VERSION)
    paths = [folder / f"label_map_{index:03d}.safetensors" for index in range(settings.count)]
    missing = [(path, n, settings) for n, path in enumerate(paths) if not path.exists()]
    for _ in in_processes(write_label_map, missing, workers, "label maps"):
        pass
    return paths


def write_label_map(path: Path, index: int, settings: LabelMapSettings) -> None:
    """Writes one label map as a safetensors file, atomically."""
    arrays = make_label_map(index, settings)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with atomic(path) as temporary:
        write_sparse(temporary, content)


def _canvas(
    fat: float, arms: bool, settings: LabelMapSettings, random: np.random.Generator
) -> TissueCanvas:
    """An empty canvas that holds the whole body from some height to another."""
    x, back, front = 160 + fat, 125 + 1.35 * fat, 140 + 1.6 * fat
    if arms:
        x = 236 + 1.6 * fat
    beside = 2.6 * settings.bend * np.array([1, 1, 0])  # room for what is bent outwards
    low = np.array([-x, -back, -random.uniform(150, 260)]) - beside
    high = np.array([x, front, random.uniform(190, 290)]) + beside
    size = np.clip(random.normal(1, BODY_SIZE), 0.8, 1.25)
    shape = tuple(np.ceil((high - low) * size / settings.spacing).astype(int).tolist())
    to_patient = np.diag(1 / size), low
    return TissueCanvas(shape, settings.spacing, to_patient, settings.bend, random.spawn(1)[0])


def _sample_anatomy(random: np.random.Generator) -> LiverAnatomy:
    """A random liver: its shape, the reach of its left lobe, its caudate lobe."""
    reach = random.uniform(0, 65) if random.random() < 0.45 else 0.0
    caudate = float(np.clip(random.lognormal(3.0, 0.5), 6, 70))
    return LiverAnatomy(
        shape=str(random.choice(LIVER_SHAPES, p=LIVER_ODDS)),
        left_reach=reach,
        caudate=caudate if random.random() < 0.92 else 0.0,
        gallbladder=True,
        hilum=True,
    )


def _draw_arms(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """Arms beside the body."""
    region, fat = canvas.lattice, body.hu["fat"]
    for side in (-1, 1):
        radius = random.uniform(32, 42) + 0.3 * body.fat
        x = side * (150 + body.fat + radius + random.uniform(-8, 0))
        y = random.uniform(-50, 10)
        limb = np.hypot(region.x - x, region.y - y) + 2 * body.rough
        for inner, value in ((0, -15), (2.2, fat), (4 + 0.3 * body.fat, body.hu["muscle"])):
            layer = canvas.at_voxels(region, limb - radius + inner)
            canvas.paint(layer, value, SUBCUTANEOUS_FAT_TEXTURE)
        for shift in (-11, 11):  # ulna and radius
            box, bone = canvas.at_voxels(region, np.hypot(region.x - x - shift, region.y - y) - 8)
            canvas.paint((box, bone), body.bone + 400, 40)
            canvas.paint((box, bone + 3), body.bone, 40)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The first and last voxels (m, 3) along x and y in every slice."""
    points = []
    for axis in (0, 1):
        lines = mask if axis == 0 else mask.transpose(1, 0, 2)
        used = np.any(lines, axis=1)  # (X or Y, Z)
        slices = np.flatnonzero(used.any(0))
        for ends in (used.argmax(0), len(used) - 1 - used[::-1].argmax(0)):
            end = ends[slices]
            beside = lines[end, :, slices].argmax(1)
            pair = (end, beside) if axis == 0 else (beside, end)
            points.append(np.stack([*pair, slices], 1))
    return np.concatenate(points).astype(np.float32)


def _points_within(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Some random voxels (m, 3) of a mask, none where it is empty."""
    voxels = np.argwhere(mask)
    return random.choice(voxels, LIVER_POINTS).astype(np.float32) if len(voxels) else voxels
