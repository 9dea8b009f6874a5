"""The phantoms' spine, ribs, hips, and the muscles along the spine."""

import numpy as np

from .body import Body, curve, organ
from .canvas import Canvas
from .sdf import both, ellipsoid, tubes


def draw_skeleton(c: Canvas, b: Body, random: np.random.Generator, cartilage: bool = False) -> None:
    """Bones and the muscles that go with them; with `cartilage`, what joins ribs and breastbone."""
    for draw in (_muscles, _spine, _ribs, _hips):
        draw(c, b, random)
    if cartilage:
        _cartilage(c, b, random)


def _spine(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice.part((-60, -140, -400), (60, -10, 400))
    pitch, shift = random.uniform(31, 36), random.uniform(-17, 17)
    y = f.y - 6 * np.exp(-(((f.z + 60) / 70) ** 2))  # lordosis
    height = (f.z - shift) / pitch
    from_disc = (0.5 - np.abs(height - np.round(height))) * pitch - 4
    size = 1 - 0.0007 * f.z
    waist = 2.2 * np.exp(-(((from_disc - 10) / 7) ** 2) / 2)
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
    length, reach = random.uniform(14, 24), random.uniform(5, 11)
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
        lines += [(0, -99 + y, z - 9), (0, -99 - reach + y, z - 16)]
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
            line = np.stack(
                [
                    side * x * np.sin(a),
                    belly - 3 - y * np.cos(a),
                    top - drop * np.sin(np.minimum(a, 1.9) / 1.9 * 1.57) ** 1.3,
                ],
                1,
            )
            line[0] = [side * 24, -74, top + 5]
            line = np.concatenate(
                [np.add(line, (0, 0, 2.6)), np.subtract(line, (0, 0, 2.6))]
            )  # flat
            box, f = c.fine(line.min(0) - 8, line.max(0) + 8)
            links = [(i, i + 1) for i in range(31) if i != 15]
            d = tubes(f, line, np.full(32, random.uniform(3.3, 4.2)), links)
            c.paint((box, d), b.bone + 280, 60)
            c.paint((box, d + 2.2), b.bone, 40, edge=2.5)


def _cartilage(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """The lower edge of the chest, in front of the liver and much like it, and the breastbone."""
    inset, belly = 0.55 * b.wall, 0.25 * b.belly
    tip, value = random.uniform(78, 118), random.uniform(70, 135)
    for side in (-1, 1):
        for start, end in (
            ((2.0, tip - 95), (2.75, tip - 25)),
            ((2.15, tip - 62), (2.9, tip - 8)),
            ((2.3, tip - 28), (3.0, tip + 4)),
            ((2.3, tip + 12), (3.05, tip + 22)),
            ((2.3, tip + 42), (3.05, tip + 52)),
        ):
            a = np.linspace(start[0], end[0], 9)
            z = np.linspace(start[1], end[1], 9) - 14 * np.sin(np.linspace(0, np.pi, 9))
            narrow = 10 * np.clip((z - 80) / 100, 0, 1)
            x = side * (146 - inset - narrow) * np.sin(a)
            y = belly - 3 - (106 - inset - narrow) * np.cos(a)
            line = np.stack([x, y, z], 1) + random.normal(0, 1.5, 3)
            radii = np.full(len(line), random.uniform(4.5, 7))
            box, f = c.fine(line.min(0) - 10, line.max(0) + 10)
            c.paint((box, tubes(f, line, radii)), value, 12)
            if random.random() < 0.4:  # calcified here and there
                spot = line[random.integers(1, 8)] + random.normal(0, 2, (2, 3))
                box, f = c.fine(spot.min(0) - 6, spot.max(0) + 6)
                c.paint((box, tubes(f, spot, [2, 2])), random.uniform(180, 420), 40)
    y = belly - 3 + 106 - inset
    line = curve([(0, y - 14, tip - 22), (0, y - 6, tip), (0, y - 4, tip + 60), (0, y - 8, 400)])
    box, f = c.fine(line.min(0) - 25, line.max(0) + 25)
    for shift in (-9, 0, 9):
        d = tubes(f, np.add(line[1:], (shift, 0, 0)), np.full(len(line) - 1, 6.0))
        c.paint((box, d), b.bone + 200, 60)
        c.paint((box, d + 2), b.bone, 40, edge=2)
    c.paint((box, tubes(f, line[:4], np.full(4, 4.5))), value, 10)


def _hips(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """The wings of the pelvis, where the scan reaches down to them."""
    f = c.lattice.part((-170, -120, -400), (170, 90, -70))
    at = f.at
    crest = random.uniform(-122, -98) - 0.006 * (f.y + 20) ** 2
    d = np.maximum(np.abs(b.cavity[at] - 2) - 5, f.z - crest)
    d = np.maximum(d, np.maximum(f.y - 60, 45 - np.abs(f.x)))
    box, d = c.voxels(f, d)
    c.paint((box, d), b.bone + 350, 40)
    c.paint((box, d + 2.2), b.bone, 40, edge=2.5)


def _muscles(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Psoas, the square muscle beside it, and the legs of the diaphragm."""
    size = random.uniform(0.75, 1.2)
    f = c.lattice.part((-90, -125, -400), (90, 0, 110))
    for s in (-1, 1):
        line = [(s * 26, -50, 25), (s * 34, -50, -30), (s * 44, -42, -90), (s * 60, -20, -200)]
        organ(c, f, tubes(f, line, np.array([6, 13, 19, 20]) * size), b.hu["muscle"], 6)
        box, d = c.voxels(f, ellipsoid(f, (s * 36, -90, -30), (34, 22, 160)) + 2 * b.rough[f.at])
        c.paint((box, np.abs(d) - 0.8), -20, 40, opacity=random.uniform(0.1, 0.6))
        line = [(s * 12, -33, -20), (s * 15, -30, 40), (s * 12, -22, 85)]
        organ(c, f, tubes(f, line, [4, 6, 7]), b.hu["muscle"], 6, halo=1)
