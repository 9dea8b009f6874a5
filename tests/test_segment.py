"""Two looks: what the second is shown, and how its answer is drawn into the first's."""

import numpy as np
import pytest
import torch

from conftest import ellipsoid, simple_case
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.evaluation.case import score_case
from liverlib.evaluation.overlap import dice
from liverlib.inference.blending import blend
from liverlib.inference.postprocessing import roi_box, keep
from liverlib.inference.segmenter import Stage, Segmenter, probabilities
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.boxes import liver_box
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube

BODY = CubeSettings()
LIVER = CubeSettings(crop="liver", window=ROI_WINDOW)


def shown(cube):
    """A cube and the shares of its own label: what a perfect network would answer."""
    return cube, cube.soft_labels.astype(np.float32) / 255


def looked_twice(scan, label):
    """The mask that perfect networks would give with two looks."""
    first, second = (shown(to_cube(scan, label, settings)) for settings in (BODY, LIVER))
    mask = first[0].to_grid(first[1])
    blend(mask, first, second, scan.grid.spacing)
    return mask


@pytest.mark.parametrize(
    ("shape", "spacing", "orientation"),
    [((512, 512, 129), (0.57, 0.57, 1.6), "LPS"), ((512, 512, 75), (0.7, 0.7, 5.0), "LAS")],
)
def test_a_perfect_label_survives_both_looks_on_grids_of_real_size(shape, spacing, orientation):
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
    mask = looked_twice(scan, label)
    assert dice(label.voxels, mask) >= 0.99
    assert dice(label.voxels == 2, mask == 2) >= 0.95
    assert score_case(label.voxels, mask, spacing).detected.missed == 0


def test_the_second_look_counts_grey_values_from_the_livers_median():
    scan, label = simple_case()
    cube = to_cube(scan, label, LIVER)
    darker = Volume(scan.voxels - np.int16(40), scan.grid)
    np.testing.assert_array_equal(cube.image, to_cube(darker, label, LIVER).image)
    liver = cube.image[cube.soft_labels[0] > 250]
    assert np.median(liver) == pytest.approx(127.5, abs=4)


def test_a_label_without_liver_has_a_cube_all_the_same():
    scan, label = simple_case()
    empty = Volume(np.zeros_like(label.voxels), label.grid)
    cube = to_cube(scan, empty, LIVER)
    assert cube.box == to_cube(scan, empty, BODY).box
    assert not cube.soft_labels.any()


def test_outside_its_box_the_second_look_changes_nothing_and_inside_it_wins():
    scan, label = simple_case(size=48)
    cube = to_cube(scan, label, BODY)
    box = ((10, 34), (12, 36), (14, 38))
    second = to_cube(scan, None, LIVER, box)
    nowhere, everywhere = (np.full((2, 128, 128, 128), x, np.float32) for x in (0, 1))
    mask = cube.to_grid(nowhere)
    blend(mask, (cube, nowhere), (second, everywhere), (4, 4, 4))
    drawn = np.argwhere(mask == 2)
    assert len(drawn)
    assert (drawn.min(0) > (10, 12, 14)).all()  # its faces belong to the first look …
    assert (drawn.max(0) < (33, 35, 37)).all()
    assert (mask[13:31, 15:33, 17:35] == 2).all()  # … and all that is 10 mm from them to it


def test_what_the_second_look_cuts_off_from_the_liver_is_no_liver():
    """The first look has an arm that reaches the face of the box; the second knows better."""
    scan, _ = simple_case(size=48)
    box = ((4, 44), (4, 44), (4, 44))
    liver, arm = np.zeros((2, 48, 48, 48), np.uint8)
    liver[20:30, 20:30, 20:30], arm[4:30, 24:26, 24:26] = 1, 1
    whole = CubeSettings(crop="all")
    first, second = (
        shown(to_cube(scan, Volume(classes, scan.grid), settings, of))
        for classes, settings, of in ((liver | arm, whole, None), (liver, LIVER, box))
    )
    mask = first[0].to_grid(first[1])
    assert mask[4, 24, 24]
    blend(mask, first, second, (4, 4, 4))
    assert mask[25, 25, 25]
    assert not mask[:18].any()


def test_the_box_that_is_found_is_the_labels_own_to_a_voxel_of_the_cube():
    scan, label = simple_case(size=48)
    cube, shares = shown(to_cube(scan, label, BODY))
    found = np.array(roi_box(cube, shares, scan.grid.spacing))
    assert np.abs(found - liver_box(label.voxels > 0, scan.grid.spacing)).max() <= 2
    assert roi_box(cube, np.zeros_like(shares), scan.grid.spacing) is None


@pytest.mark.filterwarnings("error")
def test_a_liver_all_of_tumour_is_kept():
    everything = np.ones((2, 5, 5, 5), np.float32)
    np.testing.assert_array_equal(keep(everything), everything)


def test_of_the_liver_the_largest_piece_is_kept():
    shares = np.zeros((2, 9, 9, 9), np.float32)
    shares[0, :5, :5, :5], shares[0, 7:, 7:, 7:] = 1, 1
    shares[:, 2, 2, 2], shares[:, 8, 8, 8] = 1, 1
    kept = keep(shares)
    assert kept[1, 2, 2, 2] == 1
    assert not kept[:, 7:].any()


class Threshold(torch.nn.Module):
    """Stands for a network: liver is what is brighter than a grey value, tumour darker within."""

    divisor = 1

    def __init__(self, liver, tumour):
        super().__init__()
        self.liver, self.tumour = liver, tumour
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image):
        liver, tumour = image > self.liver, (image > self.tumour[0]) & (image < self.tumour[1])
        logits = torch.stack([~(liver | tumour), liver & ~tumour, tumour], 1)[:, :, 0]
        return 40 * logits.float() - 20


def test_the_second_look_is_given_the_liver_that_the_first_found():
    """The first look sees no tumour at all; the second knows them by being darker than liver."""
    scan, label = simple_case(size=64)
    scan.voxels[...] = np.where(label.voxels == 2, 62, scan.voxels)  # without noise
    first = Stage([Threshold((75 + 60) / 260, (9, 9))], CubeSettings(size=64))
    second = Stage(
        [Threshold((-24 + 120) / 240, ((-55 + 120) / 240, (-24 + 120) / 240))],
        CubeSettings(64, ROI_WINDOW, "liver"),
    )
    alone = Segmenter(first).segment(scan).voxels
    both = Segmenter(first, second).segment(scan).voxels
    assert not (alone == 2).any()
    assert dice(label.voxels == 2, both == 2) > 0.6  # the liver's rim is as dark as the tumour


def test_without_a_liver_there_is_nothing_to_look_at_twice():
    scan, _ = simple_case()
    nothing = Stage([Threshold(9, (9, 9))], CubeSettings(size=32))
    assert not Segmenter(nothing, nothing).segment(scan).voxels.any()


def weights(path, *crops, size=32, seed=0):
    torch.manual_seed(seed)
    abouts = [{"cube": to_dict(CubeSettings(size=size, crop=crop))} for crop in crops]
    save_networks(path, [(UNet3D((4, 8)), about) for about in abouts])
    return path


def test_networks_for_the_same_look_are_averaged(tmp_path):
    one = weights(tmp_path / "a.safetensors", "body", "liver")
    two = weights(tmp_path / "b.safetensors", "body", seed=1)
    segmenter = Segmenter.load(one, two)
    assert len(segmenter.body.networks) == 2
    assert len(segmenter.liver.networks) == 1
    cube = to_cube(simple_case()[0], settings=CubeSettings(size=32))
    answers = [probabilities(network, cube) for network in segmenter.body.networks]
    seen = segmenter.body.see(simple_case()[0])
    np.testing.assert_allclose(seen.mean, np.mean(answers, axis=0), atol=1e-6)


def test_weights_that_do_not_belong_together_are_refused(tmp_path):
    second = weights(tmp_path / "second.safetensors", "liver")
    with pytest.raises(LiverlibError, match="only for the second look"):
        Segmenter.load(second)
    large, small = (weights(tmp_path / f"{n}.safetensors", "body", size=n) for n in (64, 32))
    with pytest.raises(LiverlibError, match="unlike cubes"):
        Segmenter.load(large, small)
