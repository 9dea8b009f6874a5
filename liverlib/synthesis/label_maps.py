"""Anatomies: phantoms as maps of their tissues, from which `liverlib.rendered` draws new scans.

Drawn by the same functions as the phantoms, but from the chest to the hips, in bodies thin and
obese, with livers of unusual shape, and as tissues instead of Hounsfield units: so one anatomy
gives scans in every contrast phase, bent into other shapes, with other tumours. It has none itself.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from liverlib.core.arrays import Box
from liverlib.core.files import atomic, write_sparse
from liverlib.core.parallel import in_processes
from liverlib.core.settings import digest, setting

from .phantom.body import IN_THE_BELLY, UNDER_THE_SKIN, Body, draw_heart, make_body
from .phantom.canvas import Canvas, Painted
from .phantom.liver import LIVERS, draw_artery_and_duct, draw_liver
from .phantom.organs import draw_great_vessels, draw_viscera
from .phantom.skeleton import draw_skeleton

LABEL_MAP_VERSION = 5  # raised when equal settings come to draw other maps
AIR = 0  # the tissue of that number
LIVER_ODDS = (0.38, 0.12, 0.12, 0.06, 0.06, 0.26)
KEPT = 1500  # places remembered within a liver


@dataclass(frozen=True)
class LabelMapSettings:
    """What the anatomies are; equal settings give equal maps."""

    count: int = setting(0, "anatomies to draw from; 0: train on scans")
    seed: int = setting(1000, "another seed, other bodies")
    spacing: float = setting(1.5, "mm between the voxels of a map")
    bend: float = setting(7.0, "mm by which bodies are bent out of shape")


class TissueMap(Canvas):
    """A canvas that keeps which tissue covers a voxel most, in place of its Hounsfield units."""

    def __init__(self, *canvas) -> None:
        super().__init__(*canvas)
        del self.hu, self.tumour
        self.tissue = np.full(self.shape, AIR, np.uint8)
        self.known: dict[tuple[int, int, bool], int] = {(-1000, 0, False): AIR}

    def paint(
        self,
        shape: Painted,
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

    def add(self, box: Box, hu: np.ndarray) -> None:
        """Where it becomes much brighter, another tissue."""
        self.tissue[box][hu > 400] = self.number(-250, 60, False)

    def paint_liver(self, shape: Painted, value: float, texture: float) -> None:
        """The liver itself."""
        self.paint(shape, value, texture, keep=True)
        self.liver[shape[0]] = shape[1] < 0
        self.has_liver = True

    def number(self, value: float, texture: float, liver: bool) -> int:
        """The number of a tissue: a known one where there is one so alike, or else the next."""
        return self.known.setdefault((round(value), round(texture), liver), len(self.known))


def make_label_map(index: int, settings: LabelMapSettings) -> dict[str, np.ndarray]:
    """The arrays of one anatomy, which `index` alone decides.

    ``tissue`` (X, Y, Z) uint8 numbers the rows of ``table`` (n, 3): HU, unevenness in HU, and
    whether it is liver. ``body`` and ``liver`` (m, 3) float32 are their first and last voxels along
    x and y in every slice, and of the liver some within.
    """
    random = np.random.default_rng([settings.seed, index])
    fat = float(np.clip(random.lognormal(2.9, 0.7), 3, 70))  # mm under the skin
    arms = random.random() < 0.12
    x, back, front = 160 + fat, 125 + 1.35 * fat, 140 + 1.6 * fat
    if arms:
        x = 236 + 1.6 * fat
    beside = 2.6 * settings.bend * np.array([1, 1, 0])  # room for what is bent outwards
    low = np.array([-x, -back, -random.uniform(150, 260)]) - beside
    high = np.array([x, front, random.uniform(190, 290)]) + beside
    shape = tuple(np.ceil((high - low) / settings.spacing).astype(int).tolist())
    pose = np.eye(3), low
    c = TissueMap(shape, (settings.spacing,) * 3, pose, settings.bend, random.spawn(1)[0])
    body = make_body(c, fat, random)
    body = replace(body, liver=str(random.choice(LIVERS, p=LIVER_ODDS)))
    cavity = c.number(body.hu["fat"] + 4, IN_THE_BELLY, False)
    if arms:
        _arms(c, body, random)
    draw_skeleton(c, body, random, cartilage=True)
    draw_heart(c, body, random)
    draw_viscera(c, body, random)
    draw_artery_and_duct(c, body, draw_liver(c, body, random), random)
    draw_great_vessels(c, body, random)
    table = np.array(sorted(c.known, key=c.known.get), np.float32)
    if random.random() < 0.1:  # ascites: fluid in place of the fat around the organs
        table[cavity, :2] = random.uniform(0, 18), 3
    liver = table[c.tissue, 2] > 0
    return {
        "tissue": c.tissue,
        "table": table,
        "liver": np.concatenate([_outline(liver), _within(liver, random)]),
        "body": _outline(c.tissue != AIR),
    }


def write_label_maps(
    folder: str | Path, settings: LabelMapSettings, workers: int | None = None
) -> list[Path]:
    """The files of the anatomies in a folder of their own, made where they are missing."""
    folder = Path(folder) / digest(replace(settings, count=0), LABEL_MAP_VERSION)
    paths = [folder / f"anatomy_{index:03d}.safetensors" for index in range(settings.count)]
    missing = [(path, n, settings) for n, path in enumerate(paths) if not path.exists()]
    for _ in in_processes(write_label_map, missing, workers, "anatomies"):
        pass
    return paths


def write_label_map(path: Path, index: int, settings: LabelMapSettings) -> None:
    """Writes one anatomy as a safetensors file, atomically."""
    arrays = make_label_map(index, settings)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with atomic(path) as temporary:
        write_sparse(temporary, content)


def _arms(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Arms that lie beside the body."""
    f = c.lattice
    for side in (-1, 1):
        radius = random.uniform(32, 42) + 0.3 * b.fat
        x = side * (150 + b.fat + radius + random.uniform(-8, 0))
        y = random.uniform(-50, 10)
        limb = np.hypot(f.x - x, f.y - y) + 2 * b.rough
        for inner, value in ((0, -15), (2.2, b.hu["fat"]), (4 + 0.3 * b.fat, b.hu["muscle"])):
            c.paint(c.voxels(f, limb - radius + inner), value, UNDER_THE_SKIN)
        for place in (-11, 11):  # ulna and radius
            box, d = c.voxels(f, np.hypot(f.x - x - place, f.y - y) - 8)
            c.paint((box, d), b.bone + 400, 40)
            c.paint((box, d + 3), b.bone, 40)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The first and last voxels (m, 3) along x and y in every slice."""
    found = []
    for axis in (0, 1):
        lines = mask if axis == 0 else mask.transpose(1, 0, 2)
        there = lines.any(1)  # (X or Y, Z)
        slices = np.flatnonzero(there.any(0))
        for ends in (there.argmax(0), len(there) - 1 - there[::-1].argmax(0)):
            end = ends[slices]
            beside = lines[end, :, slices].argmax(1)
            pair = (end, beside) if axis == 0 else (beside, end)
            found.append(np.stack([*pair, slices], 1))
    return np.concatenate(found).astype(np.float32)


def _within(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Some voxels (m, 3) at random, none where there are none."""
    places = np.argwhere(mask)
    return random.choice(places, KEPT).astype(np.float32) if len(places) else places
