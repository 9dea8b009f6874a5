"""Whether a scan would look more like one if it were turned: the affine may be wrong.

Bone and air tell front from back and up from down without a network: the spine lies at the back,
the lungs at the top. The coarse network tells the rest: a mirrored body shows it less of a liver.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Reason

from .geometry import Sample

BONE_HU, AIR_HU = 250, -400
Axes = tuple[int, ...]  # that are reversed
TURNS: dict[Axes, str] = {
    (0,): "mirrored left–right",
    (1,): "with front and back exchanged",
    (2,): "upside down",
    (0, 1): "turned by half a turn about the head–feet axis",
    (0, 2): "upside down and mirrored, as feet first",
    (1, 2): "upside down, with front and back exchanged",
    (0, 1, 2): "mirrored along all three axes",
}
SURE, MAYBE = 0.9, 0.1  # probabilities
LEAST_SURE = 0.012  # of the cube's voxels, and
LEAST_SHARE = 0.55  # of what may be liver: less of either shows no liver, however turned
# How many times as much liver a turned scan must show: chosen on phantoms. They show far less of it
# where left and right are exchanged, but nearly as much upside down.
MARGIN = {0: 1.3, 2: 1.35}


def check_orientation(sample: Sample, predict: Callable[[Axes], np.ndarray]) -> list[Reason]:
    """At most one reason: how the scan seems to be turned.

    Args:
        sample: of the scan.
        predict: the coarse stage's probabilities (2, S, S, S) of the scan with some axes reversed.
    """
    back = spine_at_back(sample)
    turned: Axes = () if back is None or back else (1,)
    upright = lungs_at_top(sample)
    base, _ = sure_liver(predict(turned))
    best, most = turned, base
    for more in ((0,), (2,), (0, 2)):
        margin = max(MARGIN[axis] for axis in more)
        if 2 in more and upright is not None:
            margin *= 1.3 if upright else 0.75
        axes = tuple(sorted((*turned, *more)))
        found, share = sure_liver(predict(axes))
        if share > LEAST_SHARE and found > LEAST_SURE and found / margin > most:
            best, most = axes, found / margin
    if not best or (best == turned and base < LEAST_SURE):
        return []
    text = f"The scan seems to be {TURNS[best]}: the affine may be wrong. "
    verdict = NOT_TO_BE_USED if 0 in best or most > 2 * base else LOOK_CLOSELY
    return [Reason("orientation", text + "Correct it, or convert the series again.", verdict)]


def sure_liver(probabilities: np.ndarray) -> tuple[float, float]:
    """What surely is liver: its share of the cube, and of what may be liver."""
    surely, maybe = (float((probabilities[0] > least).mean()) for least in (SURE, MAYBE))
    return surely, surely / max(maybe, 1e-9)


def spine_at_back(sample: Sample) -> bool | None:
    """Whether bone in the body's middle lies at its back; None where there is too little bone."""
    assert sample.body
    body = sample.voxels[sample.body]
    third = body.shape[0] // 3
    bone = (body[third : len(body) - third] > BONE_HU).sum(axis=(0, 2))
    if bone.sum() < 0.003 * body.size / 3:
        return None
    at = (bone * np.arange(len(bone))).sum() / bone.sum() / len(bone)
    return None if 0.48 < at < 0.52 else bool(at < 0.5)


def lungs_at_top(sample: Sample) -> bool | None:
    """Whether the air within the body lies in its upper part; None where there is little of it."""
    assert sample.body
    air, _ = ndimage.label(sample.voxels < AIR_HU)
    outside = np.unique(np.concatenate([air[[0, -1]].ravel(), air[:, [0, -1]].ravel()]))
    inside = ((air > 0) & ~np.isin(air, outside))[sample.body]
    height = inside.sum(axis=(0, 1))
    if inside.mean() < 0.02:
        return None
    at = (height * np.arange(len(height))).sum() / height.sum() / len(height)
    return None if 0.4 < at < 0.6 else bool(at > 0.5)
