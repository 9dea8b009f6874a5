"""The liver and its tumours in a CT scan: python segment.py scan.nii.gz mask.nii.gz

Needs numpy, nibabel and onnxruntime. Beside it lie coarse.onnx, roi.onnx and config.json. Two
networks see the scan as cubes: the whole body, then the liver alone. Not a medical device.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Sides = tuple[slice, ...]
# (S, S, S) in 0…1 by a stage's name → probabilities (2, S, S, S) of liver or tumour, and of tumour
Predict = Callable[[str, np.ndarray], np.ndarray]


def segment(hu: np.ndarray, spacing: np.ndarray, config: dict, predict: Predict) -> np.ndarray:
    """0 background, 1 liver, 2 tumour (X, Y, Z) of Hounsfield units in RAS order; spacing in mm."""
    mask, body, least = np.zeros(hu.shape, np.uint8), _body(hu, spacing), config["least_lesion"]
    image = _cube(hu, body, config["coarse"], 0)
    coarse = _cleaned(predict("coarse", image / np.float32(255)), least)
    liver = coarse[0] >= 0.5
    if not liver.any():
        return mask
    roi_box = _around(liver, body, spacing, config["margin_mm"])
    low, high = config["coarse"]["window"]
    level = np.rint(low + np.median(image[liver]) * (high - low) / 255)
    image = _cube(hu, roi_box, config["roi"], level)
    roi = _cleaned(predict("roi", image / np.float32(255)), least)
    sides = zip(roi_box, image.shape, spacing, strict=True)
    mm = [(side.stop - side.start) * width / n for side, n, width in sides]
    if (roi[0] >= 0.5).any():
        _add_from_contrasts(roi, image, mm, config["contrasts"], predict)
    before, after = (
        np.stack([_on_grid(channel, box, roi_box) for channel in values])
        for values, box in ((coarse, body), (roi, roi_box))
    )
    x, y, z = _ramps(roi_box, hu.shape, spacing, config["margin_mm"])
    inside = _classes(before + (after - before) * (x[:, None, None] * y[:, None] * z))
    inside[_outside_largest(inside > 0)] = 0
    mask[roi_box] = inside
    return mask


def _body(hu: np.ndarray, spacing: np.ndarray) -> Sides:
    """The box around the largest piece above -300 HU, on about every fourth millimetre."""
    step = np.maximum(1, np.rint(4 / spacing).astype(int))
    dense = hu[tuple(slice(n // 2, None, n) for n in step)] > -300
    for combine in (np.logical_and, np.logical_and, np.logical_or, np.logical_or):  # an opening
        padded, whole = np.pad(dense, 1), dense.copy()
        for axis in range(3):
            for start in (0, 2):
                index = [slice(1, -1)] * 3
                index[axis] = slice(start, start + dense.shape[axis])
                combine(whole, padded[tuple(index)], out=whole)
        dense = whole
    if not dense.any():
        return tuple(slice(0, size) for size in hu.shape)
    used = np.argwhere(dense & ~_outside_largest(dense))
    more = np.ceil(5 / spacing).astype(int) + step
    starts = np.maximum(0, used.min(0) * step - more)
    stops = np.minimum(hu.shape, (used.max(0) + 1) * step + more)
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _around(liver: np.ndarray, body: Sides, spacing: np.ndarray, margin_mm: float) -> Sides:
    """The box of the scan around the liver in the body's cube, and a margin."""
    used, box = np.argwhere(liver), []
    for axis, side in enumerate(body):
        width = (side.stop - side.start) / liver.shape[axis]
        more = int(np.ceil(margin_mm / (width * spacing[axis])))
        low = max(0, used[:, axis].min() - more)
        high = min(liver.shape[axis], used[:, axis].max() + 1 + more)
        start, stop = np.floor(side.start + low * width), np.ceil(side.start + high * width)
        box.append(slice(int(start), min(side.stop, int(stop))))  # the width is rounded
    return tuple(box)


def _weights(n_in: int, n_out: int, start: float, stop: float) -> np.ndarray:
    """(n_out, n_in): averages by area going down, interpolates between centres going up."""
    edges, voxel = np.linspace(start, stop, n_out + 1)[:, None], np.arange(n_in)[None]
    low, high = edges[:-1], edges[1:]
    if (stop - start) / n_out > 1:
        covered = np.minimum(high, voxel + 1) - np.maximum(low, voxel)
        return (np.clip(covered, 0, None) / (high - low)).astype(np.float32)
    centre = np.clip((low + high) / 2 - 0.5, 0, n_in - 1)
    return np.clip(1 - np.abs(centre - voxel), 0, None).astype(np.float32)


def _cube(hu: np.ndarray, box: Sides, stage: dict, level: float) -> np.ndarray:
    """The scan in a box as (S, S, S): grey values 0…255 of the stage's window about a level."""
    (low, high), part = np.add(stage["window"], level), hu
    for axis in (2, 1, 0):
        side = box[axis]
        weights = _weights(hu.shape[axis], stage["size"], side.start, side.stop)
        used = np.flatnonzero(weights.any(0))
        kept = slice(used[0], used[-1] + 1)
        part = part[(slice(None),) * axis + (kept,)]
        if axis == 2:
            part = np.clip(part.astype(np.float32), np.float32(low), np.float32(high))
        part = np.moveaxis(np.tensordot(weights[:, kept], part, (1, axis)), 0, axis)
    return np.rint((part - low) * (255 / (high - low)))


def _on_grid(values: np.ndarray, whole: Sides, box: Sides) -> np.ndarray:
    """The values (S, S, S) of a cube of the box `whole` at the scan's voxels in a box of it."""
    for axis, (outer, side) in enumerate(zip(whole, box, strict=True)):
        scale = values.shape[axis] / (outer.stop - outer.start)
        edges = ((edge - outer.start) * scale for edge in (side.start, side.stop))
        weights = _weights(values.shape[axis], side.stop - side.start, *edges)
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return values


def _ramps(box: Sides, shape: tuple, spacing: np.ndarray, margin_mm: float) -> list[np.ndarray]:
    """Along each axis, from 0 at faces of the box to 1 at the margin; 1 where the scan ends."""
    ramps = []
    for side, size, mm in zip(box, shape, spacing, strict=True):
        centres, ramp = np.arange(side.start, side.stop) + 0.5, np.ones(side.stop - side.start)
        if side.start > 0:
            ramp = np.minimum(ramp, (centres - side.start) * mm / margin_mm)
        if side.stop < size:
            ramp = np.minimum(ramp, (side.stop - centres) * mm / margin_mm)
        ramps.append(ramp.astype(np.float32))
    return ramps


def _classes(probabilities: np.ndarray) -> np.ndarray:
    liver, tumour = probabilities >= 0.5
    return liver.astype(np.uint8) + (tumour & liver)


def _cleaned(probabilities: np.ndarray, least: float) -> np.ndarray:
    """The largest piece alone, without lesions that reach the probability `least` nowhere."""
    outside = _outside_largest(_classes(probabilities) > 0)
    kept = np.where(outside, np.float32(0), probabilities)
    ids = _pieces(kept[1] >= 0.5)
    certain = np.unique(ids[kept[1] >= least])
    kept[1][(ids > 0) & ~np.isin(ids, certain)] = 0
    return kept


def _add_from_contrasts(
    roi: np.ndarray, image: np.ndarray, mm: list[float], contrasts: list, predict: Predict
) -> None:
    """Adds the tumours that the ROI network finds once the liver's contrast is changed."""
    liver = roi[0] >= 0.5
    level = np.median(image[liver])
    for contrast in contrasts:
        changed = np.rint(level + contrast["gain"] * (image - level)).clip(0, 255)
        tumour = predict("roi", np.where(liver, changed, image) / np.float32(255))[1]
        ids = _pieces(liver & (tumour >= 0.5))
        for lesion in np.unique(ids[(ids > 0) & (tumour >= contrast["least_peak"])]):
            inside = ids == lesion
            if _holds_bright_ball(image - level, inside, mm, contrast["least_radius_mm"]):
                roi[1][inside] = np.maximum(roi[1], tumour)[inside]


def _holds_bright_ball(
    excess: np.ndarray, lesion: np.ndarray, mm: list[float], radius: float
) -> bool:
    """Whether a ball of this radius fits into what of a lesion is brighter than the liver."""
    if not radius:
        return True
    taps = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    for axis in range(3):  # a Gaussian filter
        more = np.pad(excess, [(4 * (n == axis),) * 2 for n in range(3)], "symmetric")
        parts = [np.roll(more, 4 - n, axis) * tap for n, tap in enumerate(taps / taps.sum())]
        excess = np.take(sum(parts), range(4, 4 + excess.shape[axis]), axis)
    mean = excess[lesion].mean()
    squares = np.where(lesion & (excess > mean / 2), np.inf, 0)  # of the mm to what is outside
    for axis, side in enumerate(mm):
        before, reach = squares, int(radius / side) + 1
        more = np.pad(
            before, [(reach * (n == axis),) * 2 for n in range(3)], constant_values=np.inf
        )
        for n in range(-reach, reach + 1):
            part = np.take(more, range(reach + n, reach + n + before.shape[axis]), axis)
            squares = np.minimum(squares, part + (n * side) ** 2)
    return bool(mean > 0 and (squares >= radius**2).any())


def _outside_largest(mask: np.ndarray) -> np.ndarray:
    """What of a mask is not in its largest piece."""
    numbers, sizes = np.unique(ids := _pieces(mask), return_counts=True)
    sizes[numbers == 0] = 0
    return mask & (ids != numbers[sizes.argmax()])


def _pieces(mask: np.ndarray) -> np.ndarray:
    """Connected pieces (6 neighbours): each voxel gets the highest number in its piece, else 0.

    Runs of voxels along each axis take the highest of theirs, until nothing changes.
    """
    pieces, at = np.zeros(mask.shape, np.int64), np.argwhere(mask)
    numbers, before, axes = np.arange(1, len(at) + 1), None, []
    for axis in range(3) if len(at) else ():
        order = np.lexsort((at[:, axis], at[:, axis - 1], at[:, axis - 2]))
        steps = np.abs(np.diff(at[order], axis=0))
        starts = np.append(0, np.flatnonzero((steps.sum(1) != 1) | (steps[:, axis] != 1)) + 1)
        axes.append((order, starts, np.diff(np.append(starts, len(at)))))
    while before is None or (numbers != before).any():
        before = numbers.copy()
        for order, starts, lengths in axes:
            highest = np.maximum.reduceat(numbers[order], starts)
            numbers[order] = np.repeat(highest, lengths)
    pieces[mask] = numbers
    return pieces


def main(scan: str, output: str) -> None:
    """Reads a NIfTI file in mm and writes its mask, in the same orientation."""
    import nibabel as nib
    import onnxruntime

    folder = Path(__file__).parent
    config = json.loads((folder / "config.json").read_text("utf-8"))
    sessions = {
        name: onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("coarse", "roi")
    }

    def predict(name: str, image: np.ndarray) -> np.ndarray:
        feed = {"image": image[None, None].astype(np.float32)}
        return np.asarray(sessions[name].run(None, feed)[0])[0]

    image: Any = nib.load(scan)
    ras = nib.as_closest_canonical(image)
    spacing = np.linalg.norm(ras.affine[:3, :3], axis=0)
    mask = segment(np.asanyarray(ras.dataobj).reshape(ras.shape[:3]), spacing, config, predict)
    stored = nib.io_orientation(image.affine)
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), stored)
    written = nib.Nifti1Image(nib.apply_orientation(mask, back), image.affine)
    written.set_sform(*image.header.get_sform(coded=True))
    written.set_qform(*image.header.get_qform(coded=True))
    written.header.set_xyzt_units("mm")
    nib.save(written, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
