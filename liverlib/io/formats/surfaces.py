"""Surfaces of the liver and of each lesion as triangles: STL for printing, GLB for looking.

Coordinates are mm in DICOM's patient system (LPS: left, back and head are positive), which 3D
Slicer takes meshes to be in. Needs scikit-image and trimesh (the extra "formats").
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, optimize

from liverlib import __version__
from liverlib.core.arrays import Box, content_box, find_pieces, to_box
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic

from ..segments import SEGMENTS, Segment
from ..volume import Grid, Volume
from .seg_nrrd import TO_LPS

if TYPE_CHECKING:
    from trimesh import Trimesh

STEP_MM = 1.5  # between samples of large surfaces; triangles are about as large
_LEAST = 16  # samples along each axis of small ones, where the scan has so many
_MOST_REPEATS = 4  # of a voxel along an axis
_BEFORE = 4  # empty samples on each side
_SIGMA = 0.7  # samples; rounds the steps between voxels
_MOST = 1000  # lesions
_OPACITY = {"Liver": 0.35}
# From LPS in mm to what glTF says of scenes: metres, Y up, Z towards the viewer. So the patient
# faces the viewer.
_TO_GLTF = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1000]]) / 1000


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface: `vertices` (N, 3) in mm, LPS; `faces` (M, 3), seen from outside
    anticlockwise."""

    name: str
    segment: Segment
    vertices: np.ndarray
    faces: np.ndarray


def find_surfaces(mask: Volume) -> list[Surface]:
    """The liver's surface (its tumours lie inside) and that of each lesion, largest first.

    Each encloses the volume of its voxels, to a thousandth or so. Raises `LiverlibError` without
    scikit-image and trimesh, for a mask without a liver, of unknown spacing, or of more than 1000
    lesions.
    """
    libraries()
    pieces = find_pieces(mask.voxels, SEGMENTS[1].value)
    if not mask.grid.spacing_known:
        raise LiverlibError(f"{mask.name}: its spacing is unknown, and mm with it. Write .nii.gz.")
    if not mask.voxels.any():
        raise LiverlibError(f"{mask.name}: the mask holds no liver, so it has no surface.")
    if len(pieces.sizes) > _MOST:
        raise LiverlibError(
            f"{mask.name}: {len(pieces.sizes):,} lesions; surfaces are made of {_MOST:,} at most. "
            "Write .nii.gz."
        )
    box = to_box(content_box(mask.voxels))
    surfaces = [_surface("Liver", SEGMENTS[0], mask.voxels[box] > 0, box, mask.grid)]
    for n, number in enumerate(np.argsort(-pieces.sizes, kind="stable"), 1):
        part, box = pieces.part(number)
        surfaces.append(_surface(f"Lesion {n}", SEGMENTS[1], part, box, mask.grid))
    return surfaces


def write_stl(path: str | Path, mask: Volume, note: str = "") -> None:
    """Writes the liver's surface as binary STL, and those of all lesions beside it.

    A file has room for one solid, so the lesions' is another, `tumour_path`; without lesions an
    earlier one is removed. Raises `LiverlibError` as `find_surfaces` does.
    """
    liver, *lesions = find_surfaces(mask)
    head = f"{note or f'liverlib {__version__}'} SPACE=LPS".encode("ascii", "replace")
    for target, parts in ((Path(path), [liver]), (tumour_path(path), lesions)):
        if not parts:
            target.unlink(missing_ok=True)
            continue
        with atomic(target) as temporary:
            solid: Any = _joined(parts).export(file_type="stl")  # its first 80 bytes are free
            temporary.write_bytes(head[:80].ljust(80) + solid[80:])


def tumour_path(path: str | Path) -> Path:
    """Where `write_stl` puts the lesions: ``liver.stl`` has ``liver_tumour.stl`` beside it."""
    return Path(path).with_name(f"{Path(path).stem}_tumour.stl")


def write_glb(path: str | Path, mask: Volume, note: str = "") -> None:
    """Writes a scene: the liver translucent, and each lesion an object with its name.

    Objects are in mm, LPS. The node ``patient`` above them turns the scene to glTF's metres with
    Y up. Raises `LiverlibError` as `find_surfaces` does.
    """
    _, trimesh = libraries()
    scene = trimesh.Scene()
    scene.graph.update(frame_from=scene.graph.base_frame, frame_to="patient", matrix=_TO_GLTF)
    for surface in find_surfaces(mask):
        mesh = _joined([surface])
        mesh.visual = trimesh.visual.TextureVisuals(material=_material(trimesh, surface))
        scene.add_geometry(
            mesh, node_name=surface.name, geom_name=surface.name, parent_node_name="patient"
        )

    def say_who(tree: dict) -> None:
        tree["asset"] |= {"generator": f"liverlib {__version__}", "extras": {"note": note}}

    with atomic(path) as temporary:
        temporary.write_bytes(scene.export(file_type="glb", tree_postprocessor=say_who))


def surface_note(path: Path) -> str:
    """The note in a file of `write_stl` or `write_glb`; empty in others."""
    with open(path, "rb") as file:
        head = file.read(80)
        if path.suffix.lower() == ".stl":
            return head.decode("ascii", "replace").rpartition(" SPACE=LPS")[0]
        file.seek(20)
        tree = json.loads(file.read(int.from_bytes(head[12:16], "little")))
    return tree["asset"].get("extras", {}).get("note", "")


def _surface(name: str, segment: Segment, part: np.ndarray, box: Box, grid: Grid) -> Surface:
    """The surface of a mask (X, Y, Z) that fills a box of the grid.

    Its samples are means of blocks of voxels. The level at which it runs is the one that encloses
    the voxels' volume: at one half, small lesions would shrink to a fraction.
    """
    measure, trimesh = libraries()
    samples, blocks, before = _sampled(part, grid.spacing)
    to_lps = TO_LPS @ grid.affine
    volume = np.count_nonzero(part) * abs(np.linalg.det(to_lps[:3, :3]))

    def at(level: float) -> "Trimesh":
        vertices, faces, *_ = measure.marching_cubes(samples, level)
        voxels = (vertices - before) * blocks + (blocks - 1) / 2 + [side.start for side in box]
        mesh = trimesh.Trimesh(voxels @ to_lps[:3, :3].T + to_lps[:3, 3], faces)
        return mesh if mesh.volume > 0 else trimesh.Trimesh(mesh.vertices, mesh.faces[:, ::-1])

    mesh = at(_level(samples, lambda level: at(level).volume / volume - 1))
    return Surface(name, segment, mesh.vertices, mesh.faces)


def _sampled(part: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Smoothed samples of a mask, with empty ones around it; how many voxels wide each is, along
    each axis, and how many lie before the mask.

    Large masks are averaged by blocks, the voxels of small ones are repeated.
    """
    most = np.maximum(1, np.array(part.shape) // _LEAST)
    blocks = np.clip(np.floor(STEP_MM / spacing).astype(int), 1, most)
    repeats = np.clip(-(-_LEAST // np.array(part.shape)), 1, _MOST_REPEATS)
    samples = part
    for axis, (n, times) in enumerate(zip(blocks.tolist(), repeats.tolist(), strict=True)):
        samples = np.repeat(samples, times, axis)
        starts = np.arange(0, samples.shape[axis], n)
        samples = np.add.reduceat(samples, starts, axis=axis, dtype=np.float32)
    samples = np.pad(samples / blocks.prod(), _BEFORE)
    return ndimage.gaussian_filter(samples, _SIGMA), blocks / repeats, _BEFORE


def _level(samples: np.ndarray, excess: Callable[[float], float]) -> float:
    """The level at which `excess` of volume is zero: near it, as many samples lie above."""
    highest = float(samples.max())
    for low, high in ((0.4, 0.6), (1e-3, 0.999)):
        edges = low * highest, high * highest
        if excess(edges[0]) > 0 > excess(edges[1]):
            return float(optimize.brentq(excess, *edges, xtol=1e-4 * highest, rtol=1e-3))
    return edges[0]


def _joined(parts: Sequence[Surface]) -> "Trimesh":
    _, trimesh = libraries()
    meshes = [trimesh.Trimesh(part.vertices, part.faces, process=False) for part in parts]
    return trimesh.util.concatenate(meshes)


def _material(trimesh: ModuleType, surface: Surface) -> object:
    """The segment's colour; glTF counts colours linearly, screens do not."""
    opacity = _OPACITY.get(surface.name, 1.0)
    linear = [(part / 255) ** 2.2 for part in surface.segment.colour]
    return trimesh.visual.material.PBRMaterial(
        name=surface.segment.name,
        baseColorFactor=[*linear, opacity],
        alphaMode="BLEND" if opacity < 1 else "OPAQUE",
        metallicFactor=0.0,
        roughnessFactor=0.6,
    )


def libraries() -> tuple[ModuleType, ModuleType]:
    """scikit-image's measures and trimesh, imported when needed."""
    try:
        import trimesh
        from skimage import measure
    except ImportError as error:
        raise LiverlibError(
            "surfaces need scikit-image and trimesh: pip install scikit-image trimesh, or write "
            ".nii.gz."
        ) from error
    return measure, trimesh
