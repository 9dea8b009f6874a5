"""The bodies of the phantoms, trunk, lungs and heart, drawn as an abdominal CT shows them.

Lengths are in mm in the patient (x right, y front, z up; z = 0 between the first two lumbar
vertebrae). Each function draws one thing, and covers what was there; bones are in `skeleton`,
other organs in `viscera`, the liver in `hepatic`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .canvas import Canvas
from .sdf import Frame, both, either, ellipsoid, tubes

UNDER_THE_SKIN, IN_THE_BELLY = 7, 9  # the unevenness of that fat, in HU
PHASES = ("none", "arterial", "portal", "late")
HU = {  # by contrast phase, in the order of PHASES
    "liver": (56, 68, 106, 94),
    "spleen": (48, 115, 120, 102),
    "pancreas": (40, 98, 92, 78),
    "cortex": (32, 175, 190, 165),
    "medulla": (30, 85, 165, 165),
    "urine": (6, 8, 15, 320),
    "aorta": (42, 300, 145, 112),
    "cava": (41, 80, 128, 112),
    "portal": (41, 115, 168, 122),
    "hepatic": (41, 62, 152, 118),
    "heart": (42, 230, 150, 115),
    "muscle": (50, 56, 62, 60),
    "gut": (34, 88, 82, 68),
}


@dataclass(frozen=True)
class Body:
    """What a patient is like: sizes in mm, tissues in HU, and the distances everything shares."""

    phase: str
    hu: dict[str, float]
    fat: float  # under the skin, at the sides
    belly: float  # how far the front bulges
    wall: float  # thickness of the muscle wall
    dome: tuple[float, float]  # height of the diaphragm, right and left
    bone: float  # HU of trabecular bone
    cavity: np.ndarray  # distance to the inside of the trunk, on the lattice
    below: np.ndarray  # distance to what lies below the diaphragm
    rough: np.ndarray  # noise of unit variance, features of 30 mm
    fine: np.ndarray  # of 13 mm
    liver: str = "usual"  # or another of `hepatic.LIVERS`


def make_body(c: Canvas, fat: float, random: np.random.Generator) -> Body:
    """A patient at random, with trunk, fat and lungs already drawn."""
    column = random.choice(4, p=[0.14, 0.2, 0.52, 0.14])
    hu = {name: float(values[column] * random.normal(1, 0.07)) for name, values in HU.items()}
    hu = {name: value + random.normal(0, 5) for name, value in hu.items()}
    if random.random() < 0.2:  # a fatty liver
        hu["liver"] -= random.uniform(12, 45)
    hu["fat"] = random.normal(-103, 6)
    belly, wall = random.uniform(-12, 28), random.uniform(9, 16)
    dome = random.normal(122, 9), random.normal(108, 10)
    rough, fine = c.smooth(30), c.smooth(13)
    cavity, trunk = _trunk(c.lattice, belly, wall, rough)
    below = _diaphragm(c.lattice, dome) - 1.2 * rough
    bone = random.uniform(90, 230)
    body = Body(PHASES[column], hu, fat, belly, wall, dome, bone, cavity, below, rough, fine)
    _draw_trunk(c, body, trunk, random)
    _draw_lungs(c, body, random)
    return body


def vessel(
    c: Canvas,
    points: ArrayLike,
    radii: ArrayLike,
    value: float,
    halo: float = 0,
    links: list[tuple[int, int]] | None = None,
) -> None:
    """A tube at the voxels' own resolution, with `halo` mm of fat around it."""
    points = np.asarray(points, float)
    reach = np.max(radii) + halo + 2
    box, f = c.fine(points.min(0) - reach, points.max(0) + reach)
    distance = tubes(f, points, radii, links, margin=halo + 2.5)
    if halo:
        c.paint((box, distance - halo), -100, 8, edge=3)
    c.paint((box, distance), value)


def organ(
    c: Canvas,
    f: Frame,
    distance: np.ndarray,
    value: float,
    texture: float = 5,
    halo: float = 1.5,
) -> None:
    """A solid organ with a thin layer of fat around it."""
    box, d = c.voxels(f, distance)
    if halo:
        c.paint((box, d - halo), -95, 10, edge=2.5)
    c.paint((box, d), value, texture)


def curve(points: ArrayLike, step: float = 9.0) -> np.ndarray:
    """A smooth line (n, 3) through points (Catmull–Rom), a point every `step` mm or so."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    parts = []
    for a, b, d, e in zip(p, p[1:], p[2:], p[3:], strict=False):
        n = max(int(np.linalg.norm(d - b) / step), 2)
        t = np.linspace(0, 1, n, endpoint=False)[:, None]
        parts.append(
            b
            + t
            * ((d - a) / 2 + t * (a - 2.5 * b + 2 * d - e / 2 + t * (1.5 * (b - d) + (e - a) / 2)))
        )
    return np.concatenate([*parts, p[-2:-1]])


def _oval(f: Frame, width: float, depth: float, front: float) -> np.ndarray:
    """Distance to an upright squarish tube."""
    x, y = (f.x / width) ** 2, ((f.y - front) / depth) ** 2
    level = np.sqrt(0.7 * (x + y) + 0.3 * np.sqrt(x * x + y * y))
    return (level - 1) * np.sqrt((f.x**2 + (f.y - front) ** 2) / (x + y + 1e-6))


def _trunk(f: Frame, belly: float, wall: float, rough: np.ndarray):
    """Distances to the cavity and to the outside of the muscles."""
    waist = 9 * np.exp(-(((f.z + 70) / 55) ** 2)) + 10 * np.clip((f.z - 80) / 100, 0, 1)
    bulge = belly * np.exp(-(((f.z + 60) / 110) ** 2))
    outer = _oval(f, 146, 109 + 0.5 * bulge, 0.5 * bulge - 5) + waist + 1.5 * rough
    outer += 7 * np.exp(-((f.x / 13) ** 2)) * np.clip(-f.y / 60 - 0.6, 0, 1)  # along the spine
    inner = _oval(f, 146 - wall, 83 + 0.5 * bulge, 15 + 0.5 * bulge) + waist + 1.5 * rough
    aside, low = np.abs(f.x), np.clip(1 - (f.z - 20) / 60, 0, 1) * np.clip(f.y / 30, 0, 1)
    gutter = np.exp(-(((aside - 65) / 32) ** 2)) * np.clip(-f.y / 50, 0, 1)  # beside the spine
    inner -= 20 * gutter * np.clip((f.z + 10) / 50, 0, 1)
    thicker = 4 * np.exp(-(((aside - 36) / 22) ** 2)) - 4 * np.exp(-((aside / 9) ** 2))
    thicker -= 3.5 * np.exp(-(((aside - 80) / 9) ** 2))  # between straight and slanting muscles
    return both(inner, outer + 0.8 * wall, 5) + low * thicker, outer


def _diaphragm(f: Frame, dome: tuple[float, float]) -> np.ndarray:
    """Distance to what lies below the two domes."""
    low = 18.0
    lifted = Frame(f.x, f.y, np.maximum(f.z, low), f.start, f.to_index)
    right = ellipsoid(lifted, (60, 8, low), (86, 108, dome[0] - low))
    left = ellipsoid(lifted, (-62, 8, low), (84, 106, dome[1] - low))
    return either(right, left, 14)


def _draw_trunk(c: Canvas, b: Body, trunk: np.ndarray, random: np.random.Generator) -> None:
    f = c.lattice
    y = f.y / np.sqrt(f.x**2 + f.y**2 + 1)
    front, back = random.uniform(0.5, 1.5), random.uniform(0.5, 1.3)
    depth = b.fat * (1 + (front - 1) * np.maximum(y, 0) ** 2 + (back - 1) * np.minimum(y, 0) ** 2)
    depth *= 1 - 0.35 * np.clip((f.z - 20) / 120, 0, 1)
    skin = c.stretch(trunk - depth - 1.2 * b.rough)
    everywhere = (slice(None),) * 3
    c.paint((everywhere, skin), -15, 8)
    c.paint((everywhere, skin + 2.2), b.hu["fat"], UNDER_THE_SKIN)
    muscle = c.stretch(trunk)
    c.paint((everywhere, muscle), b.hu["muscle"], random.uniform(5, 18))
    c.paint(c.voxels(f, b.cavity), b.hu["fat"] + 4, IN_THE_BELLY)
    side = c.box(f.part((-400, -35, -400), (400, 70, 400)))
    layers = np.abs(muscle[side] + 0.45 * b.wall) - 0.6  # fat between the layers of muscle
    c.paint((side, layers), -60, 10, opacity=random.uniform(0.2, 0.7))


def _draw_lungs(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice
    recess = (random.uniform(30, 50) + 0.35 * f.y - f.z) * 0.9
    lung = np.maximum(both(b.cavity + 3, -b.below, 3), recess)
    box, d = c.voxels(f, both(lung, 22 - np.abs(f.x), 10))
    c.paint((box, d - 2), b.hu["muscle"])  # the diaphragm
    c.paint((box, d), random.uniform(-890, -800), 18)
    spots = np.clip((c.texture[box] - 1.2) * 800, 0, 800)  # vessels, end on
    c.add(box, spots * (d < -6))
    if random.random() < 0.15:  # fluid behind the lungs
        level = random.uniform(-80, -35) - f.y
        c.paint(c.voxels(f, np.maximum(both(lung, 22 - np.abs(f.x), 10), -level)), 12, 5)


def draw_heart(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """The heart in its fat on the left dome, and the gullet behind it."""
    f = c.lattice.part((-110, -60, 60), (80, 110, 400))
    at = f.at
    d = ellipsoid(f, (-18, 30, b.dome[1] + 42), (62, 52, 44), turned(0.5, random)) + 2 * b.rough[at]
    d = either(d, ellipsoid(f, (-5, -5, b.dome[1] + 60), (38, 45, 60)), 10)
    above = both(d - 9, -b.below[at], 5)
    c.paint(c.voxels(f, above), b.hu["fat"], 10)
    box, inside = c.voxels(f, both(d, -b.below[at] + 3, 5))
    c.paint((box, inside), b.hu["muscle"] + 20, 6)
    c.paint((box, inside + 9), b.hu["heart"], 10, edge=4)
    gullet = [(-4, -30, 400), (-6, -28, 130), (-14, -22, 100), (-28, -5, 84)]
    organ(c, f, tubes(f, gullet, [9, 8, 8, 9]), b.hu["muscle"], 8, halo=3)


def turned(size: float, random: np.random.Generator) -> np.ndarray:
    """A random rotation of about `size` radians, axes as rows."""
    axes, _ = np.linalg.qr(np.eye(3) + random.normal(0, size / 1.7, (3, 3)))
    return axes * np.sign(np.diag(axes))[:, None]
