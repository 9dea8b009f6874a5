"""The bodies of the phantoms: everything but the liver, drawn as an abdominal CT shows it.

Lengths are in mm in the patient (x right, y front, z up; z = 0 between the first two lumbar
vertebrae). Each function draws one thing, in the order of `draw_body`; later ones cover earlier.
"""

from dataclasses import dataclass

import numpy as np

from liverlib.canvas import Canvas, Frame, both, either, ellipsoid, tubes

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


def make_body(c: Canvas, fat: float, random: np.random.Generator) -> Body:
    """A patient at random, with trunk, fat and lungs already drawn."""
    column = random.choice(4, p=[0.14, 0.2, 0.52, 0.14])
    hu = {name: float(values[column] * random.normal(1, 0.07)) for name, values in HU.items()}
    hu = {name: value + random.normal(0, 5) for name, value in hu.items()}
    if random.random() < 0.2:  # a fatty liver
        hu["liver"] -= random.uniform(12, 45)
    hu["fat"] = random.normal(-103, 6)
    belly, wall = random.uniform(-12, 28), random.uniform(11, 18)
    dome = random.normal(122, 9), random.normal(108, 10)
    rough, fine = c.smooth(30, random), c.smooth(13, random)
    cavity, trunk = _trunk(c.lattice, belly, wall, rough)
    below = _diaphragm(c.lattice, dome) - 2 * rough
    bone = random.uniform(120, 270)
    body = Body(
        PHASES[column], hu, fat, belly, wall, dome, bone, cavity, below, rough, fine
    )
    _draw_trunk(c, body, trunk, random)
    _draw_lungs(c, body, random)
    return body


def draw_body(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Heart, bones and muscles."""
    for draw in (_heart, _spine, _ribs, _hips, _muscles):
        draw(c, b, random)


def vessel(c: Canvas, points, radii, value: float, halo: float = 0, links=None, keep=False) -> None:
    """A tube at the voxels' own resolution, with `halo` mm of fat around it."""
    points = np.asarray(points, float)
    reach = np.max(radii) + halo + 2
    box, f = c.fine(points.min(0) - reach, points.max(0) + reach)
    distance = tubes(f, points, radii, links)
    if halo:
        c.paint((box, distance - halo), -100, 8, edge=3)
    c.paint((box, distance), value, keep=keep)


def organ(c: Canvas, f: Frame, distance, value, texture=5.0, halo=1.5) -> None:
    """A solid organ with a thin layer of fat around it."""
    box, d = c.voxels(f, distance)
    if halo:
        c.paint((box, d - halo), -95, 10, edge=2.5)
    c.paint((box, d), value, texture)


def curve(points, step: float = 9.0) -> np.ndarray:
    """A smooth line (n, 3) through points (Catmull–Rom), a point every `step` mm or so."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    parts = []
    for a, b, d, e in zip(p, p[1:], p[2:], p[3:], strict=False):
        n = max(int(np.linalg.norm(d - b) / step), 2)
        t = np.linspace(0, 1, n, endpoint=False)[:, None]
        parts.append(b + t * ((d - a) / 2 + t * (a - 2.5 * b + 2 * d - e / 2
                     + t * (1.5 * (b - d) + (e - a) / 2))))
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
    outer = _oval(f, 146, 106 + 0.5 * bulge, 0.5 * bulge - 3) + waist + 1.5 * rough
    inner = _oval(f, 146 - wall, 84 + 0.5 * bulge, 15 + 0.5 * bulge) + waist + 1.5 * rough
    return both(inner, outer + 0.8 * wall, 5), outer


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
    c.paint((everywhere, skin + 2.2), b.hu["fat"], 7)
    muscle = c.stretch(trunk)
    c.paint((everywhere, muscle), b.hu["muscle"], 7)
    layers = np.abs(muscle + 0.45 * b.wall) - 0.7  # fat between the layers of muscle
    c.paint((everywhere, layers), -60, 10, opacity=random.uniform(0.2, 0.7))
    c.paint((everywhere, c.stretch(b.cavity)), b.hu["fat"] + 4, 9)


def _draw_lungs(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice
    recess = (random.uniform(30, 50) + 0.35 * f.y - f.z) * 0.9
    lung = np.maximum(both(b.cavity + 3, -b.below, 3), recess)
    lung = both(lung, 22 - np.abs(f.x), 10)
    shape = c.voxels(f, lung)
    c.paint((shape[0], shape[1] - 2), b.hu["muscle"])  # the diaphragm
    cover = c.paint(shape, random.uniform(-890, -800), 18)
    box, d = shape
    spots = np.clip((c.texture[box] - 1.7) * 500, 0, 700) * (d < -6)  # vessels, end on
    c.hu[box] += cover * spots


def _heart(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice.part((-110, -60, 60), (80, 110, 400))
    at = c.lattice.slices(np.array([-110, -60, 60]), np.array([80, 110, 400]))
    d = ellipsoid(f, (-18, 30, b.dome[1] + 42), (62, 52, 44), turned(0.5, random)) + 2 * b.rough[at]
    d = either(d, ellipsoid(f, (-5, -5, b.dome[1] + 60), (38, 45, 60)), 10)
    above = both(d - 9, -b.below[at], 5)
    c.paint(c.voxels(f, above), b.hu["fat"], 10)
    box, inside = c.voxels(f, both(d, -b.below[at] + 3, 5))
    c.paint((box, inside), b.hu["muscle"] + 20, 6)
    c.paint((box, inside + 9), b.hu["heart"], 10, edge=4)
    gullet = [(-4, -30, 400), (-6, -28, 130), (-14, -22, 100), (-28, -5, 84)]
    organ(c, f, tubes(f, gullet, [9, 8, 8, 9]), b.hu["muscle"], 8, halo=3)


def _spine(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice.part((-60, -140, -400), (60, -10, 400))
    pitch, shift = random.uniform(31, 36), random.uniform(-17, 17)
    y = f.y - 6 * np.exp(-(((f.z + 60) / 70) ** 2))  # lordosis
    height = (f.z - shift) / pitch
    from_disc = (0.5 - np.abs(height - np.round(height))) * pitch - 4
    size = 1 - 0.0007 * f.z
    waist = 2.2 * np.exp(-((from_disc - 10) / 7) ** 2 / 2)
    radial = np.sqrt((f.x / 1.25) ** 2 + (y + 57) ** 2) - 18.5 * size + waist
    radial = both(radial, 11 - np.hypot(f.x, y + 83), 3)
    box, column = c.voxels(f, radial)
    c.paint((box, column - 1), b.hu["muscle"] + 25, 10)
    bone = c.voxels(f, np.maximum(radial, -from_disc))
    c.paint(bone, b.bone + random.uniform(180, 320), 40)
    c.paint((bone[0], bone[1] + 1.8), b.bone, 30, edge=2)
    canal = c.voxels(f, np.hypot(f.x / 1.2, y + 83) - 8.5)
    _arches(c, b, shift, pitch, random)
    c.paint(canal, -20, 20)
    c.paint((canal[0], canal[1] + 3), 28, 6)


def _arches(c: Canvas, b: Body, shift: float, pitch: float, random: np.random.Generator) -> None:
    """The vertebrae's arches and processes."""
    length = random.uniform(14, 24)
    for i in range(-7, 9):
        z = shift + pitch * i
        y = 6 * np.exp(-(((z + 60) / 70) ** 2))
        lines, radii = [], []
        for s in (-1, 1):
            points = [(14, -68, 4), (17, -80, 2), (15, -93, -6), (0, -99, -9)]
            lines += [(s * px, py + y, pz + z) for px, py, pz in points]
            radii += [5.5, 6, 5, 4]
            lines += [(s * 17, -80 + y, z + 2), (s * (20 + length), -86 + y, z + 4)]
            radii += [4, 3]
            lines += [(s * 17, -90 + y, z + 12), (s * 17, -92 + y, z - 20)]
            radii += [5, 5.5]
        lines += [(0, -99 + y, z - 9), (0, -99 - length + y, z - 16)]
        radii += [4, 4]
        half = [(0, 1), (1, 2), (2, 3), (4, 5), (6, 7)]
        links = [*half, *((i + 8, j + 8) for i, j in half), (16, 17)]
        box, f = c.fine(np.min(lines, 0) - 8, np.max(lines, 0) + 8)
        d = tubes(f, lines, radii, links)
        c.paint((box, d), b.bone + 280, 60)
        c.paint((box, d + 3), b.bone + 30, 40, edge=2.5)


def _ribs(c: Canvas, b: Body, random: np.random.Generator) -> None:
    shift, pitch, drop = random.uniform(-10, 10), random.uniform(25, 30), random.uniform(50, 85)
    inset = 0.55 * b.wall
    for i in range(10):
        for side in (-1, 1):
            end = random.normal(2.3, 0.08) if i > 1 else (1.0, 1.7)[i]
            a = np.linspace(0.2, end, 16)  # angle from the back
            top = 8 + shift + i * pitch
            narrow = 10 * np.clip((top - 80) / 100, 0, 1)
            x, y = 146 - inset - narrow, 106 - inset - narrow
            belly = 0.25 * b.belly
            line = np.stack([side * x * np.sin(a), belly - 3 - y * np.cos(a) ,
                             top - drop * np.sin(np.minimum(a, 1.9) / 1.9 * 1.57) ** 1.3], 1)
            line[0] = [side * 24, -74, top + 5]
            box, f = c.fine(line.min(0) - 8, line.max(0) + 8)
            d = tubes(f, line, np.linspace(4.2, 5.2, 16))
            c.paint((box, d), b.bone + 330, 60)
            c.paint((box, d + 2.6), b.bone, 40, edge=2.5)


def _hips(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """The wings of the pelvis, where the scan reaches down to them."""
    f = c.lattice.part((-170, -120, -400), (170, 90, -70))
    at = c.lattice.slices(np.array([-170, -120, -400]), np.array([170, 90, -70]))
    crest = random.uniform(-122, -98) - 0.006 * (f.y + 20) ** 2
    d = np.maximum(np.abs(b.cavity[at] - 2) - 5, f.z - crest)
    d = np.maximum(d, np.maximum(f.y - 60, 45 - np.abs(f.x)))
    box, d = c.voxels(f, d)
    c.paint((box, d), b.bone + 350, 40)
    c.paint((box, d + 2.2), b.bone, 40, edge=2.5)


def _muscles(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Psoas, the square muscle beside it, and the legs of the diaphragm."""
    size = random.uniform(0.75, 1.2)
    f = c.lattice.part((-90, -90, -400), (90, 0, 110))
    for s in (-1, 1):
        line = [(s * 26, -50, 25), (s * 34, -50, -30), (s * 44, -42, -90), (s * 60, -20, -200)]
        organ(c, f, tubes(f, line, np.array([6, 14, 22, 24]) * size), b.hu["muscle"], 6)
        line = [(s * 66, -72, 35), (s * 70, -68, -120)]
        organ(c, f, tubes(f, line, np.array([10, 14]) * size), b.hu["muscle"], 6, halo=1)
        line = [(s * 12, -33, -20), (s * 15, -30, 40), (s * 12, -22, 85)]
        organ(c, f, tubes(f, line, [4, 6, 7]), b.hu["muscle"], 6, halo=1)


def turned(size: float, random: np.random.Generator) -> np.ndarray:
    """A random rotation of about `size` radians, axes as rows."""
    axes, _ = np.linalg.qr(np.eye(3) + random.normal(0, size / 1.7, (3, 3)))
    return axes * np.sign(np.diag(axes))[:, None]
