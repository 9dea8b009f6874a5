import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from liverlib.io.nifti import read_label
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view import figures
from liverlib.view.slices import COLOURS, hex_colour, render_slice


def stretched(volume: Volume, spacing: tuple) -> Volume:
    return Volume(volume.voxels, Grid.of(volume.grid.shape, np.diag([*spacing, 1])), volume.name)


def without_tumour(label: Volume) -> Volume:
    return Volume(np.minimum(label.voxels, 1), label.grid, label.name)


def texts(axis) -> dict[str, tuple[float, float]]:
    return {text.get_text(): text.get_position() for text in axis.texts}


def named(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_three_planes_are_radiological_lettered_and_in_proportion(case):
    scan, label, _ = (stretched(volume, (1, 2, 4)) for volume in case)
    figure = figures.three_planes(scan, label)
    sides = [{"R", "L", "A", "P"}, {"R", "L", "H", "F"}, {"A", "P", "H", "F"}]
    assert [set(texts(axis)) for axis in figure.axes] == sides
    axial, coronal, sagittal = map(texts, figure.axes)
    assert axial["R"][0] < axial["L"][0] and axial["A"][1] > axial["P"][1]
    assert coronal["R"][0] < coronal["L"][0] and coronal["H"][1] > coronal["F"][1]
    assert sagittal["A"][0] < sagittal["P"][0]
    assert [axis.get_aspect() for axis in figure.axes] == [2, 4, 2]
    assert named(figure) == ["liver", "tumour"]


def test_the_planes_of_a_picture_share_one_scale(case):
    scan = stretched(case[0], (1, 2, 4))
    figure = figures.three_planes(scan)
    figure.draw_without_rendering()
    for axis, mm in zip(figure.axes, [(40, 80), (40, 160), (80, 160)], strict=True):
        box = axis.get_window_extent()
        scale = box.height / mm[1]
        assert box.width / mm[0] == pytest.approx(scale, rel=0.01)
        assert scale == pytest.approx(figure.axes[1].get_window_extent().height / 160, rel=0.05)


def test_three_planes_show_the_voxel_that_was_asked_for(case):
    scan, label, _ = case
    figure = figures.three_planes(scan, label, at=(25, 20, 18))
    assert [axis.get_title() for axis in figure.axes] == [
        "axial slice 18",
        "coronal slice 20",
        "sagittal slice 25",
    ]
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, render_slice(scan, "axial", 18, label=label))


def test_pictures_name_only_the_classes_there_are(case):
    scan, label, mask = case
    assert named(figures.three_planes(scan)) == []
    assert named(figures.slices(scan, without_tumour(label))) == ["liver"]
    assert named(figures.slices(scan, without_tumour(label), mask)) == ["liver", "tumour"]


def test_slices_go_evenly_through_the_liver(case):
    scan, label, _ = case
    figure = figures.slices(scan, label, n=4)
    inside = np.nonzero(label.voxels.any(axis=(0, 1)))[0]
    shown = [int(axis.get_title().split()[1]) for axis in figure.axes]
    assert (shown[0], shown[-1], len(shown)) == (inside[0], inside[-1], 4)
    assert np.ptp(np.diff(shown)) <= 1


def test_a_liver_of_fewer_slices_leaves_the_rest_of_the_strip_empty(case):
    scan = case[0]
    thin = np.zeros(scan.voxels.shape, np.uint8)
    thin[10:20, 10:20, 7:9] = 1
    label = Volume(thin, scan.grid)
    assert figures.slices(scan, label, n=5).axes[-1].axison is False


def test_an_overlay_shows_reference_prediction_and_difference_with_the_dice(case):
    scan, label, mask = case
    figure = figures.overlay(scan, label, mask)
    title = figure.get_suptitle()
    assert title.startswith("case, axial slice ")
    shared = 2 * ((label.voxels == 2) & (mask.voxels == 2)).sum()
    expected = shared / ((label.voxels == 2).sum() + (mask.voxels == 2).sum())
    assert f"tumour Dice {expected:.3f}" in title
    assert [axis.get_title() for axis in figure.axes] == ["reference", "prediction", "difference"]
    assert named(figure) == list(COLOURS)
    pictures = [axis.images[0].get_array() for axis in figure.axes]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_an_overlay_says_how_much_tumour_is_predicted_where_there_is_none(case):
    scan, label, mask = case
    free = without_tumour(label)
    ml = (mask.voxels == 2).sum() * 0.064
    assert f"no tumour, {ml:.1f} ml predicted" in figures.overlay(scan, free, mask).get_suptitle()
    assert "no tumour, none predicted" in figures.overlay(scan, free, free).get_suptitle()
    scan, free, mask = (stretched(volume, (1, 1, 1)) for volume in (scan, free, mask))
    assert not free.grid.spacing_known
    assert f"{(mask.voxels == 2).sum()} voxels" in figures.overlay(scan, free, mask).get_suptitle()


def test_legends_have_the_colours_of_the_pictures(case):
    handles = figures.overlay(*case).legends[0].legend_handles
    colours = {patch.get_label(): to_hex(patch.get_facecolor()) for patch in handles}
    assert colours == {name: hex_colour(name) for name in COLOURS}


def test_real_scans_can_be_shown(shared):
    scan = read_scan(shared / "liver_crop_128" / "image.nii.gz")
    label = read_label(shared / "liver_crop_128" / "label.nii.gz", like=scan)
    figure = figures.overlay(scan, label, label)
    assert "liver Dice 1.000, tumour Dice 1.000" in figure.get_suptitle()


def test_pictures_are_compared_under_their_names():
    figure = figures.compare({"grey": np.eye(4), "colour": np.zeros((4, 4, 3), np.uint8)})
    assert [axis.get_title() for axis in figure.axes] == ["grey", "colour"]


def test_saving_closes_the_figure_and_repeats_to_the_byte(case, tmp_path):
    paths = [figures.save(figures.overlay(*case), tmp_path / "a" / f"{i}.png") for i in range(2)]
    assert plt.get_fignums() == []
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert Image.open(paths[0]).format == "PNG"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"0.png", "1.png"}
