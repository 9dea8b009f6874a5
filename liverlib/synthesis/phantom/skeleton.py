"""The skeleton of a phantom: spine, ribs and hips, and the muscles along the spine."""

import numpy as np

from .body import Body
from .canvas import Canvas
from .sdf import ellipsoid, intersection, spline, tubes

SIDES = (-1, 1)  # left, right


def draw_skeleton(
    canvas: Canvas, body: Body, random: np.random.Generator, cartilage: bool = False
) -> None:
    """Bones and the muscles beside them; with `cartilage`, sternum and costal cartilage too."""
    for draw in (_muscles, _spine, _ribs, _hips):
        draw(canvas, body, random)
    if cartilage:
        _cartilage(canvas, body, random)


def _spine(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    region = canvas.lattice.part((-60, -140, -400), (60, -10, 400))
    pitch, shift = random.uniform(31, 36), random.uniform(-17, 17)
    y = region.y - 6 * np.exp(-(((region.z + 60) / 70) ** 2))  # lordosis
    height = (region.z - shift) / pitch
    from_disc = (0.5 - np.abs(height - np.round(height))) * pitch - 4
    size = 1 - 0.0007 * region.z
    waist = 2.2 * np.exp(-(((from_disc - 10) / 7) ** 2) / 2)
    radial = np.sqrt((region.x / 1.25) ** 2 + (y + 57) ** 2) - 18.5 * size + waist
    radial = intersection(radial, 11 - np.hypot(region.x, y + 83), 3)
    box, column = canvas.at_voxels(region, radial)
    canvas.paint((box, column - 1), body.hu["muscle"] + 25, 10)
    box, vertebrae = canvas.at_voxels(region, np.maximum(radial, -from_disc))
    canvas.paint((box, vertebrae), body.bone + random.uniform(180, 320), 40)
    canvas.paint((box, vertebrae + 1.8), body.bone, 30, edge=2)
    box, canal = canvas.at_voxels(region, np.hypot(region.x / 1.2, y + 83) - 8.5)
    _arches(canvas, body, shift, pitch, random)
    canvas.paint((box, canal), -20, 20)
    canvas.paint((box, canal + 3), 28, 6)


def _arches(
    canvas: Canvas, body: Body, shift: float, pitch: float, random: np.random.Generator
) -> None:
    """The vertebrae's arches and processes."""
    length, reach = random.uniform(14, 24), random.uniform(5, 11)
    half = [(0, 1), (1, 2), (2, 3), (4, 5), (6, 7)]
    links = [*half, *((i + 8, j + 8) for i, j in half), (16, 17)]
    for level in range(-7, 9):
        z = shift + pitch * level
        y = 6 * np.exp(-(((z + 60) / 70) ** 2))
        lines: list[tuple[float, float, float]] = []
        radii: list[float] = []
        for side in SIDES:
            arch = [(14, -68, 4), (17, -80, 2), (15, -93, -6), (0, -99, -9)]
            lines += [(side * px, py + y, pz + z) for px, py, pz in arch]
            radii += [5.5, 6, 5, 4]
            lines += [(side * 17, -80 + y, z + 2), (side * (20 + length), -86 + y, z + 4)]
            radii += [4, 3]
            lines += [(side * 17, -90 + y, z + 12), (side * 17, -92 + y, z - 20)]
            radii += [5, 5.5]
        lines += [(0, -99 + y, z - 9), (0, -99 - reach + y, z - 16)]
        radii += [4, 4]
        box, region = canvas.voxel_region(np.min(lines, 0) - 8, np.max(lines, 0) + 8)
        distance = tubes(region, lines, radii, links)
        canvas.paint((box, distance), body.bone + 280, 60)
        canvas.paint((box, distance + 3), body.bone + 30, 40, edge=2.5)


def _ribs(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    shift, pitch, drop = random.uniform(-10, 10), random.uniform(25, 30), random.uniform(50, 85)
    inset, belly = 0.55 * body.wall, 0.25 * body.belly
    links = [(i, i + 1) for i in range(31) if i != 15]  # two lines beside each other: flat
    for rib in range(10):
        for side in SIDES:
            end = random.normal(2.3, 0.08) if rib > 1 else (1.0, 1.7)[rib]
            angle = np.linspace(0.2, end, 16)  # from the back
            top = 8 + shift + rib * pitch
            narrow = 10 * np.clip((top - 80) / 100, 0, 1)
            x, y = 146 - inset - narrow, 106 - inset - narrow
            z = top - drop * np.sin(np.minimum(angle, 1.9) / 1.9 * 1.57) ** 1.3
            line = np.stack([side * x * np.sin(angle), belly - 3 - y * np.cos(angle), z], 1)
            line[0] = [side * 24, -74, top + 5]
            line = np.concatenate([np.add(line, (0, 0, 2.6)), np.subtract(line, (0, 0, 2.6))])
            box, region = canvas.voxel_region(line.min(0) - 8, line.max(0) + 8)
            distance = tubes(region, line, np.full(32, random.uniform(3.3, 4.2)), links)
            canvas.paint((box, distance), body.bone + 280, 60)
            canvas.paint((box, distance + 2.2), body.bone, 40, edge=2.5)


def _cartilage(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """The lower edge of the chest, in front of the liver and as bright as it, and the sternum."""
    inset, belly = 0.55 * body.wall, 0.25 * body.belly
    tip, value = random.uniform(78, 118), random.uniform(70, 135)
    for side in SIDES:
        for start, end in (  # angle from the back, height
            ((2.0, tip - 95), (2.75, tip - 25)),
            ((2.15, tip - 62), (2.9, tip - 8)),
            ((2.3, tip - 28), (3.0, tip + 4)),
            ((2.3, tip + 12), (3.05, tip + 22)),
            ((2.3, tip + 42), (3.05, tip + 52)),
        ):
            angle = np.linspace(start[0], end[0], 9)
            z = np.linspace(start[1], end[1], 9) - 14 * np.sin(np.linspace(0, np.pi, 9))
            narrow = 10 * np.clip((z - 80) / 100, 0, 1)
            x = side * (146 - inset - narrow) * np.sin(angle)
            y = belly - 3 - (106 - inset - narrow) * np.cos(angle)
            line = np.stack([x, y, z], 1) + random.normal(0, 1.5, 3)
            radii = np.full(len(line), random.uniform(4.5, 7))
            box, region = canvas.voxel_region(line.min(0) - 10, line.max(0) + 10)
            canvas.paint((box, tubes(region, line, radii)), value, 12)
            if random.random() < 0.4:  # calcified here and there
                spot = line[random.integers(1, 8)] + random.normal(0, 2, (2, 3))
                box, region = canvas.voxel_region(spot.min(0) - 6, spot.max(0) + 6)
                hu = random.uniform(180, 420)
                canvas.paint((box, tubes(region, spot, [2, 2])), hu, 40)
    _sternum(canvas, body, tip, belly - 3 + 106 - inset, value)


def _sternum(canvas: Canvas, body: Body, tip: float, y: float, cartilage: float) -> None:
    """The sternum, and the cartilage (HU) of its lower tip; `y` is where the ribs end in front."""
    line = spline([(0, y - 14, tip - 22), (0, y - 6, tip), (0, y - 4, tip + 60), (0, y - 8, 400)])
    box, region = canvas.voxel_region(line.min(0) - 25, line.max(0) + 25)
    for shift in (-9, 0, 9):
        distance = tubes(region, np.add(line[1:], (shift, 0, 0)), np.full(len(line) - 1, 6.0))
        canvas.paint((box, distance), body.bone + 200, 60)
        canvas.paint((box, distance + 2), body.bone, 40, edge=2)
    canvas.paint((box, tubes(region, line[:4], np.full(4, 4.5))), cartilage, 10)


def _hips(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """The wings of the pelvis, where the scan reaches down to them."""
    region = canvas.lattice.part((-170, -120, -400), (170, 90, -70))
    crest = random.uniform(-122, -98) - 0.006 * (region.y + 20) ** 2
    wings = np.maximum(np.abs(body.cavity[region.box] - 2) - 5, region.z - crest)
    wings = np.maximum(wings, np.maximum(region.y - 60, 45 - np.abs(region.x)))
    box, distance = canvas.at_voxels(region, wings)
    canvas.paint((box, distance), body.bone + 350, 40)
    canvas.paint((box, distance + 2.2), body.bone, 40, edge=2.5)


def _muscles(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """Psoas, the quadratus lumborum beside it, and the crura of the diaphragm."""
    size = random.uniform(0.75, 1.2)
    region = canvas.lattice.part((-90, -125, -400), (90, 0, 110))
    hu, rough = body.hu["muscle"], 2 * body.rough[region.box]
    for s in SIDES:
        psoas = [(s * 26, -50, 25), (s * 34, -50, -30), (s * 44, -42, -90), (s * 60, -20, -200)]
        canvas.paint_organ(region, tubes(region, psoas, np.array([6, 13, 19, 20]) * size), hu, 6)
        quadratus = ellipsoid(region, (s * 36, -90, -30), (34, 22, 160)) + rough
        box, distance = canvas.at_voxels(region, quadratus)
        canvas.paint((box, np.abs(distance) - 0.8), -20, 40, opacity=random.uniform(0.1, 0.6))
        crus = [(s * 12, -33, -20), (s * 15, -30, 40), (s * 12, -22, 85)]
        canvas.paint_organ(region, tubes(region, crus, [4, 6, 7]), hu, 6, halo=1)
