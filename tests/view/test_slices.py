import io

import numpy as np
import pytest
from PIL import Image

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view.slices import (
    COLOURS,
    HU_LEVELS,
    PLANES,
    SHOW,
    WINDOWS,
    largest_slice,
    legend,
    letters,
    liver_slices,
    outline,
    pixel_aspect,
    plane_slice,
    png,
    render_slice,
    to_levels,
    window_of,
    windowed,
)

GREY = (110, 110, 110)  # what HU 40 - 28 is in the soft tissue window


def flat(*rows):
    """A volume one slice thick whose axial picture is `rows`, first row at the front."""
    picture = np.array(rows, np.uint8)
    return picture[::-1, ::-1].T[:, :, None]


def painted(label=None, mask=None, **options):
    """The axial picture of flat classes on even grey, the classes given as rows."""
    arrays = {k: flat(*v) for k, v in (("label", label), ("mask", mask)) if v is not None}
    scan = np.full(next(iter(arrays.values())).shape, 12, np.int16)
    return render_slice(scan, "axial", 0, **arrays, **options)


def named(picture, opacity=1.0):
    """The picture with each pixel as the name of its colour, or "" for bare grey."""
    names = {tuple(c): name for name, c in COLOURS.items()} | {GREY: ""}
    return [[names[tuple(int(v) for v in pixel)] for pixel in row] for row in picture]


def test_a_window_is_black_below_and_white_above():
    hu = np.array([-1000, -45, 30, 105, 3000])
    assert windowed(hu, *WINDOWS["liver"]).tolist() == [0, 0, 128, 255, 255]


def test_a_window_shows_nan_as_a_grey():
    assert windowed(np.array([np.nan]), 400, 40).dtype == np.uint8


def test_a_window_is_known_by_name_or_given():
    assert window_of("liver") == (150, 30)
    assert window_of((300, 50)) == (300, 50)
    with pytest.raises(LiverlibError, match=r"brain.*liver, soft tissue"):
        window_of("brain")
    for width in (0, -5, float("nan")):
        with pytest.raises(LiverlibError, match="width must be above 0"):
            window_of((width, 40))


def test_levels_are_256_rising_and_each_is_its_own_nearest():
    assert len(HU_LEVELS) == 256
    assert (np.diff(HU_LEVELS) > 0).all()
    assert np.array_equal(to_levels(HU_LEVELS), np.arange(256))


@pytest.mark.parametrize(
    ("low", "high", "error"), [(-64, 138, 1), (-192, 300, 2), (300, 1620, 12), (-1024, 1620, 16)]
)
def test_levels_are_as_near_as_promised(low, high, error):
    hu = np.arange(low, high + 1)
    assert np.abs(HU_LEVELS[to_levels(hu)].astype(int) - hu).max() <= error


def test_levels_clip_and_take_floats():
    hu = np.array([-3024.0, 27572.0, 40.4], np.float32)
    assert HU_LEVELS[to_levels(hu)].tolist() == [-1024, 1620, 40]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("radiological", [True, False])
@pytest.mark.parametrize(("axis", "ends"), [(0, "LR"), (1, "PA"), (2, "FH")])
def test_letters_stand_where_the_patient_is(plane, radiological, axis, ends):
    """A volume bright on one side of the patient is bright where that side's letter stands."""
    if axis == PLANES[plane]:
        return
    for at, letter in ((0, ends[0]), (-1, ends[1])):
        volume = np.zeros((4, 5, 6), np.uint8)
        np.moveaxis(volume, axis, 0)[at] = 1
        picture = plane_slice(volume, plane, 2, radiological)
        sides = {
            "left": picture[:, 0],
            "right": picture[:, -1],
            "top": picture[0],
            "bottom": picture[-1],
        }
        bright = [side for side, edge in sides.items() if edge.all()]
        assert [letters(plane, radiological)[side] for side in bright] == [letter]


def test_radiological_has_the_patients_right_on_the_viewers_left():
    assert letters("axial") == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert letters("coronal") == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    assert letters("sagittal") == {"left": "A", "right": "P", "top": "H", "bottom": "F"}
    assert letters("axial", radiological=False)["left"] == "L"


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "PIR"])
def test_a_picture_does_not_depend_on_how_a_file_stores_its_axes(tmp_path, orientation):
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    grid = Grid.of(voxels.shape, np.diag([2.0, 3, 4, 1]), orientation)
    write_volume(tmp_path / "scan.nii.gz", voxels, grid)
    scan = read_scan(tmp_path / "scan.nii.gz")
    for plane in PLANES:
        expected = render_slice(voxels, plane, 1)
        assert np.array_equal(render_slice(scan, plane, 1), expected)


def test_a_real_liver_lies_on_the_viewers_left_and_the_spine_behind(shared):
    scan = read_scan(shared / "ct_3mm" / "image.nii.gz")
    label = read_label(shared / "ct_3mm" / "label.nii.gz", scan)
    index = largest_slice(label, "axial")
    liver = plane_slice(label, "axial", index) == 1
    assert np.argwhere(liver).mean(0)[1] < 0.45 * liver.shape[1]
    middle = plane_slice(scan, "axial", index)[:, 50:70]
    assert np.argwhere(middle > 250).mean(0)[0] > 0.6 * liver.shape[0]


def test_largest_slice_is_that_of_the_tumour_else_liver_else_the_middle():
    classes = np.zeros((6, 6, 9), np.uint8)
    assert largest_slice(classes) == 4
    classes[:, :, 2] = 1
    assert largest_slice(classes) == 2
    classes[0, 0, 7] = classes[0, :2, 8] = 2
    assert largest_slice(classes) == 8
    assert largest_slice(classes, value=1) == 2
    assert largest_slice(classes, "sagittal") == 0


def test_liver_slices_go_through_the_label_and_the_mask_else_through_the_scan():
    scan, label, mask = (
        Volume(np.zeros((6, 6, 20), np.uint8), Grid.of((6, 6, 20), np.eye(4))) for _ in range(3)
    )
    assert liver_slices(None, None, scan, 3) == [0, 10, 19]
    label.voxels[2, 2, 7:9], mask.voxels[2, 2, 11] = 1, 2
    assert liver_slices(label, None, scan, 5) == [7, 8]
    assert liver_slices(label, mask, scan, 3) == [7, 9, 11]


def test_a_pixel_is_as_high_and_wide_as_its_voxel():
    grid = Grid.of((4, 4, 4), np.diag([0.7, 0.8, 5.0, 1]))
    assert pixel_aspect(grid, "axial") == pytest.approx(0.8 / 0.7)
    assert pixel_aspect(grid, "coronal") == pytest.approx(5 / 0.7)
    assert pixel_aspect(grid, "sagittal") == pytest.approx(5 / 0.8)


def test_fill_blends_by_opacity():
    assert painted([[1]], opacity=0.0)[0, 0].tolist() == list(GREY)
    half = painted([[1]], opacity=0.5)[0, 0]
    assert half.tolist() == [98, 145, 172]  # half of 110 and of sky blue, halves rounded up
    assert named(painted([[0, 1, 2]], opacity=1)) == [["", "liver", "tumour"]]


def test_the_mask_is_painted_as_the_label_is():
    rows = [[0, 1, 2]]
    assert np.array_equal(painted(rows, show="label"), painted(mask=rows, show="mask"))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((1, 2), ["", "liver", "tumour"]),
        ((1,), ["", "liver", "liver"]),  # a liver includes its tumours
        ((2,), ["", "", "tumour"]),
        ((), ["", "", ""]),
    ],
)
def test_classes_choose_what_is_painted(classes, expected):
    assert named(painted([[0, 1, 2]], opacity=1, classes=classes)) == [expected]


def test_difference_names_what_was_missed_and_what_is_extra():
    label, mask = [[0, 0, 0, 1, 1, 1, 2, 2, 2]], [[0, 1, 2, 0, 1, 2, 0, 1, 2]]
    picture = painted(label, mask, show="difference", opacity=1)
    missed, extra = ["missed"], ["extra"]
    row = ["", *extra * 2, *missed, "agreed", *extra, *missed * 2, "agreed"]
    assert named(picture) == [row]


def test_a_contour_follows_the_edge_inside():
    rows = np.zeros((6, 6), int)
    rows[1:5, 1:5] = 1
    rows[2:4, 2:4] = 2
    names = named(painted(rows.tolist(), contour=True, opacity=0.5))
    assert names[0] == [""] * 6
    assert names[1] == ["", *["liver"] * 4, ""]
    assert names[2] == ["", "liver", "tumour", "tumour", "liver", ""]


def test_an_outline_does_not_follow_the_border_of_the_picture():
    assert not outline(np.ones((5, 5), np.uint8)).any()


def test_lines_are_twice_as_opaque_as_fills():
    rows = [[1, 0]]
    fill, line = painted(rows, opacity=0.4), painted(rows, opacity=0.2, contour=True)
    assert np.array_equal(fill, line)


def test_both_fills_the_label_and_outlines_the_mask():
    label, mask = [[1, 1, 1, 0, 0, 0]], [[0, 0, 1, 1, 1, 0]]
    picture = painted(label, mask, show="both", opacity=0.5)[0]
    fill, line = [98, 145, 172], list(COLOURS["liver"])
    assert picture.tolist() == [fill, fill, line, list(GREY), line, list(GREY)]


def test_both_as_contours_dots_the_label():
    label = [[1, 1, 1, 1], [0, 0, 0, 0]]
    names = named(painted(label, [[0] * 4] * 2, show="both", contour=True, opacity=0.5))
    assert names[0] == ["liver", "", "liver", ""]


def test_the_legend_names_what_may_be_painted():
    assert list(legend("label")) == ["liver", "tumour"]
    assert list(legend("both", (2,))) == ["tumour"]
    assert list(legend("difference")) == ["agreed", "missed", "extra"]


def test_colours_can_be_told_apart_by_the_colour_blind():
    """Any two colours that meet in a picture differ enough in simulated sight (Machado 2009)."""
    sights = {
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }
    together = [("liver", "tumour"), ("agreed", "missed"), ("agreed", "extra"), ("missed", "extra")]
    for matrix in sights.values():
        for pair in together:
            a, b = (np.array(matrix) @ (np.array(COLOURS[c]) / 255) ** 2.2 for c in pair)
            difference = np.clip(a, 0, 1) ** (1 / 2.2) - np.clip(b, 0, 1) ** (1 / 2.2)
            assert np.linalg.norm(difference) > 0.3, pair


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"plane": "oblique"}, "oblique.*axial"),
        ({"show": "all"}, "all.*difference"),
        ({"show": "difference"}, "needs both"),
        ({"label": np.zeros((2, 2, 3))}, r"label: its shape is \(2, 2, 3\).*\(2, 2, 2\)"),
        ({"window": "brain"}, "brain"),
    ],
)
def test_a_mistake_is_named(options, words):
    arguments = {"plane": "axial"} | options
    with pytest.raises(LiverlibError, match=words):
        render_slice(np.zeros((2, 2, 2)), index=0, **arguments)


@pytest.mark.parametrize("show", SHOW[:3])
def test_a_scan_alone_is_a_picture_too(show):
    picture = render_slice(np.full((3, 4, 5), 12), "axial", 0, show=show)
    assert picture.shape == (4, 3, 3)
    assert (picture == GREY).all()


def test_png_has_the_right_proportions_and_equal_bytes():
    picture = render_slice(np.zeros((10, 20, 5)), "coronal", 0)  # 5 rows of 10
    first, second = png(picture, 2.5, 50), png(picture, 2.5, 50)
    assert first == second
    assert Image.open(io.BytesIO(first)).size == (40, 50)
    assert Image.open(io.BytesIO(png(picture))).size == (10, 5)
