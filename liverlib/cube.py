"""Scan → cube of 128³ → scan: what a network sees, and the way back to the scan's own grid.

Resampling is one small matrix an axis. Going down, an output voxel is the average of what it
covers (area averaging: nothing is skipped, nothing shifts); going up, it is interpolated linearly
between centres. The same matrices take the image, the label and the prediction, so that they stay
registered at every ratio. Labels become occupancy: the share of a voxel that is liver or tumour.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from scipy import ndimage

from liverlib import LiverlibError
from liverlib.cases import Case
from liverlib.files import atomic
from liverlib.processes import in_processes
from liverlib.scan import Volume
from liverlib.settings import digest, setting

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # start, stop of voxels, RAS axes
MARGIN_MM = 10.0  # around the liver in the second look
SLAB = 8  # slices made at once: what bounds the memory


@dataclass(frozen=True)
class CubeSettings:
    """How a scan becomes a cube."""

    size: int = setting(128, "voxels along each edge")
    window: tuple[float, float] = setting((-60.0, 200.0), "HU that become 0 and 255; clipped")
    crop: str = setting("body", "what the cube covers: body (no air, no table), liver, or all")
    method: str = setting("area", "area, or nearest: the original project's, to show its price")


@dataclass(frozen=True, eq=False)
class Cube:
    """A scan brought to (S, S, S) voxels, and where it lay.

    `image` is uint8 over the settings' window. `occupancy` (2, S, S, S), uint8, holds in 1/255 how
    much of each voxel is liver or tumour, and tumour; None without a label. `box` and `shape` are
    the part covered and the whole, in the scan's voxels.
    """

    image: np.ndarray
    occupancy: np.ndarray | None
    box: Box
    shape: tuple[int, int, int]
    method: str = "area"

    def to_grid(self, probabilities: np.ndarray) -> np.ndarray:
        """Classes (X, Y, Z) on the scan's grid, uint8, from (2, S, S, S) shares like `occupancy`.

        A voxel is liver where the first is at least ½, and tumour where also the second is.
        """
        return blend([(self, probabilities)], (1, 1, 1))

    def slabs(self, shares: np.ndarray, box: Box) -> Iterator[np.ndarray]:
        """The shares (2, S, S, S) of this cube brought to the scan's voxels in `box`, which lies
        within the cube's: slabs (2, X, Y, ≤ SLAB), from feet to head."""
        part = tuple(
            ((low - start) * n / (stop - start), (high - start) * n / (stop - start))
            for (low, high), (start, stop), n in zip(box, self.box, self.image.shape, strict=True)
        )
        size = tuple(high - low for low, high in box)
        pairs = (resampled(share, part, size, self.method) for share in shares)
        return (np.stack(pair) for pair in zip(*pairs, strict=True))

    def save(self, path: Path) -> None:
        """Writes the cube as one safetensors file, atomically."""
        arrays = {"image": np.ascontiguousarray(self.image)}  # a must: save_file does not look
        if self.occupancy is not None:
            arrays["occupancy"] = np.ascontiguousarray(self.occupancy)
        place = {"box": self.box, "shape": self.shape, "method": self.method}
        with atomic(path) as temporary:
            save_file(arrays, temporary, {"place": json.dumps(place)})

    @classmethod
    def load(cls, path: Path) -> "Cube":
        """The cube in a file; raises `LiverlibError` where it is corrupt."""
        try:
            with safe_open(path, "np") as file:
                place = json.loads(file.metadata()["place"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise LiverlibError(
                f"{path}: not a cube ({error}). Delete it; it is made anew."
            ) from error
        box = tuple(tuple(edge) for edge in place["box"])
        occupancy = arrays.get("occupancy")
        return cls(arrays["image"], occupancy, box, tuple(place["shape"]), place["method"])


def blend(looks: Sequence[tuple[Cube, np.ndarray]], spacing: Sequence[float]) -> np.ndarray:
    """Classes (X, Y, Z) on the scan's grid, uint8, from cubes of it and their (2, S, S, S) shares.

    The first look counts where it is alone; inside the box of the next, that one takes over, by
    and by over `MARGIN_MM` from the faces of its box, so that no seam is left. Works slab by slab:
    no float array of the scan's size is made.
    """
    mask = np.zeros(looks[0][0].shape, np.uint8, order="F")
    for n, (cube, shares) in enumerate(looks):
        inside = mask[tuple(slice(start, stop) for start, stop in cube.box)]
        slabs = cube.slabs(shares, cube.box)
        if n:
            below = looks[n - 1][0].slabs(looks[n - 1][1], cube.box)
            x, y, z = _ramps(cube, spacing)
            slabs = (
                first + x[:, None, None] * y[:, None] * z[at : at + SLAB] * (second - first)
                for at, first, second in zip(range(0, len(z), SLAB), below, slabs, strict=True)
            )
        for at, (liver, tumour) in zip(range(0, inside.shape[2], SLAB), slabs, strict=True):
            classes = (liver >= 0.5).astype(np.uint8)
            classes += (tumour >= 0.5) & (liver >= 0.5)
            inside[:, :, at : at + SLAB] = classes
    return mask


def _ramps(cube: Cube, spacing: np.ndarray) -> list[np.ndarray]:
    """Along each axis of a box, from 0 at its faces to 1 at `MARGIN_MM` and deeper.

    A face that is the scan's own is no seam: there it is 1 at once.
    """
    ramps = []
    for (start, stop), whole, mm in zip(cube.box, cube.shape, spacing, strict=True):
        at = np.arange(start, stop) + 0.5
        low = (at - start) * mm / MARGIN_MM if start > 0 else np.ones(len(at))
        high = (stop - at) * mm / MARGIN_MM if stop < whole else np.ones(len(at))
        ramps.append(np.minimum(np.minimum(low, high), 1).astype(np.float32))
    return ramps


def to_cube(
    scan: Volume,
    label: Volume | None = None,
    settings: CubeSettings = CubeSettings(),
    box: Box | None = None,
) -> Cube:
    """The scan (and its label) inside `box`, by default as `settings.crop` says, as a cube.

    With ``crop="liver"`` the box is that of the label's liver.
    """
    if box is None:
        box = _cropped(scan, label, settings.crop)
    low, high = settings.window
    size = (settings.size,) * 3

    def shrink(voxels: np.ndarray, value: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return np.concatenate(list(resampled(voxels, box, size, settings.method, value)), axis=2)

    hu = shrink(scan.voxels, lambda block: np.clip(block, low, high, out=block))
    image = np.rint((hu - low) * (255 / (high - low))).astype(np.uint8)
    occupancy = None
    if label is not None:
        shares = [shrink(label.voxels, lambda block, c=c: np.float32(block >= c)) for c in (1, 2)]
        occupancy = np.rint(255 * np.stack(shares)).astype(np.uint8)
    return Cube(image, occupancy, box, scan.grid.shape, settings.method)


def resampled(
    voxels: np.ndarray,
    box: tuple,
    size: tuple[int, int, int],
    method: str = "area",
    value: Callable[[np.ndarray], np.ndarray] = lambda block: block,
) -> Iterator[np.ndarray]:
    """`voxels` inside `box`, brought to `size` voxels: slabs (X, Y, ≤ SLAB) from feet to head.

    `value` turns each block of input, float32, into what is averaged. `box` may reach beyond the
    array, which then counts as zero there.
    """
    along_x, along_y, along_z = (
        axis_weights(voxels.shape[i], size[i], *box[i], method) for i in range(3)
    )
    used = tuple(_used(weights) for weights in (along_x, along_y))
    along_x, along_y = along_x[:, used[0]].T.copy(), along_y[:, used[1]].copy()
    for start in range(0, size[2], SLAB):
        weights = along_z[start : start + SLAB]
        part = _used(weights)
        block = voxels[used[0], used[1], part].T.astype(np.float32, order="C")  # (z, y, x)
        block = value(block)
        flat = weights[:, part] @ block.reshape(len(block), -1)
        yield (along_y @ flat.reshape(-1, *block.shape[1:]) @ along_x).T  # (x, y, z)


def axis_weights(n_in: int, n_out: int, start: float, stop: float, method: str) -> np.ndarray:
    """The matrix (n_out, n_in) that resamples one axis from `start` to `stop` of its voxels' edges.

    Output voxels wider than input voxels average what they cover; narrower ones interpolate
    between the two nearest centres. ``nearest`` takes the voxel at floor(i · in / out), which is
    what ``torch.nn.functional.interpolate`` does and why its results are shifted.
    """
    edges = np.linspace(start, stop, n_out + 1)[:, None]
    low, high = edges[:-1], edges[1:]
    voxel = np.arange(n_in)[None]
    if method == "nearest":
        weights = voxel == np.floor(low + 1e-6)
    elif (stop - start) / n_out > 1:
        covered = np.minimum(high, voxel + 1) - np.maximum(low, voxel)
        weights = np.clip(covered, 0, None) / (high - low)
    else:
        centre = (low + high) / 2 - 0.5
        inside = (centre >= -0.5) & (centre <= n_in - 0.5)
        weights = np.clip(1 - np.abs(np.clip(centre, 0, n_in - 1) - voxel), 0, None) * inside
    return weights.astype(np.float32)


def body_box(scan: Volume, threshold: float = -300, margin_mm: float = 5) -> Box:
    """The box around the body: the largest connected piece denser than `threshold` HU.

    Found on about every fourth millimetre; thin things, such as the table's top, are eroded away
    first. The whole scan where nothing is dense enough.
    """
    step = np.maximum(1, np.rint(4 / scan.grid.spacing).astype(int))
    coarse = scan.voxels[tuple(slice(n // 2, None, n) for n in step)] > threshold
    solid = ndimage.binary_opening(coarse, iterations=2)
    pieces, count = ndimage.label(solid)
    if not count:
        return tuple((0, n) for n in scan.grid.shape)
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    found = ndimage.find_objects(pieces, largest)[largest - 1]
    margin = np.ceil(margin_mm / scan.grid.spacing).astype(int) + step
    return tuple(
        (max(0, int(part.start * n - m)), min(size, int(part.stop * n + m)))
        for part, n, m, size in zip(found, step, margin, scan.grid.shape, strict=True)
    )


def liver_box(classes: np.ndarray, spacing: np.ndarray, margin_mm: float = MARGIN_MM) -> Box | None:
    """The box around everything that is liver or tumour, and a margin; None without any."""
    found = ndimage.find_objects((classes > 0).view(np.uint8))
    if not found:
        return None
    margin = np.ceil(margin_mm / spacing).astype(int).tolist()
    return tuple(
        (max(0, part.start - m), min(size, part.stop + m))
        for part, m, size in zip(found[0], margin, classes.shape, strict=True)
    )


def _cropped(scan: Volume, label: Volume | None, crop: str) -> Box:
    if crop == "liver" and label is not None:
        found = liver_box(label.voxels, scan.grid.spacing)
        return found or body_box(scan)  # a label without any liver: there is nothing to look at
    return body_box(scan) if crop == "body" else tuple((0, n) for n in scan.grid.shape)


def prepare(
    cases: Sequence[Case],
    settings: CubeSettings = CubeSettings(),
    folder: str | Path = "data/cubes",
    workers: int | None = None,
) -> list[Path]:
    """The cached cube of each case, made where it is missing, in `workers` processes.

    A cube's file name holds what it was made from (the files' places, sizes and times) and its
    folder the settings, so that a changed input or setting never meets a stale cube.
    """
    paths = [cube_path(case, settings, folder) for case in cases]
    missing = [
        (case, settings, path)
        for case, path in zip(cases, paths, strict=True)
        if not path.is_file()
    ]
    for _ in in_processes(_make, missing, workers, "cubes"):
        pass
    return paths


def cube_path(case: Case, settings: CubeSettings, folder: str | Path) -> Path:
    """Where the cache keeps the cube of a case."""
    files = [file for file in (case.image, case.label) if file]
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return Path(folder) / digest(settings) / f"{case.name}-{digest(stats)}.safetensors"


def _make(case: Case, settings: CubeSettings, path: Path) -> None:
    to_cube(*case.read(), settings).save(path)


def _used(weights: np.ndarray) -> slice:
    """The range of input voxels that any of the weights touches; one voxel where none is."""
    columns = np.flatnonzero(weights.any(axis=0))
    return slice(int(columns[0]), int(columns[-1]) + 1) if columns.size else slice(0, 1)
