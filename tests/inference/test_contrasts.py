"""Changed contrasts: which tumours they add to the ROI stage's outcome, and which not."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from stages import Threshold, perfect, stage_output

from liverlib.inference.contrasts import (
    INVERTED,
    STRETCHED,
    ChangedContrast,
    add_from_contrasts,
    bright_radii,
)
from liverlib.inference.export import segment as script
from liverlib.inference.segmenter import probabilities
from liverlib.inference.stage_output import StageOutput
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.cube import ROI_WINDOW, Cube, CubeSettings, to_cube

SHAPE = (120, 110, 100)
LIVER = (slice(15, 105), slice(15, 95), slice(10, 90))
DARK = Threshold(0.0, (0.2, 0.42))  # finds a tumour from 19 to 72 HU below the liver
SPACING = (1.5, 1.5, 1.5)
CENTRE = (60, 55, 50)
BOTH = STRETCHED, INVERTED
FAINT, BRIGHT = -15, 30  # HU from the liver


def ball(mm: float) -> np.ndarray:
    """Voxels of a ball of this radius, bool."""
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    offsets = zip(axes, CENTRE, SPACING, strict=True)
    return sum(((x - c) * side) ** 2 for x, c, side in offsets) <= mm**2


def tube(mm: float) -> np.ndarray:
    """Voxels of a vessel of this radius along the body, bool."""
    return np.repeat(ball(mm).any(axis=2, keepdims=True), SHAPE[2], axis=2)


def case(shape: np.ndarray, hu: int) -> tuple[StageOutput, Grid]:
    """A ROI stage that finds a liver with this shape in it, of so many HU more, and no tumour."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = 9  # no false identity
    grid = Grid.of(SHAPE, affine)
    label, voxels = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 100, np.int16)
    label[LIVER] = 1
    voxels[shape] += hu
    cube = to_cube(Volume(voxels, grid), Volume(label, grid), CubeSettings(64, ROI_WINDOW, "liver"))
    return stage_output(cube, perfect(cube)[1][None], grid), grid


def predict(cube) -> np.ndarray:
    return probabilities(DARK, cube)[None]


def added(shape: np.ndarray, hu: int, *contrasts: ChangedContrast) -> np.ndarray:
    """The tumours that are added, on the scan's grid, bool."""
    roi, _ = case(shape, hu)
    found = add_from_contrasts(roi, predict, SPACING, contrasts)
    assert np.array_equal(found.probabilities[:, 0], roi.probabilities[:, 0])
    assert np.array_equal(found.kept[0], roi.kept[0])
    return found.cube.to_grid(found.kept) == 2


@pytest.mark.parametrize(("hu", "contrast"), [(FAINT, STRETCHED), (BRIGHT, INVERTED)])
def test_a_tumour_that_shows_in_the_changed_contrast_alone_is_added_where_it_is(hu, contrast):
    exact = ball(18)
    roi, _ = case(exact, hu)
    assert not (predict(roi.cube)[0, 1] >= 0.5)[roi.kept[0] >= 0.9].any()
    tumour = added(exact, hu, contrast)
    assert 2 * (tumour & exact).sum() > 0.85 * (tumour.sum() + exact.sum())


def test_without_contrasts_nothing_is_added():
    assert not added(ball(18), FAINT).any()


def test_what_is_thin_and_bright_is_a_vessel_and_no_tumour():
    assert not added(tube(6), BRIGHT, INVERTED).any()
    assert not added(ball(6), BRIGHT, INVERTED).any()
    assert added(tube(6), BRIGHT, ChangedContrast(INVERTED.gain, INVERTED.least_peak)).any()


def test_what_is_dark_is_no_bright_tumour():
    """A network that takes what is bright for a tumour finds the dark ones in inverted contrast."""
    bright, (roi, _) = Threshold(0.0, (0.58, 0.8)), case(ball(18), -30)
    for radius, any_added in ((0.0, True), (9.0, False)):
        contrast = ChangedContrast(-1.0, 0.9, radius)
        found = add_from_contrasts(
            roi, lambda cube: probabilities(bright, cube)[None], SPACING, [contrast]
        )
        assert found.added.any() == any_added


def test_nothing_is_added_outside_the_liver():
    outside = np.zeros(SHAPE, bool)
    outside[1:14, 20:90, 20:80] = True
    roi, _ = case(outside, -30)
    assert (predict(STRETCHED.cube(roi))[0, 1] >= 0.99).sum() > 1000  # it is called tumour there
    assert not add_from_contrasts(roi, predict, SPACING, [STRETCHED]).added.any()


@pytest.mark.parametrize(("peak", "any_added"), [(0.98, False), (0.995, True)])
def test_only_what_is_certain_is_added(peak, any_added):
    roi, _ = case(ball(18), FAINT)
    unsure = lambda cube: np.float32(peak) * predict(cube)  # noqa: E731
    assert add_from_contrasts(roi, unsure, SPACING, [STRETCHED]).added.any() == any_added


def test_single_predictions_are_averaged_and_each_has_its_own_tumours():
    roi, _ = case(ball(18), FAINT)
    roi = replace(roi, probabilities=roi.probabilities.repeat(2, axis=0))
    halves = np.float32([1, 0])[:, None, None, None, None]
    found = add_from_contrasts(roi, lambda cube: predict(cube) * halves, SPACING, [STRETCHED])
    assert not (found.kept[1] >= 0.5).any()
    assert [bool(single.any()) for single in found.added] == [True, False]


def test_the_contrast_changes_inside_the_liver_alone_about_its_median():
    roi, _ = case(ball(18), BRIGHT)
    liver = roi.kept[0] >= 0.5
    image, level = roi.cube.image.astype(float), np.median(roi.cube.image[liver])
    for gain in (1.0, 1.5, -1.0):
        changed = ChangedContrast(gain, 0.9).cube(roi).image
        assert changed.dtype == np.uint8
        np.testing.assert_array_equal(changed[~liver], roi.cube.image[~liver])
        expected = np.clip(level + gain * (image - level), 0, 255)
        np.testing.assert_allclose(changed[liver], expected[liver], atol=0.51)


@pytest.mark.parametrize("shape", [ball(18), tube(6), tube(10)], ids=["ball", "thin", "wide"])
@pytest.mark.parametrize("hu", [FAINT, BRIGHT])
def test_the_script_without_liverlib_adds_the_same(shape, hu):
    roi, _ = case(shape, hu)
    expected, own = add_from_contrasts(roi, predict, SPACING, BOTH).kept, roi.kept.copy()
    sides = zip(roi.cube.box, roi.cube.image.shape, SPACING, strict=True)
    mm = [(side.stop - side.start) * width / n for side, n, width in sides]

    def by_name(_: str, image: np.ndarray) -> np.ndarray:
        return predict(replace(roi.cube, image=np.rint(255 * image).astype(np.uint8)))[0]

    changes = [asdict(contrast) for contrast in BOTH]
    script._add_from_contrasts(own, roi.cube.image.astype(np.float64), mm, changes, by_name)
    np.testing.assert_array_equal(own, expected)


@given(st.integers(0, 999), st.sampled_from([3.0, 5.0, 7.0]))
@settings(max_examples=60, deadline=None)
def test_the_script_without_liverlib_measures_the_same_ball(seed, radius):
    random = np.random.default_rng(seed)
    mm, size = random.uniform(1, 3, 3), (18, 15, 12)
    axes = np.ogrid[tuple(slice(n) for n in size)]
    distance = sum(((x - n / 2) * side) ** 2 for x, n, side in zip(axes, size, mm, strict=True))
    lesion = distance <= random.uniform(3, 9) ** 2
    image = np.rint(100 + 40 * lesion + random.normal(0, 4, size)).astype(np.uint8)
    cube = Cube(image, None, tuple(slice(0, n) for n in size), size)
    roi = StageOutput(cube, np.ones((1, 2, *size)), np.ones((2, *size)), None)
    (expected,) = bright_radii(roi, lesion.astype(np.int32), range(1, 2), mm)
    if abs(expected - radius) > 1e-6:
        excess = image - np.median(image)
        own = script._holds_bright_ball(excess, lesion, mm.tolist(), radius)
        assert own == (expected >= radius)
        event(f"fits: {own}")
