"""What perfect predictions of both stages become, and where each stage decides."""

import numpy as np
import pytest
from phantoms import ellipsoid, simple_case
from stages import perfect

from liverlib.evaluation.case import score_case
from liverlib.evaluation.overlap import dice
from liverlib.inference.blending import blend, blended
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube

BODY, WHOLE = CubeSettings(), CubeSettings(crop="all")
LIVER = CubeSettings(crop="liver", window=ROI_WINDOW)


def in_two_stages(scan: Volume, label: Volume) -> np.ndarray:
    """The mask that perfect networks would give in two stages."""
    coarse, roi = (perfect(to_cube(scan, label, settings)) for settings in (BODY, LIVER))
    mask = coarse[0].to_grid(coarse[1])
    blend(mask, coarse, roi, scan.grid.spacing)
    return mask


@pytest.mark.parametrize(
    ("shape", "spacing", "orientation"),
    [((512, 512, 129), (0.57, 0.57, 1.6), "LPS"), ((512, 512, 75), (0.7, 0.7, 5.0), "LAS")],
)
def test_a_perfect_label_survives_both_stages_on_grids_of_real_size(shape, spacing, orientation):
    edge = np.multiply(shape, spacing)
    centre = edge * (0.62, 0.5, 0.5)
    body = ellipsoid(shape, spacing, edge / 2, edge * (0.48, 0.4, 2))
    liver = ellipsoid(shape, spacing, centre, np.minimum((75, 60, 80), edge * 0.45))
    tumour = np.zeros_like(liver)
    for x, y, z, diameter in (
        (-30, 0, 0, 10),
        (25, -20, 20, 14),
        (20, 25, -25, 25),
        (-10, 5, 45, 40),
    ):
        tumour |= ellipsoid(shape, spacing, np.add(centre, (x, y, z)), [diameter / 2] * 3)
    grid = Grid.of(shape, np.diag([*spacing, 1.0]), orientation)
    scan = Volume((1000 * body + 60 * liver - 1000).astype(np.int16), grid)
    label = Volume(liver.astype(np.uint8) + (tumour & liver), grid)
    mask = in_two_stages(scan, label)
    assert dice(label.voxels, mask) >= 0.99
    assert dice(label.voxels == 2, mask == 2) >= 0.95
    assert score_case(label.voxels, mask, spacing).iou_50.fn == 0


def test_outside_its_box_the_roi_stage_changes_nothing_and_inside_it_wins():
    scan, label = simple_case(size=48)
    cube = to_cube(scan, label, BODY)
    box = slice(10, 34), slice(12, 36), slice(14, 38)
    roi = to_cube(scan, None, LIVER, box)
    nothing, everything = (np.full((2, 128, 128, 128), x, np.float32) for x in (0, 1))
    mask = cube.to_grid(nothing)
    blend(mask, (cube, nothing), (roi, everything), (4, 4, 4))
    tumour = np.argwhere(mask == 2)
    assert len(tumour)
    assert (tumour.min(0) > (10, 12, 14)).all()  # its faces belong to the coarse stage …
    assert (tumour.max(0) < (33, 35, 37)).all()
    assert (mask[13:31, 15:33, 17:35] == 2).all()  # … and all that is 10 mm from them to it


def test_at_the_scans_own_faces_the_roi_stage_decides_alone():
    scan, label = simple_case()
    cube = to_cube(scan, label, CubeSettings(40, crop="all"))
    box = slice(0, 20), slice(0, 40), slice(10, 40)
    roi = to_cube(scan, None, LIVER, box)
    pair = (np.full((2, n, n, n), x, np.float32) for n, x in ((40, 0), (128, 1)))
    coarse, fine = pair
    slabs = blended((cube, coarse), (roi, fine), (4, 4, 4))
    values = np.concatenate(list(slabs), axis=3)[0]
    assert values.shape == (20, 40, 30)
    assert (values[:15, :, 5:] == 1).all()  # 10 mm, two voxels and a half, from inner faces
    np.testing.assert_allclose(values[:15, :, 0], 0.2)  # half a voxel, 2 mm of 10
    np.testing.assert_allclose(values[19, :, 10:], 0.2)


@pytest.mark.parametrize("largest", [True, False])
def test_what_the_roi_stage_cuts_off_from_the_liver_is_no_liver(largest):
    """The coarse stage has an arm that reaches the face of the box; the ROI stage has none."""
    scan, _ = simple_case(size=48)
    box = (slice(4, 44),) * 3
    liver, arm = np.zeros((2, 48, 48, 48), np.uint8)
    liver[20:30, 20:30, 20:30], arm[4:30, 24:26, 24:26] = 1, 1
    coarse, roi = (
        perfect(to_cube(scan, Volume(classes, scan.grid), settings, part))
        for classes, settings, part in ((liver | arm, WHOLE, None), (liver, LIVER, box))
    )
    mask = coarse[0].to_grid(coarse[1])
    assert mask[4, 24, 24]
    blend(mask, coarse, roi, (4, 4, 4), PostprocessSettings(largest_component=largest))
    assert mask[25, 25, 25]
    assert mask[:18].any() != largest
