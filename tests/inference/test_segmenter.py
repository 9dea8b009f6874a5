"""Two stages: what each is shown, what is averaged, and which weights belong together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import simple_case
from stages import Threshold, save_untrained

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.overlap import dice
from liverlib.inference import segmenter as module
from liverlib.inference.contrasts import INVERTED, STRETCHED
from liverlib.inference.postprocessing import PostprocessSettings, postprocess
from liverlib.inference.segmenter import SHIFTS, Segmenter, Stage, probabilities
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube


def grey(hu: float, window: tuple[float, float]) -> float:
    """A value in HU as a network sees it, 0…1."""
    low, high = window
    return (hu - low) / (high - low)


@pytest.fixture
def stages() -> tuple[Stage, Stage]:
    """The coarse stage knows no tumour at all; the ROI stage knows them by being darker."""
    body = CubeSettings(size=64)
    coarse = Stage([Threshold(grey(75, body.window), (9, 9))], body)
    liver, darker = grey(-24, ROI_WINDOW), grey(-55, ROI_WINDOW)
    roi = Stage([Threshold(liver, (darker, liver))], CubeSettings(64, ROI_WINDOW, "liver"))
    return coarse, roi


def test_weights_that_do_not_say_what_they_learned_from_are_named(tmp_path):
    save_networks(tmp_path / "w.safetensors", [(UNet3D((4, 8)), {})])
    with pytest.raises(LiverlibError, match=r"w\.safetensors: does not say what cubes"):
        Segmenter.load(tmp_path / "w.safetensors")


def clear_case() -> tuple[Volume, Volume]:
    """A case whose tumour has no noise."""
    scan, label = simple_case(size=64)
    scan.voxels[...] = np.where(label.voxels == 2, 62, scan.voxels)
    return scan, label


# --- two stages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_without_a_spacing_no_tumour_is_looked_for_that_must_have_a_size(
    stages, known, monkeypatch
):
    scan, _ = clear_case()
    if not known:
        scan = replace(scan, grid=Grid.of(scan.grid.shape, np.eye(4)))
    assert scan.grid.spacing_known == known
    given = []
    monkeypatch.setattr(
        module, "add_from_contrasts", lambda roi, *rest: given.extend(rest[2]) or roi
    )
    Segmenter(*stages, contrasts=(STRETCHED, INVERTED)).predict(scan)
    assert given == ([STRETCHED, INVERTED] if known else [STRETCHED])


def test_the_roi_stage_is_given_the_liver_that_the_coarse_stage_predicts(stages):
    scan, label = clear_case()
    alone = Segmenter(stages[0]).predict(scan).mask.voxels
    prediction = Segmenter(*stages).predict(scan)
    assert not (alone == 2).any()
    assert dice(label.voxels == 2, prediction.mask.voxels == 2) > 0.6  # the rim is as dark
    coarse, roi = prediction.stages
    assert roi.cube.box == coarse.box
    liver = roi.cube.image[roi.kept[0] >= 0.5]
    assert np.median(liver) == pytest.approx(127.5, abs=4)  # its median is the window's middle


def test_without_a_liver_the_roi_stage_does_not_run():
    scan, _ = simple_case()
    nothing = Stage([Threshold(9, (9, 9))], CubeSettings(size=32))
    prediction = Segmenter(nothing, nothing).predict(scan)
    assert len(prediction.stages) == 1 and prediction.stages[0].box is None
    assert not prediction.mask.voxels.any()
    assert prediction.tumour_ml_each == ()


@pytest.mark.parametrize("largest", [True, False])
def test_each_stage_is_post_processed_once_with_the_users_settings(stages, monkeypatch, largest):
    """A bright piece beside the liver stays in the mask where the user wants every piece."""
    scan, _ = clear_case()
    piece = np.zeros(scan.voxels.shape, bool)
    piece[10:18, 28:36, 28:36] = True
    scan.voxels[...] = np.where(piece, 110, scan.voxels)
    settings, calls = PostprocessSettings(largest_component=largest), []

    def counted(values, used):
        calls.append(used)
        return postprocess(values, used)

    monkeypatch.setattr(module, "postprocess", counted)
    monkeypatch.setattr("liverlib.inference.prediction.postprocess", counted)
    prediction = Segmenter(*stages, settings=settings).predict(scan)
    mask = prediction.mask.voxels
    assert calls == [settings] * 2
    assert (mask[12:16, 30:34, 30:34] > 0).all() != largest
    assert (mask[piece] > 0).any() != largest
    coarse = prediction.stages[0]
    expected = postprocess(coarse.mean, settings)
    np.testing.assert_array_equal(coarse.kept, expected)
    covers_both = coarse.box[0].start < 18  # the ROI stage is given what the user keeps
    assert covers_both != largest


# --- averages ------------------------------------------------------------------------------------


class Local(torch.nn.Module):
    """A network that sees single voxels: wherever one lies, it predicts the same of it."""

    divisor = 1

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return torch.cat([0.3 - image, image, image - 0.6], 1) * 9


def test_a_shift_is_undone():
    cube = to_cube(simple_case()[0], settings=CubeSettings(size=32))
    predictions = [probabilities(Local(), cube, shift) for shift in SHIFTS]
    for shifted in predictions[1:]:
        np.testing.assert_allclose(shifted, predictions[0], atol=1e-6)
    moved = probabilities(UNet3D((4, 8)).eval(), cube, SHIFTS[1])
    assert not np.allclose(moved, probabilities(UNet3D((4, 8)).eval(), cube), atol=1e-3)


def test_test_time_augmentation_averages_over_the_shifts():
    scan, _ = simple_case()
    network = UNet3D((4, 8)).eval()
    segmenter = Segmenter(Stage([network], CubeSettings(size=32)), tta=True)
    output = segmenter.predict(scan).stages[0]
    expected = [probabilities(network, output.cube, shift) for shift in SHIFTS]
    np.testing.assert_allclose(output.mean, np.mean(expected, axis=0), atol=1e-6)
    without = replace(segmenter, tta=False).predict(scan).stages[0]
    assert (len(output.probabilities), len(without.probabilities)) == (4, 1)


def test_networks_for_the_same_stage_are_averaged(tmp_path):
    both = save_untrained(tmp_path / "a.safetensors", "body", "liver")
    coarse = save_untrained(tmp_path / "b.safetensors", "body", seed=1)
    segmenter = Segmenter.load(both, coarse)
    assert len(segmenter.coarse.networks) == 2
    assert len(segmenter.roi.networks) == 1
    scan, _ = simple_case()
    cube = to_cube(scan, settings=CubeSettings(size=32))
    expected = [probabilities(network, cube) for network in segmenter.coarse.networks]
    output = segmenter.coarse.run(scan)
    np.testing.assert_allclose(output.mean, np.mean(expected, axis=0), atol=1e-6)


# --- weights -------------------------------------------------------------------------------------


def test_weights_of_the_coarse_stage_alone_make_a_segmenter_of_one(tmp_path):
    segmenter = Segmenter.load(save_untrained(tmp_path / "w.safetensors", "body"))
    assert segmenter.roi is None
    assert len(segmenter.predict(simple_case()[0]).stages) == 1


def test_weights_that_do_not_belong_together_are_refused(tmp_path):
    roi = save_untrained(tmp_path / "roi.safetensors", "liver")
    with pytest.raises(LiverlibError, match="only for the ROI stage"):
        Segmenter.load(roi)
    large, small = (save_untrained(tmp_path / f"{n}.safetensors", "body", size=n) for n in (64, 32))
    with pytest.raises(LiverlibError, match="unlike cubes"):
        Segmenter.load(large, small)
