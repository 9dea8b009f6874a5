"""The fine stage: what it adds to the ROI stage's outcome, and where it adds nothing."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from stages import Threshold, perfect, stage_output

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.inference.fine import OVERLAP, TILE, FineStage, fine_path, tiles
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.inference.prediction import Prediction
from liverlib.inference.segmenter import Segmenter, files_of
from liverlib.inference.stage_output import StageOutput
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube

SHAPE = (140, 130, 120)
LIVER = (slice(20, 120), slice(20, 110), slice(15, 105))
DARKER = Threshold(0.0, (0.2, 0.4))  # tumour from 24 to 72 HU below the liver


def ball(centre, radius) -> np.ndarray:
    """Voxels of a ball, bool."""
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return sum((x - c) ** 2 for x, c in zip(axes, centre, strict=True)) <= radius**2


def case(*balls, mm=1.0) -> tuple[Volume, StageOutput]:
    """A scan with dark balls, and a ROI stage that finds its liver and no tumour."""
    affine = np.diag([mm, mm, mm, 1])
    affine[:3, 3] = 9  # no false identity
    grid = Grid.of(SHAPE, affine)
    label, hu = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 100, np.int16)
    label[LIVER] = 1
    for centre, radius in balls:
        hu[ball(centre, radius)] = 50
    scan = Volume(hu, grid, "scan")
    cube = to_cube(scan, Volume(label, grid), CubeSettings(64, ROI_WINDOW, "liver"))
    return scan, stage_output(cube, perfect(cube)[1][None], grid)


def stage() -> FineStage:
    return FineStage(DARKER, CubeSettings(128, ROI_WINDOW, "liver"))


def added(scan: Volume, roi: StageOutput) -> np.ndarray:
    """The tumour on the scan's grid, bool."""
    found = stage().add(scan, roi_at(roi, 100))
    assert np.array_equal(found.probabilities[:, 0], roi.probabilities[:, 0])
    return found.cube.to_grid(found.kept) == 2


def roi_at(roi: StageOutput, level: float) -> StageOutput:
    return StageOutput(roi.cube, roi.probabilities, roi.kept, roi.box, level)


def test_a_small_tumour_that_the_roi_stage_misses_is_added_where_it_is():
    small = (60, 60, 60), 4
    scan, roi = case(small)
    tumour, exact = added(scan, roi), ball(*small)
    assert 2 * (tumour & exact).sum() > 0.75 * (tumour.sum() + exact.sum())


def test_a_large_one_is_left_to_the_roi_stage():
    assert not added(*case(((60, 60, 60), 12))).any()


def test_nothing_is_added_outside_the_liver():
    assert not added(*case(((10, 60, 60), 4))).any()


def test_a_coarse_scan_is_left_as_it_is():
    scan, roi = case(((60, 60, 60), 4), mm=1.5)
    given = roi_at(roi, 100)
    assert stage().add(scan, given) is given


def test_single_predictions_hold_what_is_added_though_it_is_less_than_certain():
    scan, roi = case(((60, 60, 60), 4))
    roi = roi_at(replace(roi, probabilities=np.repeat(roi.probabilities, 2, axis=0)), 100)
    found = stage().merge(0.95 * stage().find(scan, roi), roi, scan.grid)
    prediction = Prediction(scan.grid, "scan", [found])
    assert found.added.max() < PostprocessSettings.min_lesion_probability
    ml = (prediction.mask.voxels == 2).sum() / 1000
    assert ml > 0.1 and prediction.tumour_ml_each == pytest.approx((ml, ml))


@pytest.mark.parametrize("size", [96, 128, 192, 256])
def test_tiles_cover_the_cube_and_overlap(size):
    covered = np.zeros((size, size), int)
    boxes = list(tiles(size))
    for x, y, z in boxes:
        assert {side.stop - side.start for side in (x, y, z)} == {TILE}
        covered[x, y] += 1
    assert covered.all()
    starts = sorted({x.start for x, _, _ in boxes})
    assert all(later - start <= TILE - OVERLAP for start, later in pairwise(starts))


def test_it_lies_beside_its_weights_and_is_loaded_with_them_alone(tmp_path):
    for name in "ab":
        abouts = [{"cube": to_dict(CubeSettings(32, crop=crop))} for crop in ("body", "liver")]
        save_networks(tmp_path / f"{name}.safetensors", [(UNet3D((4, 8)), each) for each in abouts])
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    assert Segmenter.load(a).fine is None and files_of(a) == [a]
    about = {"cube": to_dict(CubeSettings(256, ROI_WINDOW, "liver"))}
    save_networks(fine_path(a), [(UNet3D((4, 8)), about)])
    assert Segmenter.load(a).fine.cube.size == 256
    assert files_of(a) == [a, fine_path(a)]
    assert Segmenter.load(a, b).fine is None
    about = {"cube": to_dict(CubeSettings(112, ROI_WINDOW, "liver"))}
    save_networks(fine_path(a), [(UNet3D((4, 8)), about)])
    with pytest.raises(LiverlibError, match="112³ voxels are no multiple of the ROI stage's 32³"):
        Segmenter.load(a)
    fine_path(a).write_bytes(b.read_bytes())
    with pytest.raises(LiverlibError, match="holds no fine stage"):
        Segmenter.load(a)
