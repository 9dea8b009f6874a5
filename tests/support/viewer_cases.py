"""Small volumes that the tests of the slice browser share. Nothing may change them."""

import base64
import gzip

import numpy as np

from liverlib.io.volume import Grid, Volume

HOSTILE = """"'><img src=x onerror=alert(1)></script><script>alert(2)</script>$title ${x} {{y}}"""


def volume(voxels, spacing=(2.0, 3.0, 4.0), name="case", affine=None):
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    return Volume(voxels, Grid.of(voxels.shape, affine), name)


def sent(voxels, first=(0, 0, 0)):
    """The text of a box of classes, as a page sends it."""
    packed = base64.b64encode(gzip.compress(voxels.astype(np.uint8).tobytes(order="F"))).decode()
    numbers = [",".join(map(str, values)) for values in (first, voxels.shape)]
    return ";".join([*numbers, packed])


def _two_tumours():
    """A liver with a tumour of 2×2×2 and one of a single voxel."""
    classes = np.zeros((20, 18, 14), np.uint8)
    classes[4:16, 4:14, 3:11] = 1
    classes[6:8, 6:8, 5:7] = 2
    classes[12, 10, 8] = 2
    return classes


SCAN = volume(np.random.default_rng(0).integers(-1100, 1700, (20, 18, 14)).astype(np.int16))
LABEL = volume(_two_tumours())
# The label moved by a voxel: the single voxel is missed, and another one is extra.
MASK = volume(np.roll(LABEL.voxels, 1, axis=0))
