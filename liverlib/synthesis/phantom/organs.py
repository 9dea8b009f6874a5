"""The phantoms' bowel, stomach, pancreas, kidneys and spleen, their great vessels, and the table.

What holds gas holds it where gas is in a patient on their back: in front, above a level.
"""

import numpy as np

from .body import Body, curve, organ, turned, vessel
from .canvas import Canvas
from .sdf import both, ellipsoid, tubes

FILLINGS = {"fluid": (12, 6), "contrast": (260, 60), "stool": (-40, 130), "food": (45, 45)}


def draw_viscera(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Everything in the belly that the liver may lie against or upon."""
    _small_bowel(c, b, random)
    _colon(c, b, random)
    _stomach(c, b, random)
    _pancreas(c, b, random)
    for side in (-1, 1):
        _kidney(c, b, side, random)
    _spleen(c, b, random)


def draw_table(c: Canvas, random: np.random.Generator) -> None:
    """The scanner's table: two thin curved shells behind the patient."""
    x, y = (
        np.arange(n, dtype=np.float32) * mm
        for n, mm in zip(c.shape[:2], c.spacing[:2], strict=True)
    )
    x = x - x.mean() - random.normal(0, 8)
    back = np.flatnonzero((c.hu > -300).any((0, 2)))[0] * c.spacing[1] - random.uniform(0, 6)
    curved = random.uniform(0, 0.0012)
    behind = c.hu[:, : np.searchsorted(y, back + curved * 215**2 + 5)]
    for depth, hu in ((0, random.uniform(-500, 100)), (random.uniform(18, 45), -600)):
        shell = np.abs(y[None, : behind.shape[1]] - (back - depth + curved * x**2)[:, None]) - 1.2
        sheet = np.maximum(shell, np.abs(x)[:, None] - 215)
        cover = np.clip(0.5 - sheet / c.edge, 0, 1)[..., None]
        behind += np.where(behind < -700, cover * (hu + 1000), 0)


def draw_great_vessels(c: Canvas, b: Body, random: np.random.Generator) -> None:
    """Aorta and vena cava with their branches; what they cover is no longer liver."""
    size = random.uniform(0.8, 1.25)
    f = c.lattice.part((-70, -70, -400), (80, 60, 400))
    cava = curve(
        [
            (20, -30, -400),
            (20, -32, -60),
            (22, -26, 0),
            (24, -20, 50),
            (20, -8, b.dome[0] - 12),
            (14, 0, b.dome[0] + 45),
        ]
    )
    organ(c, f, tubes(f, cava, np.full(len(cava), 10.5 * size)), b.hu["cava"], 4, halo=0)
    aorta = curve(
        [
            (-8, -36, -400),
            (-4, -33, -60),
            (-4, -30, 0),
            (-8, -32, 70),
            (-16, -42, 140),
            (-20, -52, 400),
        ]
    )
    organ(c, f, tubes(f, aorta, np.linspace(8.5, 12, len(aorta)) * size), b.hu["aorta"], 4)
    if random.random() < 0.4:
        _calcify(c, aorta, 9.5 * size, random)
    sprout = random.normal(0, 4)
    for line, radius, tissue in (
        ([(-4, -22, 24), (-3, -8, 20), (-10, 6, 16)], 3.2, "aorta"),
        ([(-4, -22, 10), (0, -12, 2), (2, 4, -30), (8, 14, -100)], 3.5, "aorta"),
        ([(-4, -30, 2), (-28, -34, -2), (-50, -36, 4)], 2.8, "aorta"),
        ([(-4, -30, 0), (24, -42, -4), (50, -38, -10)], 2.8, "aorta"),
        ([(20, -26, 0), (0, -17, 2), (-30, -28, 2), (-50, -34, 4)], 4.5, "cava"),
        ([(22, -28, -6), (52, -36, -10)], 4.8, "cava"),
    ):
        line = curve(np.add(line, (0, 0, sprout)))
        vessel(c, line, np.full(len(line), radius), b.hu[tissue], halo=1)
    for _ in range(int(random.integers(25, 55))):  # of the mesentery
        end = np.array([random.uniform(-85, 80), random.uniform(0, 70), random.uniform(-130, -10)])
        line = curve(
            [(4, 8, random.uniform(-60, -5)), end * (0.5, 0.6, 0.7) + random.normal(0, 8, 3), end]
        )
        vessel(c, line, np.linspace(2.6, 1, len(line)), b.hu["portal"] * 0.8)


def _calcify(c: Canvas, aorta, radius: float, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(2, 9))):
        at = aorta[random.integers(len(aorta))]
        angle = random.uniform(0, 6.3)
        at = at + radius * np.array([np.cos(angle), np.sin(angle), random.normal()])
        line = [at, at + random.normal(0, 2.5, 3)]
        vessel(c, line, [1.2, 1.2], random.uniform(400, 1000))


def _hollow(c: Canvas, b: Body, f, d, wall: float, filling: str, air: float, random) -> None:
    """A bowel or stomach: wall, filling, and gas above a level, `air` 0…1 of its depth."""
    box, d = c.voxels(f, both(d, b.cavity[f.at] + 3, 5), 10)
    if not d.size:
        return
    c.paint((box, d - 1.5), b.hu["fat"], 10, edge=2.5)
    c.paint((box, d), b.hu["gut"], 6)
    mean, uneven = FILLINGS[filling]
    inside = d + np.float32(wall)
    c.paint((box, inside), mean + random.normal(0, 6), uneven)
    rows = np.flatnonzero((inside < 0).any((0, 2)))
    if air and len(rows):
        level = rows[-1] + 1 - air * (rows[-1] - rows[0])
        above = (level - np.arange(d.shape[1], dtype=np.float32)) * np.float32(c.spacing[1])
        c.paint((box, np.maximum(inside, above[:, None])), -980, 6)


def _small_bowel(c: Canvas, b: Body, random: np.random.Generator) -> None:
    common = random.choice(["fluid", "fluid", "contrast"])
    for _ in range(int(random.integers(22, 42))):
        at = np.array(
            [
                random.uniform(-85, 75),
                random.uniform(5, 75 + b.belly / 2),
                random.uniform(-150, -22),
            ]
        )
        way = random.normal(0, 1, 3) * (1, 0.7, 0.7)
        line = [at]
        for _ in range(int(random.integers(3, 6))):
            way = 0.6 * way / np.linalg.norm(way) + random.normal(0, 0.5, 3)
            line.append(line[-1] + 22 * way / np.linalg.norm(way))
        line = curve(line)
        f = c.lattice.part(line.min(0) - 20, line.max(0) + 20)
        radii = random.uniform(8, 14) * (1 + 0.12 * np.sin(np.arange(len(line)) * 2.1))
        filling = common if random.random() < 0.6 else "fluid"
        air = random.uniform(0.2, 0.8) if random.random() < 0.25 else 0
        _hollow(c, b, f, tubes(f, line, radii), random.uniform(2, 4), filling, air, random)


def _colon(c: Canvas, b: Body, random: np.random.Generator) -> None:
    front = 66 + 0.6 * b.belly
    sag = random.uniform(-75, -25)
    for points, size in (
        ([(92, 2, -160), (94, 8, -110), (92, 12, -60), (84, 36, -36)], random.uniform(17, 28)),
        (
            [
                (84, 40, -38),
                (48, front, sag),
                (0, front + 4, sag - 8),
                (-46, front, sag + 14),
                (-88, 40, 14),
            ],
            random.uniform(14, 25),
        ),
        (
            [(-96, 12, 26), (-104, -18, -14), (-103, -14, -80), (-98, 0, -160)],
            random.uniform(11, 20),
        ),
    ):
        line = curve(points) + random.normal(0, 3, 3)
        radii = size * (1 + 0.2 * np.sin(np.arange(len(line)) * random.uniform(1.6, 2.6)))
        f = c.lattice.part(line.min(0) - 35, line.max(0) + 35)
        filling = random.choice(["stool", "stool", "fluid", "contrast"])
        d = tubes(f, line, radii) + 1.0 * b.fine[f.at]
        _hollow(c, b, f, d, random.uniform(2, 3.5), filling, random.choice([0, 0.4, 0.9]), random)


def _stomach(c: Canvas, b: Body, random: np.random.Generator) -> None:
    size = random.uniform(0.65, 1.2)
    line = curve(
        [(-62, -22, 84), (-70, -6, 66), (-66, 22, 40), (-46, 44, 16), (-12, 52, 2), (14, 40, 6)]
    )
    radii = np.interp(np.linspace(0, 1, len(line)), [0, 0.3, 0.7, 1], [34, 36, 26, 12]) * size
    f = c.lattice.part(line.min(0) - 60, line.max(0) + 60)
    at = f.at
    d = both(tubes(f, line, radii) + 1.5 * b.rough[at], both(b.cavity[at] + 5, b.below[at] + 4), 8)
    filling = random.choice(["food", "fluid", "contrast"], p=[0.45, 0.4, 0.15])
    _hollow(c, b, f, d, random.uniform(3, 6), filling, random.choice([0, 0.3, 0.5, 0.8]), random)
    line = curve(
        [(16, 38, 6), (34, 24, 2), (40, 8, -14), (34, 2, -38), (0, -8, -44), (-30, 10, -30)]
    )
    f = c.lattice.part(line.min(0) - 25, line.max(0) + 25)
    d = tubes(f, line, np.full(len(line), random.uniform(8, 13)))
    _hollow(c, b, f, d, 3, "fluid", random.choice([0, 0.4]), random)


def _pancreas(c: Canvas, b: Body, random: np.random.Generator) -> None:
    line = curve(
        [(26, 8, -24), (22, 14, -4), (2, 20, 8), (-26, 12, 20), (-52, -10, 34), (-78, -24, 42)]
    )
    radii = np.interp(np.linspace(0, 1, len(line)), [0, 0.2, 0.4, 1], [12, 13, 9, 8])
    f = c.lattice.part(line.min(0) - 25, line.max(0) + 25)
    d = tubes(f, line, radii * random.uniform(0.75, 1.15)) + 2 * b.fine[f.at]
    organ(c, f, d, b.hu["pancreas"], random.uniform(6, 20))
    vein = line[len(line) // 3 :] + np.array([0, -9, -2])
    vessel(c, vein, np.full(len(vein), 4), b.hu["portal"])
    for side in (-1, 1):  # the adrenal glands
        top = np.array([side * 33 + 3, -32, 44])
        vessel(c, [top, np.add(top, (side * 4, -12, -10))], [2.5, 3], b.hu["pancreas"] * 0.85)
        vessel(c, [top, np.add(top, (-side * 6, -14, -10))], [2.5, 2.5], b.hu["pancreas"] * 0.85)


def _kidney(c: Canvas, b: Body, side: int, random: np.random.Generator) -> None:
    at = np.array(
        [side * random.normal(62, 4), random.normal(-36, 4), random.normal(-4 - 9 * side, 8)]
    )
    radii = np.array([26, 24, 54]) * random.normal(1, 0.08)
    f = c.lattice.around(at, 85)
    turn = turned(0.2, random)
    rough, fine = b.rough[f.at], b.fine[f.at]
    d = ellipsoid(f, at, radii, turn) + 1.2 * rough
    hilum = at - turn[0] * side * 20 + turn[1] * 6
    sinus = ellipsoid(f, hilum, (17, 11, 27), turn) + 1.5 * fine
    box, shell = c.voxels(f, both(d, -sinus - 1, 3))
    c.paint((box, shell - random.uniform(2, 9)), b.hu["fat"], 8)
    c.paint((box, shell), b.hu["cortex"], 5)
    columns = c.voxels(f, both(d + 7 + 3.5 * fine, 3 - sinus - 1.5 * rough, 2))
    c.paint(columns, b.hu["medulla"], 5, edge=3)
    wide = random.uniform(2, 6)
    basin = [
        hilum + turn[2] * 16,
        hilum + turn[0] * side * 8,
        hilum - turn[2] * 16,
        hilum - turn[0] * side * 12,
    ]
    vessel(c, basin, [wide, wide + 1, wide, 2], b.hu["urine"], links=[(0, 1), (1, 2), (1, 3)])


def _spleen(c: Canvas, b: Body, random: np.random.Generator) -> None:
    f = c.lattice.part((-160, -110, -60), (-20, 80, 200))
    at, size = f.at, random.normal(1, 0.13)
    centre = (-96, random.normal(-28, 6), random.normal(54, 8))
    d = ellipsoid(f, centre, np.array([33, 50, 54]) * size, turned(0.25, random)) + 2 * b.rough[at]
    d = both(d, -ellipsoid(f, (-52, -8, 40), (34, 40, 60)), 6)
    d = both(d, both(b.cavity[at] + 3, b.below[at] + 3), 8)
    patchy = random.uniform(10, 25) if b.phase == "arterial" else 5
    organ(c, f, d, b.hu["spleen"], patchy)
