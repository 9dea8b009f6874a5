"""The phantoms' liver: its shape, gallbladder, vessels and tumours.

The liver fills what the diaphragm above, the ribs beside and the organs beneath leave to it, as
real livers do: two lobes bounded by the dome, the wall, a slanting lower face and the spine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .body import Body, curve, turned, vessel
from .canvas import Canvas
from .sdf import Frame, both, either, ellipsoid, tubes

LIVERS = ("usual", "long", "small", "left lobe resected", "right lobe resected", "left lobe large")


@dataclass(frozen=True, eq=False)
class Tree:
    """Tubes that branch: points (n, 3) and radii (n,) in mm, and which points are joined."""

    points: np.ndarray
    radii: np.ndarray
    links: list[tuple[int, int]]

    def beside(self, way: tuple[float, float, float], share: float) -> "Tree":
        """A thinner one that runs along it on one side."""
        moved = self.points + self.radii[:, None] * np.array(way)
        return Tree(moved, share * self.radii, self.links)


def draw_liver(c: Canvas, b: Body, random: np.random.Generator) -> Tree:
    """Liver, gallbladder and the veins within; returns the portal vein."""
    f = c.lattice.part((-130, -110, -130), (150, 130, 200))
    tip, slope = random.uniform(-62, 0), random.uniform(0.55, 0.85)
    if b.liver == "long":  # Riedel's lobe
        tip -= random.uniform(30, 70)
    d = _liver(f, b, tip, slope, random)
    if b.liver == "small":  # and knobbly, as in cirrhosis
        d += random.uniform(3, 10) + random.uniform(1, 3) * b.fine[f.at]
    elif "resected" in b.liver:
        side = -1 if "left" in b.liver else 1
        d = both(d, side * (f.x - random.uniform(0, 40) - 10 * side) + 4 * b.rough[f.at], 10)
    box, d = c.voxels(f, d)
    c.paint((box, d - random.uniform(-0.5, 1)), b.hu["fat"], 8, edge=2.5)
    c.paint_liver((box, d), b.hu["liver"], random.uniform(2, 8))
    portal = _veins(c, b, random)
    _gallbladder(c, b, tip, slope, random)
    return portal


def _liver(f: Frame, b: Body, tip: float, slope: float, random) -> np.ndarray:
    at = f.at
    rough, fine = b.rough[at], b.fine[at]
    lower = tip + slope * (112 - f.x) - random.uniform(0, 0.3) * f.y
    lower += random.uniform(0, 16) * np.exp(-(((f.x - 50) / 38) ** 2) - ((f.y + 20) / 45) ** 2)
    if b.liver == "left lobe large":  # hanging down in front, apart from the right one there
        aside = (f.x - random.uniform(-30, 25)) / random.uniform(22, 45)
        lower -= random.uniform(15, 80) * np.exp(-(aside**2)) * np.clip((f.y - 15) / 35, 0, 1)
    under = (lower - f.z) / np.sqrt(1 + slope**2) + 2.5 * rough
    d = both(b.cavity[at] + random.uniform(-1.5, 1.5), b.below[at] + 1.5, 4)
    d = both(d, under, 14)
    d = both(d, (random.uniform(-95, -40) - f.x) + 3 * rough, 16)
    corner = random.uniform(-12, 0)
    left = (corner - 0.5 * (f.x - 12) - f.y) / 1.12
    right = (corner - 2.2 * (f.x - 12) - f.y) / 2.4
    d = both(d, either(left, right, 6) + 2 * rough, 10)
    kidney = ellipsoid(f, (62, -38, -12), (32, 30, 60))
    d = both(d, -kidney, 6)
    x = f.x + random.uniform(-4, 14) - 0.25 * (f.y - 40)
    fissure = np.maximum(np.abs(x) - random.uniform(0, 3), -under - random.uniform(8, 40))
    fissure = np.maximum(fissure, 18 - f.y)
    d = both(d, -fissure, 5)
    if b.liver == "left lobe large":  # and the caudate lobe, before the spine
        place = random.uniform((-12, -12, 20), (14, 6, 55))
        d = either(d, ellipsoid(f, place, random.uniform((10, 9, 15), (24, 16, 32))), 4)
    hilum = tubes(f, [(30, 6, 14), (10, 12, 26), (-6, 24, 38)], [7, 8, 5])
    return both(d, -hilum, 6) + random.uniform(0.3, 1.8) * fine


def _gallbladder(c: Canvas, b: Body, tip, slope, random: np.random.Generator) -> None:
    if random.random() < 0.15:  # removed
        return
    x = random.uniform(28, 52)
    z = tip + slope * (112 - x) - 12
    line = curve([(x - 8, 14, z + 10), (x, 34, z), (x + 4, 52, z - 10)])
    f = c.lattice.part(line.min(0) - 30, line.max(0) + 30)
    radii = np.linspace(7, 14, len(line)) * random.uniform(0.7, 1.25)
    box, d = c.voxels(f, tubes(f, line, radii))
    c.paint((box, d), b.hu["gut"])
    c.paint((box, d + 1.8), random.uniform(0, 18), 2)


def _veins(c: Canvas, b: Body, random: np.random.Generator) -> Tree:
    """Portal and hepatic veins, branching within the liver; returns the portal one."""
    top = b.dome[0] - 16
    portal = _tree(
        np.array([22.0, 8, 20]),
        [(78, 5, 42), (70, 30, 5), (-20, 40, 55), (60, -30, 30)],
        7.5,
        random,
    )
    hepatic = _tree(
        np.array([19.0, -8, top]),
        [(95, 5, 35), (48, 55, 40), (-35, 40, 75), (80, -40, 60)],
        6.5,
        random,
    )
    wide = random.random() < 0.12  # bile ducts, dilated
    _within(c, portal, b.hu["portal"])
    _within(c, hepatic, b.hu["hepatic"])
    if wide:
        along = replace(portal, points=np.add(portal.points, (1, 2, 0))).beside((1, 1, 1), 0.75)
        _within(c, along, 10)
    trunk = curve([(2, 8, -40), (4, 10, -10), (14, 10, 8), (22, 8, 20)])
    vessel(c, trunk, np.full(len(trunk), 6.5), b.hu["portal"], halo=1)
    return portal


def draw_artery_and_duct(c: Canvas, b: Body, portal: Tree, random: np.random.Generator) -> None:
    """The hepatic artery and the bile ducts, beside the portal vein and on from it, to where they
    come from and go to."""
    _within(c, portal.beside((-0.9, 0.9, 0), random.uniform(0.25, 0.5)), b.hu["aorta"])
    _within(c, portal.beside((0.9, 0.9, 0), random.uniform(0.25, 0.6)), random.uniform(0, 15))
    artery = curve([(-10, 6, 16), (2, 14, 10), (14, 15, 12), (18, 14, 20)])
    vessel(c, artery, np.full(len(artery), random.uniform(2, 3.5)), b.hu["aorta"], halo=1)
    duct = curve([(28, 15, 20), (28, 12, 4), (22, 4, -18), (26, 0, -34)])
    vessel(c, duct, np.full(len(duct), random.uniform(2, 6)), random.uniform(0, 15), halo=1)


def _within(c: Canvas, tree: Tree, value: float) -> None:
    """Draws a tree where the liver is."""
    box, f = c.fine(tree.points.min(0) - 8, tree.points.max(0) + 8)
    d = tubes(f, tree.points, tree.radii, tree.links, margin=2.5)
    c.paint((box, np.where(c.liver[box] > 0.3, d, 50)), value, keep=True)


def _tree(
    root: np.ndarray,
    ends: Sequence[tuple[float, float, float]],
    radius: float,
    random: np.random.Generator,
) -> Tree:
    """A tree from the root to each end, with side branches."""
    points, radii, links = [root], [radius], []

    def grow(start, goal, radius, depth):
        line = [
            points[start],
            points[start] + 0.5 * (goal - points[start]) + random.normal(0, 6, 3),
            goal,
        ]
        last = start
        for i, at in enumerate(curve(line, 14)[1:]):
            points.append(at)
            radii.append(max(radius * (1 - 0.07 * i), 0.9))
            links.append((last, len(points) - 1))
            last = len(points) - 1
            if depth and i and random.random() < 0.75:
                way = random.normal(0, 1, 3) + 0.8 * (goal - points[start]) / 40
                grow(
                    last,
                    at + 34 * depth / 2 * way / np.linalg.norm(way),
                    radii[-1] * 0.68,
                    depth - 1,
                )

    for end in ends:
        grow(0, np.add(end, random.normal(0, 9, 3)), radius * random.uniform(0.75, 1), 2)
    return Tree(np.array(points), np.array(radii), links)


def draw_tumours(c: Canvas, b: Body, count: int, random: np.random.Generator) -> None:
    """`count` tumours of 5–60 mm, at random places of the liver; the first one is never tiny."""
    inside = np.argwhere(c.liver[::3, ::3, ::2] > 0.9) * (3, 3, 2)
    if not len(inside):
        return
    kind, typical = _kind(b, random), random.lognormal(3.5, 0.45)
    for i in range(count):
        width = float(np.clip(typical * random.lognormal(0, 0.5), 20 if i == 0 else 5, 60))
        at = inside[random.integers(len(inside))]
        own = kind if random.random() < 0.8 else _kind(b, random)
        _tumour(c, b, at, width / 2, own, random)


def _kind(b: Body, random: np.random.Generator) -> dict:
    """How a patient's tumours look: they tend to be alike."""
    liver = b.hu["liver"]
    bright = random.random() < (0.3 if b.phase == "arterial" else 0.12) or liver < 38
    size = random.uniform(16, 24) if random.random() < 0.1 else random.uniform(26, 62)
    contrast = size if bright else -min(size, max(liver - 4, 15))
    return {
        "contrast": contrast,
        "soft": random.uniform(1, 6),
        "lobes": random.uniform(0, 0.3),
        "rim": random.uniform(15, 60) if random.random() < 0.25 else 0,
        "dead": random.uniform(12, 45) if random.random() < 0.3 else 0,
        "uneven": random.uniform(2, 9),
    }


def _tumour(c: Canvas, b: Body, at, radius: float, kind: dict, random: np.random.Generator) -> None:
    reach = np.ceil((1.6 * radius + 8) / c.spacing).astype(int)
    first, last = np.maximum(at - reach, 0), np.minimum(at + reach + 1, c.shape)
    box = tuple(map(slice, first, last))
    places = np.ogrid[box]
    x, y, z = ((p - i) * mm for p, i, mm in zip(places, at, c.spacing, strict=True))
    f = Frame(*np.broadcast_arrays(*(one.astype(np.float32) for one in (x, y, z))), first, None)
    radii = radius * np.exp(random.normal(0, 0.14, 3))
    d = ellipsoid(f, (0, 0, 0), radii, turned(1, random))
    for _ in range(int(random.integers(0, 3))):  # lobes
        way = random.normal(0, 1, 3)
        centre = 0.65 * radius * way / np.linalg.norm(way)
        d = either(d, ellipsoid(f, centre, radii * random.uniform(0.45, 0.7)), 0.4 * radius)
    d += kind["lobes"] * radius * _bumps(f, radius, random)
    liver = c.liver[box].copy()
    value = b.hu["liver"] + kind["contrast"] + kind["uneven"] * c.texture[box]
    if kind["rim"] and radius > 6:
        value += kind["rim"] * np.exp(-(((d + 2) / 1.8) ** 2))
    if kind["dead"] and radius > 9:
        value -= kind["dead"] * np.clip(-(d + 0.45 * radius) / 4, 0, 1)
    cover = np.clip(0.5 - d / max(kind["soft"], float(c.edge)), 0, 1) * liver
    c.hu[box] += cover * (value - c.hu[box])
    sharp = np.clip(0.5 - d / c.edge, 0, 1)
    np.maximum(c.tumour[box], sharp * liver, out=c.tumour[box])


def _bumps(f: Frame, radius: float, random: np.random.Generator) -> np.ndarray:
    """Smooth unevenness at the scale of a tumour: a few waves at random."""
    out = np.zeros(f.x.shape, np.float32)
    for _ in range(4):
        k = random.normal(0, 1.6 / radius, 3).astype(np.float32)
        out += np.sin(k[0] * f.x + k[1] * f.y + k[2] * f.z + np.float32(random.uniform(0, 6.3)))
    return out / 2
