"""Whether a scan's values are Hounsfield units, and if not, what they look like instead.

By definition air has −1000 HU and water 0. Fat lies at −120 to −60 HU, and soft tissue at 0 to 150
with and without contrast medium (Hounsfield, Br J Radiol 46, 1973). Most of a body is one of these.
"""

import numpy as np

from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Reason

AGAIN = "convert the series again"
OFFSETS = (1024, 1000, 32768, 2048, -1024, -1000)  # of intercepts that were left out, or used twice
SCALES = {10.0: "times 10", 100.0: "times 100", 1000.0: "times 1000"}
SCALES |= {0.1: "divided by 10", 0.01: "divided by 100", 0.001: "divided by 1000"}
LEAST_CORRELATION = 0.25  # of neighbours a few mm apart; noise has 0, phantoms from 0.8
SHUFFLED = 0.7  # how unlike the next slice is, beside one a third of the scan further; 1: at random
FEW_VALUES = 256


def check_grey_values(sample: np.ndarray) -> list[Reason]:
    """What is wrong with the values of a scan's sample (X, Y, Z): at most one reason.

    `sample` holds voxels at equal distances, some mm apart.
    """
    if not np.isfinite(sample).all():
        return [_refused("values", "Holds NaN or infinite voxels. Replace them by -1024.")]
    low, high = float(sample.min()), float(sample.max())
    if low == high:
        text = f"Every voxel is {low:g}: the file holds no image. Export or {AGAIN}."
        return [_refused("constant", text)]
    if _like_label(sample):
        text = "Looks like a label or a mask, not like a CT. Give the scan instead."
        return [_refused("label", text)]
    values = sample.ravel().astype(np.float32)
    clipped = -600 < low < -30 and bool((values == low).mean() > 0.05)
    border = _border(sample)
    bright_outside = border > _middle(sample) + 0.1 * (high - low)
    unclipped = np.where(values == low, np.float32(-1000), values) if clipped else values
    if not bright_outside and like_hounsfield(unclipped) and not _divided(values):
        return _of_hounsfield(sample, low if clipped else None)
    moved = None if bright_outside else _shifted(values, low, border) or _scaled(values)
    cause = _inverted(values) if bright_outside else moved
    cause = cause or _wrapped(values, low) or _inverted(values)
    if cause is None and (values > -250).mean() < 0.01:
        text = "No body in it: air alone. Give the series that shows the abdomen."
        cause = _refused("air", text)
    return [cause or _other(values, low, high)]


def like_hounsfield(values: np.ndarray) -> bool:
    """Whether most of a body in these values is fat or soft tissue, with fat or air beside it.

    Bone is rarely above 800 HU, and few voxels of a trunk are bone.
    """
    body = values[values > -250]
    if body.size < 0.01 * values.size:
        return False
    soft, fat = ((body > 0) & (body <= 160)).mean(), ((body > -150) & (body < -30)).mean()
    dense, outside = (body > 300).mean(), (values < -30).mean()
    bone_fits = (body > 800).mean() < 0.04 or (np.abs(values + 1000) < 100).mean() > 0.05
    return bool(soft + fat > 0.55 and soft > 0.1 and dense < 0.33 and bone_fits and outside > 0.01)


def _of_hounsfield(sample: np.ndarray, clipped: float | None) -> list[Reason]:
    """What else can be wrong with Hounsfield units: noise alone, and clipping."""
    tissue = np.clip(sample, -1000, 300).astype(np.float32)
    if max(_correlation(tissue, axis) for axis in range(3)) < LEAST_CORRELATION:
        text = "Neighbouring voxels have nothing in common: noise, or shuffled voxels. "
        return [_refused("noise", text + f"Export or {AGAIN}.")]
    if _shuffled(tissue):
        text = "Neighbouring slices do not fit each other: their order is wrong. "
        return [_refused("slices", text + f"{AGAIN.capitalize()}, sorted by position.")]
    if clipped is not None:
        text = f"Clipped at {clipped:g} HU: air looks like fat. {AGAIN.capitalize()} in full."
        return [Reason("clipped", text, LOOK_CLOSELY)]
    return []


def _divided(values: np.ndarray) -> bool:
    """Whether Hounsfield units divided by 10 explain values without any bone better."""
    return bool(np.percentile(values, 99.9) < 180 and like_hounsfield(10 * values))


def _shifted(values: np.ndarray, low: float, border: float) -> Reason | None:
    by_1000 = border < -12 or (border < 12 and low < -15)  # air lies at 0, padding at -24
    for offset in OFFSETS:
        if like_hounsfield(values - offset):
            offset = 1000 if offset == 1024 and by_1000 else offset
            sign, what = ("+", "missing") if offset > 0 else ("-", "used twice")
            do = f"{'Subtract' if offset > 0 else 'Add'} {abs(offset)}, or {AGAIN}."
            text = (
                f"Grey values look like HU {sign} {abs(offset)}: the file's intercept is {what}. "
            )
            return _refused("offset", text + do)
    return None


def _scaled(values: np.ndarray) -> Reason | None:
    for scale, name in SCALES.items():
        if like_hounsfield(values / scale):
            do = f"{'Divide' if scale > 1 else 'Multiply'} them, or {AGAIN}."
            text = f"Grey values look like HU {name}: the file's slope is wrong. {do}"
            return _refused("scale", text)
    return None


def _wrapped(values: np.ndarray, low: float) -> Reason | None:
    for bits in (16, 12) if low >= 0 else ():
        signed = np.where(values >= 2 ** (bits - 1), values - 2**bits, values)
        if like_hounsfield(signed):
            text = f"Negative values were stored as {bits} bits without a sign. "
            return _refused("wrapped", text + f"{AGAIN.capitalize()} with signed values.")
    return None


def _inverted(values: np.ndarray) -> Reason | None:
    for offset in (0.0, *OFFSETS, float(values.min() + values.max())):
        if like_hounsfield(offset - values):
            text = "Grey values are inverted: air is bright and bone dark. "
            return _refused("inverted", text + f"Turn their sign, or {AGAIN}.")
    return None


def _other(values: np.ndarray, low: float, high: float) -> Reason:
    """What values look like that no step brings to Hounsfield units."""
    whole = np.array_equal(values, np.rint(values))
    from_dicom = f"{AGAIN.capitalize()} from DICOM."
    if low >= 0 and high <= 255 and whole:
        text = "Grey values from 0 to 255: an export of a window, not Hounsfield units. "
        return _refused("window", text + from_dicom)
    if low >= -1.5 and high <= 1.5:
        text = f"Grey values from {low:.2g} to {high:.2g}: normalised, not Hounsfield units. "
        return _refused("window", text + from_dicom)
    text = f"Grey values from {low:.4g} to {high:.4g} are no Hounsfield units: perhaps MR, PET or "
    return _refused("modality", text + "another kind of image. Give a CT.")


def _border(sample: np.ndarray) -> float:
    """The median of what lies at the sides, front and back."""
    faces = sample[[0, -1]], sample[:, [0, -1]]
    return float(np.median(np.concatenate([face.ravel() for face in faces])))


def _middle(sample: np.ndarray) -> float:
    x, y = (slice(n // 4, n - n // 4) for n in sample.shape[:2])
    return float(np.median(sample[x, y]))


def _like_label(sample: np.ndarray) -> bool:
    """Whether there are few whole numbers, and neighbours are equal even away from the least."""
    if sample.dtype.kind == "f" and not np.array_equal(sample, np.rint(sample)):
        return False
    inside = sample[:-1] != sample.min()
    if np.ptp(sample.astype(np.float64)) > 10 * FEW_VALUES or len(np.unique(sample)) > FEW_VALUES:
        return False
    return bool(inside.any() and (sample[:-1] == sample[1:])[inside].mean() > 0.5)


def _shuffled(tissue: np.ndarray) -> bool:
    """Whether slices are hardly more like the next one than like any other."""
    steps = {
        n: np.abs(tissue[..., n:] - tissue[..., :-n]).mean() for n in (1, tissue.shape[2] // 3 or 1)
    }
    near, far = steps.values() if len(steps) > 1 else (0.0, 1.0)
    return bool(near > SHUFFLED * far)


def _correlation(sample: np.ndarray, axis: int) -> float:
    """Of each voxel with the next along an axis; 0 where nothing varies."""
    moved = np.moveaxis(sample, axis, 0)
    first, second = moved[:-1].ravel(), moved[1:].ravel()
    if first.size < 2 or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _refused(cause: str, text: str) -> Reason:
    return Reason(cause, text, NOT_TO_BE_USED)
