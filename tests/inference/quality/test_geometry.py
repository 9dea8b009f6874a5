"""Bodies, voxels and fields of view that cannot be are noticed."""

import numpy as np
import pytest
from wrong_inputs import KINDS

from liverlib.core.verdict import NOT_TO_BE_USED
from liverlib.inference.quality.geometry import Sample, check_geometry
from liverlib.io.volume import Grid, Volume

OF_GEOMETRY = [
    "20 mm voxels", "20 mm header", "identity header", "in-plane header × 2",
    "in-plane header ÷ 2", "few slices", "small crop", "axes x and y swapped",
]  # fmt: skip


def reasons(scan):
    return check_geometry(scan.grid, Sample.of(scan))


def body(shape, spacing, radii) -> Volume:
    """A cylinder along z, of `radii` mm, in air."""
    x, y = (np.arange(n) * mm - n * mm / 2 for n, mm in zip(shape[:2], spacing[:2], strict=True))
    inside = (x[:, None] / radii[0]) ** 2 + (y / radii[1]) ** 2 < 1
    hu = np.where(inside[:, :, None], 50, -1000) + np.zeros(shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = 9
    return Volume(hu.astype(np.int16), Grid.of(shape, affine), "body")


def test_a_sample_knows_the_bodys_extents_and_where_it_is_cut():
    sample = Sample.of(body((200, 180, 60), (2, 2, 4), (150, 110)))
    np.testing.assert_allclose(sample.body_mm, (300, 220, 240), atol=8)
    assert sample.cut == [0, 0, 2]


@pytest.mark.parametrize(("key", "text"), [("sheared", "tilted gantry"), ("qform", "the qform")])
def test_voxels_that_are_sheared_or_of_two_positions_are_told(key, text):
    scan = body((200, 180, 60), (2, 2, 4), (150, 110))
    affine = scan.grid.affine.copy()
    affine[1, 2] = 4 * np.tan(np.radians(15)) * (key == "sheared")
    header = Grid.of(scan.grid.shape, affine).header
    if key == "qform":
        header.set_qform(np.diag([2, 2, 3, 1.0]), code=1)
    told = check_geometry(Grid.from_header(header), Sample.of(scan))
    assert [(reason.cause, text in reason.text) for reason in told] == [("axes", True)]


def test_an_adults_body_gives_no_reason():
    assert reasons(body((200, 180, 60), (2, 2, 4), (150, 110))) == []


@pytest.mark.parametrize(
    ("spacing", "cause", "text"),
    [
        ((4, 4, 4), "spacing", "mm wide and"),
        ((1.2, 1.2, 4), "spacing", "mm wide and"),
        ((2, 2, 10), "resolution", "2 × 2 × 10 mm"),
        ((2, 3, 4), "axes", "axes may be swapped"),
        ((2, 2, 0.4), "coverage", "60 slices over 24 mm"),
    ],
)
def test_what_cannot_be_is_told_with_its_size(spacing, cause, text):
    scan = body((200, 180, 60), (2, 2, 4), (150, 110))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = 9
    found = reasons(Volume(scan.voxels, Grid.of(scan.grid.shape, affine), ""))
    assert [reason for reason in found if reason.cause == cause and text in reason.text], found


def test_voxels_of_more_than_a_centimetre_are_not_to_be_used():
    found = reasons(body((30, 20, 20), (20, 20, 20), (150, 110)))
    assert NOT_TO_BE_USED in {reason.verdict for reason in found}


@pytest.mark.parametrize("kind", OF_GEOMETRY)
def test_each_kind_is_named_on_phantoms(kind, phantoms):
    named = []
    for scan, label in phantoms:
        spoilt = KINDS[kind].spoil(scan, label)
        named.append({reason.cause for reason in reasons(spoilt)})
    assert sum(bool(each & set(KINDS[kind].causes)) for each in named) >= 7, named


def test_sound_scans_give_no_reason(phantoms, real_scans):
    assert [reasons(scan) for scan, _ in phantoms] == [[]] * 8
    assert [reasons(scan) for scan in real_scans] == [[]] * 7
