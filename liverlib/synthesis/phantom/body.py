"""The body of a phantom: trunk, fat, lungs and heart, as an abdominal CT shows them.

Lengths are in mm in the patient: x to the right, y to the front, z up, 0 between the first two
lumbar vertebrae. Each function paints one thing over what is already painted.
"""

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .sdf import Region, ellipsoid, intersection, random_rotation, tubes, union

SUBCUTANEOUS_FAT_TEXTURE, ABDOMINAL_FAT_TEXTURE = 7, 9  # HU; label maps tell them apart by it
PHASES = ("non-contrast", "arterial", "portal venous", "delayed")
TISSUE_HU = {  # in each of PHASES
    "liver": (56, 68, 106, 94),
    "spleen": (48, 115, 120, 102),
    "pancreas": (40, 98, 92, 78),
    "cortex": (32, 175, 190, 165),
    "medulla": (30, 85, 165, 165),
    "urine": (6, 8, 15, 320),
    "aorta": (42, 300, 145, 112),
    "vena_cava": (41, 80, 128, 112),
    "portal_vein": (41, 115, 168, 122),
    "hepatic_veins": (41, 62, 152, 118),
    "heart": (42, 230, 150, 115),
    "muscle": (50, 56, 62, 60),
    "bowel_wall": (34, 88, 82, 68),
}


class OrganHU(float):
    """Hounsfield units that know whose they are: a name in `TISSUE_HU`, or another."""

    organ: str

    def __new__(cls, value: float, organ: str) -> "OrganHU":
        """`value` of an organ."""
        self = super().__new__(cls, value)
        self.organ = organ
        return self


@dataclass(frozen=True)
class LiverAnatomy:
    """What may be unusual about a liver; as it stands, it is the phantoms' usual one."""

    shape: str = "usual"  # or another of `liver.LIVER_SHAPES`
    left_reach: float = 0.0  # mm that the left lobe reaches further to the left, flat
    caudate: float = 0.0  # ml of the caudate lobe; 0: none
    gallbladder: bool = False  # of any size, fold and content, in its fossa
    hilum: bool = False  # the portal vein's branches are there before they enter the liver


@dataclass(frozen=True, eq=False)
class Body:
    """A patient: sizes in mm, tissues in HU, and arrays on the lattice that all shapes share."""

    phase: str
    hu: dict[str, float]
    fat: float  # under the skin, at the sides
    belly: float  # how far the front bulges
    wall: float  # thickness of the abdominal muscles
    dome: tuple[float, float]  # height of the diaphragm, right and left
    bone: float  # HU of trabecular bone
    cavity: np.ndarray  # distance to the inside of the trunk
    below_diaphragm: np.ndarray  # distance to everything below it
    rough: np.ndarray  # noise of unit variance, its features 30 mm wide
    fine: np.ndarray  # the same, 13 mm wide
    liver: LiverAnatomy = LiverAnatomy()


def make_body(
    canvas: Canvas, fat: float, random: np.random.Generator, phase: int | None = None
) -> Body:
    """A random patient, with trunk, fat and lungs already painted; `phase`: a fixed one."""
    sampled = random.choice(4, p=[0.14, 0.2, 0.52, 0.14])
    phase = int(sampled) if phase is None else phase
    hu = {
        name: float(by_phase[phase] * random.normal(1, 0.07))
        for name, by_phase in TISSUE_HU.items()
    }
    hu = {name: value + random.normal(0, 5) for name, value in hu.items()}
    if random.random() < 0.2:  # a fatty liver
        hu["liver"] -= random.uniform(12, 45)
    hu = {name: OrganHU(value, name) for name, value in hu.items()}
    hu["fat"] = random.normal(-103, 6)
    belly, wall = random.uniform(-12, 28), random.uniform(9, 16)
    dome = random.normal(122, 9), random.normal(108, 10)
    rough, fine = canvas.smooth_noise(30), canvas.smooth_noise(13)
    cavity, trunk = _trunk(canvas.lattice, belly, wall, rough)
    below = _diaphragm(canvas.lattice, dome) - 1.2 * rough
    bone = random.uniform(90, 230)
    body = Body(PHASES[phase], hu, fat, belly, wall, dome, bone, cavity, below, rough, fine)
    _draw_trunk(canvas, body, trunk, random)
    _draw_lungs(canvas, body, random)
    return body


def draw_heart(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """The heart in its fat on the left dome, and the oesophagus behind it."""
    region = canvas.lattice.part((-110, -60, 60), (80, 110, 400))
    rough, below = body.rough[region.box], body.below_diaphragm[region.box]
    centre, axes = (-18, 30, body.dome[1] + 42), random_rotation(0.5, random)
    heart = ellipsoid(region, centre, (62, 52, 44), axes) + 2 * rough
    heart = union(heart, ellipsoid(region, (-5, -5, body.dome[1] + 60), (38, 45, 60)), 10)
    fat = intersection(heart - 9, -below, 5)
    canvas.paint(canvas.at_voxels(region, fat), body.hu["fat"], 10)
    box, wall = canvas.at_voxels(region, intersection(heart, -below + 3, 5))
    canvas.paint((box, wall), body.hu["muscle"] + 20, 6)
    canvas.paint((box, wall + 9), body.hu["heart"], 10, edge=4)
    oesophagus = [(-4, -30, 400), (-6, -28, 130), (-14, -22, 100), (-28, -5, 84)]
    tube = tubes(region, oesophagus, [9, 8, 8, 9])
    canvas.paint_organ(region, tube, body.hu["muscle"], 8, halo=3)


def _oval(
    region: Region, width: float, depth: float | np.ndarray, front: float | np.ndarray
) -> np.ndarray:
    """Distance to an upright squarish tube."""
    x, y = (region.x / width) ** 2, ((region.y - front) / depth) ** 2
    level = np.sqrt(0.7 * (x + y) + 0.3 * np.sqrt(x * x + y * y))
    return (level - 1) * np.sqrt((region.x**2 + (region.y - front) ** 2) / (x + y + 1e-6))


def _trunk(
    region: Region, belly: float, wall: float, rough: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the abdominal cavity and to the outside of the muscles."""
    x, y, z = region.x, region.y, region.z
    waist = 9 * np.exp(-(((z + 70) / 55) ** 2)) + 10 * np.clip((z - 80) / 100, 0, 1)
    bulge = belly * np.exp(-(((z + 60) / 110) ** 2))
    outer = _oval(region, 146, 109 + 0.5 * bulge, 0.5 * bulge - 5) + waist + 1.5 * rough
    outer += 7 * np.exp(-((x / 13) ** 2)) * np.clip(-y / 60 - 0.6, 0, 1)  # along the spine
    inner = _oval(region, 146 - wall, 83 + 0.5 * bulge, 15 + 0.5 * bulge) + waist + 1.5 * rough
    aside, low = np.abs(x), np.clip(1 - (z - 20) / 60, 0, 1) * np.clip(y / 30, 0, 1)
    gutter = np.exp(-(((aside - 65) / 32) ** 2)) * np.clip(-y / 50, 0, 1)  # beside the spine
    inner -= 20 * gutter * np.clip((z + 10) / 50, 0, 1)
    thicker = 4 * np.exp(-(((aside - 36) / 22) ** 2)) - 4 * np.exp(-((aside / 9) ** 2))
    thicker -= 3.5 * np.exp(-(((aside - 80) / 9) ** 2))  # between straight and oblique muscles
    return intersection(inner, outer + 0.8 * wall, 5) + low * thicker, outer


def _diaphragm(region: Region, dome: tuple[float, float]) -> np.ndarray:
    """Distance to everything below the two domes."""
    low = 18.0
    lifted = Region(region.x, region.y, np.maximum(region.z, low), region.start, region.to_index)
    right = ellipsoid(lifted, (60, 8, low), (86, 108, dome[0] - low))
    left = ellipsoid(lifted, (-62, 8, low), (84, 106, dome[1] - low))
    return union(right, left, 14)


def _draw_trunk(canvas: Canvas, body: Body, trunk: np.ndarray, random: np.random.Generator) -> None:
    """Skin, fat and muscles; `trunk` is the distance to the outside of the muscles."""
    region = canvas.lattice
    y = region.y / np.sqrt(region.x**2 + region.y**2 + 1)
    front, back = random.uniform(0.5, 1.5), random.uniform(0.5, 1.3)
    uneven = 1 + (front - 1) * np.maximum(y, 0) ** 2 + (back - 1) * np.minimum(y, 0) ** 2
    depth = body.fat * uneven
    depth *= 1 - 0.35 * np.clip((region.z - 20) / 120, 0, 1)
    skin = canvas.upsample(trunk - depth - 1.2 * body.rough)
    everywhere = (slice(None),) * 3
    canvas.paint((everywhere, skin), -15, 8)
    canvas.paint((everywhere, skin + 2.2), body.hu["fat"], SUBCUTANEOUS_FAT_TEXTURE)
    muscle = canvas.upsample(trunk)
    canvas.paint((everywhere, muscle), body.hu["muscle"], random.uniform(5, 18))
    cavity = canvas.at_voxels(region, body.cavity)
    canvas.paint(cavity, body.hu["fat"] + 4, ABDOMINAL_FAT_TEXTURE)
    side = canvas.voxel_box(region.part((-400, -35, -400), (400, 70, 400)))
    layers = np.abs(muscle[side] + 0.45 * body.wall) - 0.6  # fat between the layers of muscle
    canvas.paint((side, layers), -60, 10, opacity=random.uniform(0.2, 0.7))


def _draw_lungs(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    region = canvas.lattice
    recess = (random.uniform(30, 50) + 0.35 * region.y - region.z) * 0.9
    above = np.maximum(intersection(body.cavity + 3, -body.below_diaphragm, 3), recess)
    lungs = intersection(above, 22 - np.abs(region.x), 10)
    box, distance = canvas.at_voxels(region, lungs)
    canvas.paint((box, distance - 2), body.hu["muscle"])  # the diaphragm
    canvas.paint((box, distance), random.uniform(-890, -800), 18)
    spots = np.clip((canvas.texture[box] - 1.2) * 800, 0, 800)  # vessels, end on
    canvas.brighten(box, spots * (distance < -6))
    if random.random() < 0.15:  # fluid behind the lungs
        level = random.uniform(-80, -35) - region.y
        canvas.paint(canvas.at_voxels(region, np.maximum(lungs, -level)), 12, 5)
