"""Arrays without a meaning: boxes, connected components, quotients."""

import errno
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .errors import LiverlibError

Box = tuple[slice, slice, slice]  # in the order of the axes
Spacing = np.ndarray | Sequence[float]  # mm from voxel to voxel along each axis


def to_box(sides: Iterable[slice]) -> Box:
    """Three slices as a box."""
    x, y, z = sides
    return x, y, z


def crop_to_content(*arrays: np.ndarray) -> list[np.ndarray]:
    """Views of arrays, cropped to the box around all voxels that are nonzero in any of them.

    Raises `LiverlibError` where their shapes differ.
    """
    if len({np.shape(array) for array in arrays}) > 1:
        raise LiverlibError(
            f"masks of shapes {' and '.join(str(np.shape(array)) for array in arrays)} cannot be "
            "compared. Bring both to the scan's own grid first."
        )
    box = content_box(*arrays)
    return [array[box] for array in arrays]


def content_box(*arrays: np.ndarray) -> tuple[slice, ...]:
    """The box around all voxels that are nonzero in any of these arrays of one shape."""
    views, box = list(arrays), []
    for axis in range(views[0].ndim):
        others = tuple(other for other in range(views[0].ndim) if other != axis)
        used = np.nonzero(np.any([view.any(axis=others) for view in views], axis=0))[0]
        box.append(slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0))
        views = [view[(slice(None),) * axis + (box[-1],)] for view in views]
    return tuple(box)


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The mask's connected components, numbered from 1 (int32), and their count.

    Voxels connect through their six faces, as in LiTS (the default of `scipy.ndimage.label`).
    """
    return ndimage.label(mask)


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected components of a 3D array, kept as runs: voxels that follow in a line.

    Memory grows with the surface of the pieces, not with the array. `axes` are those of the array,
    the fastest in memory last; lines go along that one. `starts` and `stops` (N,) count voxels in
    lines of one more, in planes of one line more; `numbers` (N,) tell the piece of each run, from 0
    in the order of `components`.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    starts: np.ndarray
    stops: np.ndarray
    numbers: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """The voxels of each piece."""
        return np.bincount(self.numbers, self.stops - self.starts).astype(np.int64)

    def part(self, number: int) -> tuple[np.ndarray, Box]:
        """One piece as a small mask, and the box that it fills."""
        order, ends = self._by_piece
        runs = order[ends[number] : ends[number + 1]]
        plane, line, start = _positions(self.starts[runs], self._padded)
        stop = start + (self.stops - self.starts)[runs]
        low = [int(axis.min()) for axis in (plane, line, start)]
        high = [int(axis.max()) for axis in (plane + 1, line + 1, stop)]
        sides = [slice(*edges) for edges in zip(low, high, strict=True)]
        planes, lines, length = (side.stop - side.start for side in sides)
        first = ((plane - low[0]) * lines + line - low[1]) * (length + 1) - low[2]
        mask = _filled(first + start, first + stop, (planes, lines, length + 1))[..., :-1]
        back = np.argsort(self.axes)
        return mask.transpose(back), to_box(sides[axis] for axis in back)

    def mask(self, chosen: np.ndarray) -> np.ndarray:
        """The pieces that `chosen` (bool, one each) holds, as a mask of the array's shape."""
        shape, (lines, length) = self._padded, self._padded[1:]
        mask = np.zeros([self.shape[axis] for axis in self.axes], bool)
        runs = chosen[self.numbers]
        starts, stops = self.starts[runs], self.stops[runs]
        for plane in np.unique(starts // (lines * length)):
            offset = plane * lines * length
            own = slice(*np.searchsorted(starts, (offset, offset + lines * length)))
            mask[plane] = _filled(starts[own] - offset, stops[own] - offset, shape[1:])[:-1, :-1]
        return mask.transpose(np.argsort(self.axes))

    @cached_property
    def _padded(self) -> tuple[int, int, int]:
        return _padded_shape([self.shape[axis] for axis in self.axes])

    @cached_property
    def _by_piece(self) -> tuple[np.ndarray, np.ndarray]:
        """The runs in the order of their pieces, and where each piece begins and ends."""
        return np.argsort(self.numbers, kind="stable"), np.append(
            0, np.cumsum(np.bincount(self.numbers))
        )


def find_pieces(array: np.ndarray, value: int | None = None) -> Pieces:
    """The connected components (6 neighbours) of what is not 0 in (X, Y, Z), or is `value`."""
    axes = np.argsort([-abs(stride) for stride in array.strides], kind="stable")
    view = array.transpose(axes)
    starts, stops = _runs(view, value)
    shape = _padded_shape(view.shape)
    touching = [_touching(starts, stops, step) for step in (shape[2], shape[1] * shape[2])]
    first, second = np.concatenate(touching, axis=1)
    graph = coo_array((np.ones(len(first), bool), (first, second)), (len(starts),) * 2)
    labels = connected_components(graph, directed=False)[1] if len(starts) else starts
    positions = np.array(_positions(starts, shape))[np.argsort(axes)]
    order = np.argsort(np.ravel_multi_index(tuple(positions), array.shape))
    _, earliest = np.unique(labels[order], return_index=True)
    numbers = np.empty(len(earliest), np.int64)
    numbers[np.argsort(earliest)] = np.arange(len(earliest))
    return Pieces(array.shape, tuple(axes.tolist()), starts, stops, numbers[labels])


def _padded_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """With one voxel more a line and one line more a plane: so none touches the next by chance."""
    planes, lines, length = shape
    return planes, lines + 1, length + 1


def _runs(view: np.ndarray, value: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of voxels start and stop, in an array of the padded shape; plane by plane."""
    _, lines, length = _padded_shape(view.shape)
    padded, edges = np.zeros((lines, length), bool), [np.zeros(0, np.int64)]
    for n, plane in enumerate(view):
        compare = np.not_equal if value is None else np.equal
        compare(plane, value or 0, out=padded[:-1, :-1])
        changes = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
        edges.append(changes + n * padded.size)
    starts, stops = np.concatenate(edges).reshape(-1, 2).T
    return starts, stops


def _touching(starts: np.ndarray, stops: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of runs of which the second overlaps the first where that is moved by `step`."""
    low = np.searchsorted(stops, starts + step, "right")
    count = np.searchsorted(starts, stops + step, "left") - low
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(starts)), count), np.repeat(low, count) + nth


def _positions(starts: np.ndarray, padded: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Plane, line and voxel in it."""
    lines, start = np.divmod(starts, padded[2])
    return *np.divmod(lines, padded[1]), start


def _filled(starts: np.ndarray, stops: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A mask of this shape with the runs in it."""
    edges = np.zeros(shape, bool)
    edges.ravel()[starts] = edges.ravel()[stops] = True
    return np.logical_xor.accumulate(edges.ravel()).reshape(shape)


def count_classes(classes: np.ndarray) -> list[int]:
    """The voxels of 0, 1 and 2 in (X, Y, Z) uint8, without a copy of all."""
    axes = np.argsort([-abs(stride) for stride in classes.strides], kind="stable")
    counts = np.zeros(3, int)
    for plane in classes.transpose(axes):
        counts += np.bincount(plane.ravel(), minlength=3)
    return counts.tolist()


@contextmanager
def enough_memory(name: str, shape: Sequence[int], itemsize: int = 2) -> Iterator[None]:
    """Turns a lack of memory into a `LiverlibError` that names a scan and what its voxels take.

    `itemsize` are the bytes of a voxel; a CT has 2.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        size, mb = " × ".join(map(str, shape)), math.prod(shape) * itemsize / 1e6
        raise LiverlibError(
            f"{name}: not enough memory: {size} voxels take {mb:,.1f} MB, and more while they are "
            "worked on. Crop the scan to the abdomen, store it with larger voxels, or use a "
            "machine with more."
        ) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Whether memory is short, in the words of Python, of the system, or of torch."""
    if isinstance(error, RuntimeError):
        return "allocate" in str(error) or "out of memory" in str(error)
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def ratio(part: float, whole: float) -> float:
    """`part` divided by `whole`; NaN where `whole` is 0."""
    return float(part / whole) if whole else np.nan
