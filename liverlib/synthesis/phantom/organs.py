"""The organs of a phantom beside the liver, its great vessels, and the table.

Gas lies where it lies in a patient on their back: in front, above a level.
"""

import numpy as np

from .body import Body, OrganHU
from .canvas import Canvas
from .sdf import Region, ellipsoid, intersection, random_rotation, spline, tubes

Line = list[tuple[float, float, float]]  # points in mm
FILLINGS = {"fluid": (12, 6), "contrast": (260, 60), "stool": (-40, 130), "food": (45, 45)}


def draw_organs(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """The abdominal organs that the liver may lie against."""
    _small_bowel(canvas, body, random)
    _colon(canvas, body, random)
    _stomach(canvas, body, random)
    _duodenum(canvas, body, random)
    _pancreas(canvas, body, random)
    for side in (-1, 1):
        _kidney(canvas, body, side, random)
    _spleen(canvas, body, random)


def draw_table(canvas: Canvas, random: np.random.Generator) -> None:
    """The scanner's table: two thin curved shells behind the patient."""
    x, y = (
        np.arange(n, dtype=np.float32) * mm
        for n, mm in zip(canvas.shape[:2], canvas.spacing[:2], strict=True)
    )
    x = x - x.mean() - random.normal(0, 8)
    first = np.flatnonzero((canvas.hu > -300).any((0, 2)))[0]
    back = first * canvas.spacing[1] - random.uniform(0, 6)
    curved = random.uniform(0, 0.0012)
    behind = canvas.hu[:, : np.searchsorted(y, back + curved * 215**2 + 5)]
    for depth, hu in ((0, random.uniform(-500, 100)), (random.uniform(18, 45), -600)):
        shell = np.abs(y[None, : behind.shape[1]] - (back - depth + curved * x**2)[:, None]) - 1.2
        sheet = np.maximum(shell, np.abs(x)[:, None] - 215)
        cover = np.clip(0.5 - sheet / canvas.edge, 0, 1)[..., None]
        behind += np.where(behind < -700, cover * (hu + 1000), 0)


def draw_great_vessels(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """Aorta and vena cava with their branches; what they cover is no longer liver."""
    size, dome = random.uniform(0.8, 1.25), body.dome[0]
    region = canvas.lattice.part((-70, -70, -400), (80, 60, 400))
    points = [(20, -30, -400), (20, -32, -60), (22, -26, 0), (24, -20, 50)]
    cava = spline([*points, (20, -8, dome - 12), (14, 0, dome + 45)])
    radii = np.full(len(cava), 10.5 * size)
    canvas.paint_organ(region, tubes(region, cava, radii), body.hu["vena_cava"], 4, halo=0)
    points = [(-8, -36, -400), (-4, -33, -60), (-4, -30, 0), (-8, -32, 70)]
    aorta = spline([*points, (-16, -42, 140), (-20, -52, 400)])
    radii = np.linspace(8.5, 12, len(aorta)) * size
    canvas.paint_organ(region, tubes(region, aorta, radii), body.hu["aorta"], 4)
    if random.random() < 0.4:
        _calcify(canvas, aorta, 9.5 * size, random)
    shift = random.normal(0, 4)
    for branch, radius, tissue in (
        ([(-4, -22, 24), (-3, -8, 20), (-10, 6, 16)], 3.2, "aorta"),
        ([(-4, -22, 10), (0, -12, 2), (2, 4, -30), (8, 14, -100)], 3.5, "aorta"),
        ([(-4, -30, 2), (-28, -34, -2), (-50, -36, 4)], 2.8, "aorta"),
        ([(-4, -30, 0), (24, -42, -4), (50, -38, -10)], 2.8, "aorta"),
        ([(20, -26, 0), (0, -17, 2), (-30, -28, 2), (-50, -34, 4)], 4.5, "vena_cava"),
        ([(22, -28, -6), (52, -36, -10)], 4.8, "vena_cava"),
    ):
        line = spline(np.add(branch, (0, 0, shift)))
        canvas.paint_vessel(line, np.full(len(line), radius), body.hu[tissue], halo=1)
    _mesentery(canvas, body, random)


def _mesentery(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    """The vessels of the mesentery."""
    for _ in range(int(random.integers(25, 55))):
        end = np.array([random.uniform(-85, 80), random.uniform(0, 70), random.uniform(-130, -10)])
        start = np.array([4, 8, random.uniform(-60, -5)])
        line = spline([start, end * (0.5, 0.6, 0.7) + random.normal(0, 8, 3), end])
        hu = OrganHU(body.hu["portal_vein"] * 0.8, "portal_vein")
        canvas.paint_vessel(line, np.linspace(2.6, 1, len(line)), hu)


def _calcify(canvas: Canvas, line: np.ndarray, radius: float, random: np.random.Generator) -> None:
    """Calcified spots in the wall of a vessel."""
    for _ in range(int(random.integers(2, 9))):
        spot = line[random.integers(len(line))]
        angle = random.uniform(0, 6.3)
        spot = spot + radius * np.array([np.cos(angle), np.sin(angle), random.normal()])
        ends = [spot, spot + random.normal(0, 2.5, 3)]
        canvas.paint_vessel(ends, [1.2, 1.2], random.uniform(400, 1000))


def _hollow(
    canvas: Canvas,
    body: Body,
    region: Region,
    distance: np.ndarray,
    wall: float,
    filling: str,
    air: float,
    random: np.random.Generator,
) -> None:
    """A bowel or stomach: wall, filling, and gas above a level, `air` 0…1 of its depth."""
    inside = intersection(distance, body.cavity[region.box] + 3, 5)
    box, distance = canvas.at_voxels(region, inside, 10)
    if not distance.size:
        return
    canvas.paint((box, distance - 1.5), body.hu["fat"], 10, edge=2.5)
    canvas.paint((box, distance), body.hu["bowel_wall"], 6)
    mean, texture = FILLINGS[filling]
    lumen = distance + np.float32(wall)
    canvas.paint((box, lumen), mean + random.normal(0, 6), texture)
    rows = np.flatnonzero((lumen < 0).any((0, 2)))
    if air and len(rows):
        level = rows[-1] + 1 - air * (rows[-1] - rows[0])
        above = level - np.arange(distance.shape[1], dtype=np.float32)
        above = above * np.float32(canvas.spacing[1])
        canvas.paint((box, np.maximum(lumen, above[:, None])), -980, 6)


def _small_bowel(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    low, high = (-85, 5, -150), (75, 75 + body.belly / 2, -22)
    usual = random.choice(["fluid", "fluid", "contrast"])
    for _ in range(int(random.integers(22, 42))):
        start = np.array([random.uniform(*ends) for ends in zip(low, high, strict=True)])
        direction = random.normal(0, 1, 3) * (1, 0.7, 0.7)
        points = [start]
        for _ in range(int(random.integers(3, 6))):
            direction = 0.6 * direction / np.linalg.norm(direction) + random.normal(0, 0.5, 3)
            points.append(points[-1] + 22 * direction / np.linalg.norm(direction))
        line = spline(points)
        region = canvas.lattice.part(line.min(0) - 20, line.max(0) + 20)
        radii = random.uniform(8, 14) * (1 + 0.12 * np.sin(np.arange(len(line)) * 2.1))
        filling = usual if random.random() < 0.6 else "fluid"
        air = random.uniform(0.2, 0.8) if random.random() < 0.25 else 0
        loop, wall = tubes(region, line, radii), random.uniform(2, 4)
        _hollow(canvas, body, region, loop, wall, filling, air, random)


def _colon(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    front = 66 + 0.6 * body.belly
    sag = random.uniform(-75, -25)
    ascending: Line = [(92, 2, -160), (94, 8, -110), (92, 12, -60), (84, 36, -36)]
    transverse: Line = [(84, 40, -38), (48, front, sag), (0, front + 4, sag - 8)]
    transverse += [(-46, front, sag + 14), (-88, 40, 14)]
    descending: Line = [(-96, 12, 26), (-104, -18, -14), (-103, -14, -80), (-98, 0, -160)]
    sizes = random.uniform(17, 28), random.uniform(14, 25), random.uniform(11, 20)
    for points, size in zip((ascending, transverse, descending), sizes, strict=True):
        line = spline(points) + random.normal(0, 3, 3)
        radii = size * (1 + 0.2 * np.sin(np.arange(len(line)) * random.uniform(1.6, 2.6)))
        region = canvas.lattice.part(line.min(0) - 35, line.max(0) + 35)
        filling = random.choice(["stool", "stool", "fluid", "contrast"])
        tube = tubes(region, line, radii) + 1.0 * body.fine[region.box]
        wall, air = random.uniform(2, 3.5), random.choice([0, 0.4, 0.9])
        _hollow(canvas, body, region, tube, wall, filling, air, random)


def _stomach(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    size = random.uniform(0.65, 1.2)
    upper, lower = [(-62, -22, 84), (-70, -6, 66), (-66, 22, 40)], [(-46, 44, 16), (-12, 52, 2)]
    line = spline([*upper, *lower, (14, 40, 6)])
    radii = np.interp(np.linspace(0, 1, len(line)), [0, 0.3, 0.7, 1], [34, 36, 26, 12]) * size
    region = canvas.lattice.part(line.min(0) - 60, line.max(0) + 60)
    box = region.box
    room = intersection(body.cavity[box] + 5, body.below_diaphragm[box] + 4)
    stomach = intersection(tubes(region, line, radii) + 1.5 * body.rough[box], room, 8)
    filling = random.choice(["food", "fluid", "contrast"], p=[0.45, 0.4, 0.15])
    wall, air = random.uniform(3, 6), random.choice([0, 0.3, 0.5, 0.8])
    _hollow(canvas, body, region, stomach, wall, filling, air, random)


def _duodenum(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    descending = [(16, 38, 6), (34, 24, 2), (40, 8, -14), (34, 2, -38)]
    line = spline([*descending, (0, -8, -44), (-30, 10, -30)])
    region = canvas.lattice.part(line.min(0) - 25, line.max(0) + 25)
    tube = tubes(region, line, np.full(len(line), random.uniform(8, 13)))
    _hollow(canvas, body, region, tube, 3, "fluid", random.choice([0, 0.4]), random)


def _pancreas(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    head, tail = [(26, 8, -24), (22, 14, -4), (2, 20, 8)], [(-52, -10, 34), (-78, -24, 42)]
    line = spline([*head, (-26, 12, 20), *tail])
    radii = np.interp(np.linspace(0, 1, len(line)), [0, 0.2, 0.4, 1], [12, 13, 9, 8])
    region = canvas.lattice.part(line.min(0) - 25, line.max(0) + 25)
    pancreas = tubes(region, line, radii * random.uniform(0.75, 1.15)) + 2 * body.fine[region.box]
    hu = body.hu["pancreas"]
    canvas.paint_organ(region, pancreas, hu, random.uniform(6, 20))
    splenic_vein = line[len(line) // 3 :] + np.array([0, -9, -2])
    canvas.paint_vessel(splenic_vein, np.full(len(splenic_vein), 4), body.hu["portal_vein"])
    for side in (-1, 1):  # the adrenal glands
        top = np.array([side * 33 + 3, -32, 44])
        canvas.paint_vessel([top, np.add(top, (side * 4, -12, -10))], [2.5, 3], hu * 0.85)
        canvas.paint_vessel([top, np.add(top, (-side * 6, -14, -10))], [2.5, 2.5], hu * 0.85)


def _kidney(canvas: Canvas, body: Body, side: int, random: np.random.Generator) -> None:
    x, y, z = random.normal(62, 4), random.normal(-36, 4), random.normal(-4 - 9 * side, 8)
    centre = np.array([side * x, y, z])
    radii = np.array([26, 24, 54]) * random.normal(1, 0.08)
    region = canvas.lattice.around(centre, 85)
    axes = random_rotation(0.2, random)
    rough, fine = body.rough[region.box], body.fine[region.box]
    kidney = ellipsoid(region, centre, radii, axes) + 1.2 * rough
    hilum = centre - axes[0] * side * 20 + axes[1] * 6
    sinus = ellipsoid(region, hilum, (17, 11, 27), axes) + 1.5 * fine
    box, shell = canvas.at_voxels(region, intersection(kidney, -sinus - 1, 3))
    canvas.paint((box, shell - random.uniform(2, 9)), body.hu["fat"], 8)
    canvas.paint((box, shell), body.hu["cortex"], 5)
    medulla = intersection(kidney + 7 + 3.5 * fine, 3 - sinus - 1.5 * rough, 2)
    canvas.paint(canvas.at_voxels(region, medulla), body.hu["medulla"], 5, edge=3)
    width = random.uniform(2, 6)
    across, up = axes[0] * side, axes[2]
    pelvis = [hilum + up * 16, hilum + across * 8, hilum - up * 16, hilum - across * 12]
    widths, links = [width, width + 1, width, 2], [(0, 1), (1, 2), (1, 3)]
    canvas.paint_vessel(pelvis, widths, body.hu["urine"], links=links)


def _spleen(canvas: Canvas, body: Body, random: np.random.Generator) -> None:
    region = canvas.lattice.part((-160, -110, -60), (-20, 80, 200))
    box, size = region.box, random.normal(1, 0.13)
    centre = (-96, random.normal(-28, 6), random.normal(54, 8))
    radii = np.array([33, 50, 54]) * size
    spleen = ellipsoid(region, centre, radii, random_rotation(0.25, random)) + 2 * body.rough[box]
    spleen = intersection(spleen, -ellipsoid(region, (-52, -8, 40), (34, 40, 60)), 6)
    room = intersection(body.cavity[box] + 3, body.below_diaphragm[box] + 3)
    spleen = intersection(spleen, room, 8)
    texture = random.uniform(10, 25) if body.phase == "arterial" else 5
    canvas.paint_organ(region, spleen, body.hu["spleen"], texture)
