"""A mask in one picture, and many in one."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from phantoms import simple_case
from PIL import Image

from liverlib.core.text import NOT_MEDICAL
from liverlib.io.volume import Grid, Volume
from liverlib.view.preview import (
    is_preview,
    preview,
    volumes_in_words,
    write_contact_sheet,
    write_preview,
)
from liverlib.view.slices import COLOURS


def mask_of(voxels, mm=10.0) -> Volume:
    return Volume(voxels, Grid.of(voxels.shape, np.diag([mm, mm, mm, 1.0])))


def test_volumes_are_told_in_words():
    voxels = np.zeros((12, 12, 12), np.uint8)
    assert volumes_in_words(mask_of(voxels)) == "No liver."
    voxels[:10, :10, :10] = 1
    assert volumes_in_words(mask_of(voxels)) == "Liver 1,000 ml. No lesion."
    voxels[1:4, 1, 1] = 2
    assert volumes_in_words(mask_of(voxels)) == "Liver 1,000 ml. 1 lesion, 3.0 ml; 20 mm across."
    voxels[8, 8, 8] = 2
    text = "Liver 1,000 ml. 2 lesions, 4.0 ml; the largest 20 mm across."
    assert volumes_in_words(mask_of(voxels)) == text
    unknown = mask_of(voxels, 1.0)
    assert not unknown.grid.spacing_known
    assert volumes_in_words(unknown) == "Liver 1,000 voxels. 2 lesions, 4 voxels."


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    scan, label = simple_case()
    write_preview(tmp_path / "a.png", replace(scan, name="a$b_$c {"), label)
    assert is_preview(tmp_path / "a.png")


def test_the_picture_has_three_planes_with_contours_and_says_what_it_is():
    scan, label = simple_case()
    figure = preview(scan, label)
    assert [axis.get_title().split()[0] for axis in figure.axes] == ["axial", "coronal", "sagittal"]
    title = figure.get_suptitle()
    assert scan.name in title and volumes_in_words(label) in title and NOT_MEDICAL in title
    for axis in figure.axes:
        pixels = axis.images[0].get_array()
        coloured = (pixels.max(-1) - pixels.min(-1) > 30).mean()
        assert 0.01 < coloured < 0.2  # lines; filled, the liver would be a tenth and more
    plt.close(figure)


def test_pictures_are_told_from_those_of_others(tmp_path):
    scan, label = simple_case()
    write_preview(tmp_path / "a.png", scan, label)
    figure, _ = plt.subplots()
    figure.savefig(tmp_path / "b.png")
    plt.close(figure)
    write_contact_sheet(tmp_path / "c.png", [tmp_path / "a.png"])
    names = ("a.png", "b.png", "c.png")
    assert [is_preview(tmp_path / name) for name in names] == [True, False, True]


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_a_contact_sheet_shows_every_preview_in_order(tmp_path, count):
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (count, 3))
    paths = [tmp_path / f"{n}.png" for n in range(count)]
    for path, colour in zip(paths, colours, strict=True):
        Image.new("RGB", (1100, 500), tuple(colour.tolist())).save(path)
    write_contact_sheet(tmp_path / "sheet.png", paths)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    height = round(560 * 500 / 1100)
    across = sheet.shape[1] // 560
    assert 0.4 < sheet.shape[1] / sheet.shape[0] < 2.5
    for n, colour in enumerate(colours):
        middle = sheet[n // across * height + height // 2, n % across * 560 + 280]
        np.testing.assert_allclose(middle, colour, atol=1)


def test_contours_have_the_colours_of_the_segments():
    scan, label = simple_case()
    figure = preview(scan, label)
    pixels = figure.axes[0].images[0].get_array().reshape(-1, 3).astype(int)
    for name in ("liver", "tumour"):  # lines are four fifths opaque, on grey
        direction = np.array(COLOURS[name]) - np.mean(COLOURS[name])
        tint = pixels - pixels.mean(1, keepdims=True)
        assert np.isclose(tint, 0.8 * direction, atol=2).all(1).any()
    plt.close(figure)
