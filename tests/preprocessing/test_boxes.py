import numpy as np
from phantoms import simple_case

from liverlib.io.volume import Volume
from liverlib.preprocessing.boxes import MARGIN_MM, body_box, liver_box, max_projection, whole_box


def test_the_box_holds_the_body_and_not_the_table():
    scan, _ = simple_case(size=60)
    inside = scan.voxels > -300
    hu = scan.voxels.copy()
    hu[5:55, 1, :] = 100  # a thin table top, behind the back
    box = body_box(Volume(hu, scan.grid))
    for axis, side in enumerate(box):
        content = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
        assert side.start <= content[0] and content[-1] < side.stop
    assert box[1].start > 1


def test_a_scan_of_air_keeps_its_whole_box():
    scan, _ = simple_case()
    air = Volume(np.full_like(scan.voxels, -1000), scan.grid)
    assert body_box(air) == (slice(0, 40),) * 3 == whole_box((40, 40, 40))


def test_the_livers_box_has_a_margin_and_ends_at_the_scan():
    spacing = (1.0, 2.0, 3.0)
    liver = np.zeros((60, 50, 40), bool)
    liver[20:30, 1:40, 35:39] = True
    x, y, z = liver_box(liver, spacing)
    assert (x.start, x.stop) == (20 - MARGIN_MM, 30 + MARGIN_MM)
    assert (y.start, y.stop) == (0, 45)
    assert (z.start, z.stop) == (31, 40)  # 10 mm are three slices and a third
    for view in (liver, liver.astype(np.uint8) * 2, np.asfortranarray(liver)):
        assert liver_box(view, spacing) == (x, y, z)
    for dtype in (np.int16, np.int64, np.float32):
        for order in "CF":
            assert liver_box(liver.astype(dtype, order=order), spacing) == (x, y, z)
    assert liver_box(liver[::-1], spacing)[0] == slice(60 - x.stop, 60 - x.start)


def test_without_a_liver_there_is_no_box():
    assert liver_box(np.zeros((5, 5, 5), bool), (1, 1, 1)) is None


def test_the_projection_is_the_highest_class_along_z():
    classes = np.random.default_rng(0).integers(0, 3, (6, 7, 8)).astype(np.uint8)
    for view in (classes, classes[::-1], classes[:, ::-1, ::-1]):
        np.testing.assert_array_equal(max_projection(view), view.max(axis=2))
