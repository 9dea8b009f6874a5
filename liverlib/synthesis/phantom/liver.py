"""The liver of a phantom: its shape, gallbladder, arteries, veins and bile ducts.

The liver fills what the diaphragm above, the ribs beside and the organs beneath leave to it: two
lobes bounded by the dome, the chest wall, a slanting lower face and the spine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .body import ABDOMINAL_FAT_TEXTURE, Body, OrganHU
from .canvas import Canvas, Shape
from .sdf import FAR_MM, Region, ellipsoid, intersection, random_rotation, spline, tubes, union

LIVER_SHAPES = (
    "usual", "long", "small", "left lobe resected", "right lobe resected", "left lobe large",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tree:
    """Tubes that branch: points (n, 3) and radii (n,) in mm, and which points are joined."""

    points: np.ndarray
    radii: np.ndarray
    links: list[tuple[int, int]]

    def beside(self, shift: tuple[float, float, float], scale: float) -> "Tree":
        """The tree `scale` times as thick, moved by `shift` times its own radii."""
        moved = self.points + self.radii[:, None] * np.array(shift)
        return Tree(moved, scale * self.radii, self.links)


def draw_liver(canvas: Canvas, body: Body, random: np.random.Generator) -> Tree:
    """Liver, gallbladder and the veins within; returns the portal vein."""
    region = canvas.lattice.part((-130, -110, -130), (150, 130, 200))
    tip, slope = random.uniform(-62, 0), random.uniform(0.55, 0.85)
    if body.liver.shape == "long":  # Riedel's lobe
        tip -= random.uniform(30, 70)
    liver = _liver(region, body, tip, slope, random)
    if body.liver.shape == "small":  # and nodular, as in cirrhosis
        liver += random.uniform(3, 10) + random.uniform(1, 3) * body.fine[region.box]
    elif "resected" in body.liver.shape:
        side = -1 if "left" in body.liver.shape else 1
        cut = side * (region.x - random.uniform(0, 40) - 10 * side) + 4 * body.rough[region.box]
        liver = intersection(liver, cut, 10)
    box, distance = canvas.at_voxels(region, liver)
    fat = distance - random.uniform(-0.5, 1)
    canvas.paint((box, fat), body.hu["fat"], 8, edge=2.5)
    canvas.paint_liver((box, distance), body.hu["liver"], random.uniform(2, 8))
    portal_vein = _veins(canvas, body, random)
    gallbladder = _fossa_gallbladder if body.liver.gallbladder else _gallbladder
    gallbladder(canvas, body, tip, slope, random)
    return portal_vein


def draw_artery_and_duct(
    canvas: Canvas, body: Body, portal_vein: Tree, random: np.random.Generator
) -> None:
    """The hepatic artery and the bile ducts: beside the portal vein, and outside the liver."""
    artery = portal_vein.beside((-0.9, 0.9, 0), random.uniform(0.25, 0.5))
    _paint_within(canvas, artery, body.hu["aorta"])
    ducts = portal_vein.beside((0.9, 0.9, 0), random.uniform(0.25, 0.6))
    _paint_within(canvas, ducts, OrganHU(random.uniform(0, 15), "duct"))
    line = spline([(-10, 6, 16), (2, 14, 10), (14, 15, 12), (18, 14, 20)])
    radii = np.full(len(line), random.uniform(2, 3.5))
    canvas.paint_vessel(line, radii, body.hu["aorta"], halo=1)
    line = spline([(28, 15, 20), (28, 12, 4), (22, 4, -18), (26, 0, -34)])
    radii = np.full(len(line), random.uniform(2, 6))
    canvas.paint_vessel(line, radii, random.uniform(0, 15), halo=1)


def _liver(
    region: Region, body: Body, tip: float, slope: float, random: np.random.Generator
) -> np.ndarray:
    """Distance to the liver; its lower face is at `tip` mm on the right, and rises by `slope`."""
    x, y, z, box = region.x, region.y, region.z, region.box
    rough, reach = body.rough[box], body.liver.left_reach
    lower = tip + slope * (112 - x) - random.uniform(0, 0.3) * y
    lower += slope * reach / (reach + 45) * np.minimum(x, 0)  # it stays thick to its end
    lower += random.uniform(0, 16) * np.exp(-(((x - 50) / 38) ** 2) - ((y + 20) / 45) ** 2)
    if body.liver.shape == "left lobe large":  # it hangs down in front, apart from the right lobe
        aside = (x - random.uniform(-30, 25)) / random.uniform(22, 45)
        lower -= random.uniform(15, 80) * np.exp(-(aside**2)) * np.clip((y - 15) / 35, 0, 1)
    under = (lower - z) / np.sqrt(1 + slope**2) + 2.5 * rough
    wall = body.cavity[box] + random.uniform(-1.5, 1.5)
    liver = intersection(wall, body.below_diaphragm[box] + 1.5, 4)
    liver = intersection(liver, under, 14)
    liver = intersection(liver, (random.uniform(-95, -40) - reach - x) + 3 * rough, 16)
    corner = random.uniform(-12, 0)
    left = (corner - 0.5 * (x - 12) - y) / 1.12
    right = (corner - 2.2 * (x - 12) - y) / 2.4
    liver = intersection(liver, union(left, right, 6) + 2 * rough, 10)
    kidney = ellipsoid(region, (62, -38, -12), (32, 30, 60))
    liver = intersection(liver, -kidney, 6)
    x = x + random.uniform(-4, 14) - 0.25 * (y - 40)
    fissure = np.maximum(np.abs(x) - random.uniform(0, 3), -under - random.uniform(8, 40))
    fissure = np.maximum(fissure, 18 - y)
    liver = intersection(liver, -fissure, 5)
    if body.liver.caudate:
        liver = union(liver, _caudate_lobe(region, body.liver.caudate, random), 4)
    hilum = tubes(region, [(30, 6, 14), (10, 12, 26), (-6, 24, 38)], [7, 8, 5])
    return intersection(liver, -hilum, 6) + random.uniform(0.3, 1.8) * body.fine[box]


def _gallbladder(
    canvas: Canvas, body: Body, tip: float, slope: float, random: np.random.Generator
) -> None:
    if random.random() < 0.15:  # removed
        return
    x = random.uniform(28, 52)
    z = tip + slope * (112 - x) - 12
    line = spline([(x - 8, 14, z + 10), (x, 34, z), (x + 4, 52, z - 10)])
    region = canvas.lattice.part(line.min(0) - 30, line.max(0) + 30)
    radii = np.linspace(7, 14, len(line)) * random.uniform(0.7, 1.25)
    box, distance = canvas.at_voxels(region, tubes(region, line, radii))
    canvas.paint((box, distance), body.hu["bowel_wall"])
    canvas.paint((box, distance + 1.8), random.uniform(0, 18), 2)
    canvas.mark_gallbladder((box, distance + 1.8))


def _caudate_lobe(region: Region, volume: float, random: np.random.Generator) -> np.ndarray:
    """Distance to a caudate lobe of so many ml: before the spine, left of the vena cava."""
    radii = np.array([19, 12, 23]) * np.exp(random.normal(0, 0.18, 3))
    radii *= (1000 * volume / (4 / 3 * np.pi * radii.prod())) ** (1 / 3)
    centre = random.uniform((-2, -12, 26), (16, 2, 52))
    return ellipsoid(region, centre, radii, random_rotation(0.3, random))


def _fossa_gallbladder(
    canvas: Canvas, body: Body, tip: float, slope: float, random: np.random.Generator
) -> None:
    """A gallbladder between the lobes, from the hilum forwards to the liver's lower edge.

    From empty to 110 ml, on the liver or deep in it, straight or folded.
    """
    if random.random() < 0.12:  # removed
        return
    volume = 1000 * float(np.clip(random.lognormal(3.2, 0.75), 3, 110))  # mm³
    length = float(np.clip(2.25 * volume ** (1 / 3) * random.normal(1, 0.15), 28, 130))
    radius = np.sqrt(volume / (0.55 * np.pi * length))
    neck = random.uniform((20, 6, 8), (34, 18, 22))
    x, y = random.uniform(28, 68), random.uniform(50, 100)
    depth = random.uniform(-0.8, 1.1) * radius
    goal = np.array([x, y, tip + slope * (112 - x) - 0.15 * y + depth])
    along = (goal - neck) / np.linalg.norm(goal - neck)
    middle = neck + 0.55 * length * along + random.normal(0, 0.08 * length, 3)
    points = [neck, middle, neck + length * along]
    if random.random() < 0.2:  # its end folds over
        points.append(points[-1] + 0.3 * length * random_rotation(1.2, random)[0])
    line = spline(points, 5)
    widths = np.interp(np.linspace(0, 1, len(line)), (0, 0.25, 0.7, 1), (0.3, 0.75, 1, 0.75))
    flat = random.uniform(0.45, 1) if random.random() < 0.4 else 1.0  # squeezed by the lobes
    region = canvas.lattice.part(line.min(0) - radius - 12, line.max(0) + radius + 12)
    distance = np.full(region.x.shape, FAR_MM, np.float32)
    for point, width in zip(line, widths * radius, strict=True):
        distance = union(distance, ellipsoid(region, point, width * np.array([flat, 1, 1])), 2)
    distance += random.uniform(0, 0.8) * body.fine[region.box]
    distance = intersection(distance, body.cavity[region.box] + 4, 3)
    _paint_gallbladder(canvas, body, canvas.at_voxels(region, distance), random)


def _paint_gallbladder(
    canvas: Canvas, body: Body, shape: Shape, random: np.random.Generator
) -> None:
    """Fat around it or none, a wall, bile, and in some sludge, stones or folds within."""
    box, distance = shape
    if not distance.size:
        return
    if random.random() < 0.4:
        canvas.paint(
            (box, distance - random.uniform(0.5, 3)), body.hu["fat"], ABDOMINAL_FAT_TEXTURE
        )
    canvas.paint(shape, body.hu["bowel_wall"])
    lumen = distance + (random.uniform(3, 6) if random.random() < 0.12 else random.uniform(1, 2.5))
    canvas.paint((box, lumen), OrganHU(random.uniform(0, 18), "bile"), 2)
    canvas.mark_gallbladder((box, lumen))
    rows = np.flatnonzero((lumen < 0).any((0, 2)))
    if not len(rows) or random.random() < 0.7:
        return
    level = rows[0] + random.uniform(0.1, 0.5) * (rows[-1] - rows[0] + 1)  # it lies at the back
    above = (np.arange(lumen.shape[1]) - level).astype(np.float32) * np.float32(canvas.spacing[1])
    below = np.maximum(lumen, above[:, None])
    if random.random() < 0.5:
        canvas.paint((box, below), random.uniform(25, 70), 4)
    else:
        grains = np.maximum(below, 2 - 4 * canvas.texture[box])
        canvas.paint((box, grains), random.uniform(-40, 500), 20)


def _veins(canvas: Canvas, body: Body, random: np.random.Generator) -> Tree:
    """Portal vein and hepatic veins, which branch within the liver; returns the portal vein."""
    ends = [(78, 5, 42), (70, 30, 5), (-20, 40, 55), (60, -30, 30)]
    portal_vein = _tree(np.array([22.0, 8, 20]), ends, 7.5, random)
    ends = [(95, 5, 35), (48, 55, 40), (-35, 40, 75), (80, -40, 60)]
    hepatic_veins = _tree(np.array([19.0, -8, body.dome[0] - 16]), ends, 6.5, random)
    dilated = random.random() < 0.12
    _paint_within(canvas, portal_vein, body.hu["portal_vein"])
    _paint_within(canvas, hepatic_veins, body.hu["hepatic_veins"])
    if dilated:  # bile ducts
        ducts = replace(portal_vein, points=np.add(portal_vein.points, (1, 2, 0)))
        _paint_within(canvas, ducts.beside((1, 1, 1), 0.75), 10)
    trunk = spline([(2, 8, -40), (4, 10, -10), (14, 10, 8), (22, 8, 20)])
    radii = np.full(len(trunk), 6.5)
    if body.liver.hilum:
        radii *= random.uniform(0.8, 1.3)
        _paint_at_hilum(canvas, portal_vein, body.hu["portal_vein"])
    canvas.paint_vessel(trunk, radii, body.hu["portal_vein"], halo=1)
    return portal_vein


def _paint_within(canvas: Canvas, tree: Tree, value: float) -> None:
    """Paints a tree inside the liver."""
    box, region = canvas.voxel_region(tree.points.min(0) - 8, tree.points.max(0) + 8)
    distance = tubes(region, tree.points, tree.radii, tree.links, margin=2.5)
    canvas.paint((box, np.where(canvas.liver[box] > 0.3, distance, 50)), value, keep=True)


def _paint_at_hilum(canvas: Canvas, tree: Tree, value: float) -> None:
    """Paints a tree's stem where it has not yet entered the liver: it is none of it."""
    root = tree.points[0]
    box, region = canvas.voxel_region(root - 34, root + 34)
    distance = tubes(region, tree.points, tree.radii, tree.links, margin=2.5)
    away = np.sqrt(
        sum((a - b) ** 2 for a, b in zip((region.x, region.y, region.z), root, strict=True))
    )
    outside = np.maximum(distance, away.astype(np.float32) - 30)
    canvas.paint((box, np.where(canvas.liver[box] > 0.3, 50, outside)), value)


def _tree(
    root: np.ndarray,
    ends: Sequence[tuple[float, float, float]],
    radius: float,
    random: np.random.Generator,
) -> Tree:
    """A tree from the root to each end, with side branches."""
    points, radii, links = [root], [radius], []

    def grow(start: int, goal: np.ndarray, radius: float, depth: int) -> None:
        origin = points[start]
        middle = origin + 0.5 * (goal - origin) + random.normal(0, 6, 3)
        last = start
        for i, point in enumerate(spline([origin, middle, goal], 14)[1:]):
            points.append(point)
            radii.append(max(radius * (1 - 0.07 * i), 0.9))
            links.append((last, len(points) - 1))
            last = len(points) - 1
            if depth and i and random.random() < 0.75:
                direction = random.normal(0, 1, 3) + 0.8 * (goal - origin) / 40
                end = point + 34 * depth / 2 * direction / np.linalg.norm(direction)
                grow(last, end, radii[-1] * 0.68, depth - 1)

    for end in ends:
        grow(0, np.add(end, random.normal(0, 9, 3)), radius * random.uniform(0.75, 1), 2)
    return Tree(np.array(points), np.array(radii), links)
