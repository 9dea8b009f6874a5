"""The tumours of a phantom: lobed ellipsoids in the liver, soft-edged, some with a rim."""

from dataclasses import dataclass, replace

import numpy as np

from .body import Body
from .canvas import Canvas
from .sdf import Region, box_between, ellipsoid, random_rotation, union


@dataclass(frozen=True)
class TumourKind:
    """The appearance of a tumour, in HU and mm."""

    contrast: float  # to the liver
    edge: float  # mm over which the contrast fades
    bumps: float  # unevenness of the outline, a fraction of the radius
    rim: float
    necrosis: float  # how much darker the centre is
    texture: float


def draw_tumours(
    canvas: Canvas,
    body: Body,
    count: int,
    random: np.random.Generator,
    bright: bool = False,
    diameters: tuple[float, float] | None = None,
) -> None:
    """`count` tumours anywhere in the liver, of 5–60 mm, the first one never tiny.

    Most of a patient's tumours are of one kind; `bright`: all are brighter than the liver.
    With `diameters`, the least and the largest in mm, all between are alike frequent.
    """
    inside = np.argwhere(canvas.liver[::3, ::3, ::2] > 0.9) * (3, 3, 2)
    if not len(inside):
        return
    sample = _bright_kind if bright else _kind
    common, typical = sample(body, random), random.lognormal(3.5, 0.45)
    for n in range(count):
        least = 20 if n == 0 else 5
        diameter = float(np.clip(typical * random.lognormal(0, 0.5), least, 60))
        if diameters:
            diameter = float(random.uniform(*diameters))
        centre = inside[random.integers(len(inside))]
        kind = common if random.random() < 0.8 else sample(body, random)
        _draw_tumour(canvas, body, centre, diameter / 2, kind, random)


def _kind(body: Body, random: np.random.Generator) -> TumourKind:
    """A random kind of tumour for a patient."""
    liver = body.hu["liver"]
    bright = random.random() < (0.3 if body.phase == "arterial" else 0.12) or liver < 38
    size = random.uniform(16, 24) if random.random() < 0.1 else random.uniform(26, 62)
    return TumourKind(
        contrast=size if bright else -min(size, max(liver - 4, 15)),
        edge=random.uniform(1, 6),
        bumps=random.uniform(0, 0.3),
        rim=random.uniform(15, 60) if random.random() < 0.25 else 0,
        necrosis=random.uniform(12, 45) if random.random() < 0.3 else 0,
        texture=random.uniform(2, 9),
    )


def _bright_kind(body: Body, random: np.random.Generator) -> TumourKind:
    """A tumour a little brighter than the liver, as an arterial phase shows many carcinomas."""
    contrast, texture = random.uniform(10, 35), random.uniform(4, 14)
    return replace(_kind(body, random), contrast=contrast, rim=0, texture=texture)


def _draw_tumour(
    canvas: Canvas,
    body: Body,
    centre: np.ndarray,
    radius: float,
    kind: TumourKind,
    random: np.random.Generator,
) -> None:
    """One tumour around a voxel; it replaces liver alone."""
    region = _voxels_around(canvas, centre, 1.6 * radius + 8)
    box = region.box
    distance = _lobed(region, radius, random)
    distance += kind.bumps * radius * _bumps(region, radius, random)
    liver = canvas.liver[box].copy()
    value = body.hu["liver"] + kind.contrast + kind.texture * canvas.texture[box]
    if kind.rim and radius > 6:
        value += kind.rim * np.exp(-(((distance + 2) / 1.8) ** 2))
    if kind.necrosis and radius > 9:
        value -= kind.necrosis * np.clip(-(distance + 0.45 * radius) / 4, 0, 1)
    cover = np.clip(0.5 - distance / max(kind.edge, float(canvas.edge)), 0, 1) * liver
    canvas.hu[box] += cover * (value - canvas.hu[box])
    sharp = np.clip(0.5 - distance / canvas.edge, 0, 1)
    np.maximum(canvas.tumour[box], sharp * liver, out=canvas.tumour[box])


def _voxels_around(canvas: Canvas, centre: np.ndarray, radius: float) -> Region:
    """The voxels within `radius` mm of one, their coordinates counted from it."""
    reach = np.ceil(radius / canvas.spacing).astype(int)
    first, last = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, canvas.shape)
    indices = np.ogrid[box_between(first, last)]
    lines = [(i - c) * mm for i, c, mm in zip(indices, centre, canvas.spacing, strict=True)]
    x, y, z = np.broadcast_arrays(*(line.astype(np.float32) for line in lines))
    to_index = np.diag(1 / canvas.spacing), centre, np.zeros(3)
    return Region(x, y, z, first, to_index)


def _lobed(region: Region, radius: float, random: np.random.Generator) -> np.ndarray:
    """Distance to an ellipsoid with up to two smaller ones melted into its side."""
    radii = radius * np.exp(random.normal(0, 0.14, 3))
    distance = ellipsoid(region, (0, 0, 0), radii, random_rotation(1, random))
    for _ in range(int(random.integers(0, 3))):
        direction = random.normal(0, 1, 3)
        centre = 0.65 * radius * direction / np.linalg.norm(direction)
        lobe = ellipsoid(region, centre, radii * random.uniform(0.45, 0.7))
        distance = union(distance, lobe, 0.4 * radius)
    return distance


def _bumps(region: Region, radius: float, random: np.random.Generator) -> np.ndarray:
    """Smooth unevenness at the scale of a tumour: a few random waves."""
    total = np.zeros(region.x.shape, np.float32)
    for _ in range(4):
        k = random.normal(0, 1.6 / radius, 3).astype(np.float32)
        start = np.float32(random.uniform(0, 6.3))
        total += np.sin(k[0] * region.x + k[1] * region.y + k[2] * region.z + start)
    return total / 2
