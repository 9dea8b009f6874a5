"""The lesion table that the page makes, beside `measure_lesions` in Python."""

import numpy as np
import pytest
from chromium import needs_chromium, opened
from page_modules import run
from phantoms import simple_case

from liverlib.evaluation.lesion_table import measure_lesions
from liverlib.io.volume import Grid, Volume
from liverlib.view.slices import HU_LEVELS, to_levels
from liverlib.view.viewer.page import edit

pytestmark = needs_chromium()

GRIDS = {
    "isotropic": np.diag([2.0, 2, 2, 1]),
    "5 mm": np.diag([0.7, 0.8, 5, 1]),
    "oblique": np.array([[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -7], [0, 0, 0, 1.0]]),
    "unknown": np.eye(4),
}
CODE = """(() => {
  const made = volume.makeVolume(
    values.shape, Uint8Array.from(values.voxels), Uint8Array.from(values.pairs));
  return lesionTable.measureTable(made, values.shift, values);
})()"""


def blobs(seed, shape=(26, 22, 17)):
    """A liver that the scan cuts on one side, with tumours of many shapes and sizes."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=shape)
    for axis in range(3):
        noise = np.roll(noise, 1, axis) + noise + np.roll(noise, -1, axis)
    liver = np.zeros(shape, bool)
    liver[4:, 3:19, 2:15] = True
    liver &= noise > np.quantile(noise, 0.06)
    return liver.astype(np.uint8) + (liver & (noise > np.quantile(noise, 0.85)))


def compare(page_table, table, hu_tolerance):
    """That both tables hold the same lesions and volumes."""
    for name in ("liver_ml", "tumour_ml", "burden"):
        value = page_table[name]
        assert (np.nan if value is None else value) == pytest.approx(
            getattr(table, name), rel=1e-9, nan_ok=True
        )
    assert len(page_table["lesions"]) == len(table.lesions)
    for mine, row in zip(page_table["lesions"], table.lesions, strict=True):
        assert mine["voxels"] == row.voxels
        assert mine["mean_hu"] == pytest.approx(row.mean_hu, abs=hu_tolerance)
        for name in ("ml", "longest_axial_mm", "longest_mm", "to_surface_mm"):
            value = np.nan if mine[name] is None else mine[name]
            assert value == pytest.approx(getattr(row, name), rel=1e-9, abs=1e-9, nan_ok=True), name
        if mine["ml"] is not None:
            assert mine["centroid"] == pytest.approx(row.centroid)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("name", GRIDS)
def test_every_lesion_is_measured_as_python_measures_it(tab, name, shift, seed):
    mask = blobs(seed)
    hu = np.random.default_rng(seed).integers(-100, 200, mask.shape).astype(np.int16)
    hu = HU_LEVELS[to_levels(hu)]  # what the page holds, so that means are equal
    grid = Grid.of(mask.shape, GRIDS[name])
    table = measure_lesions(Volume(hu, grid), Volume(mask, grid))
    assert grid.spacing_known == (name != "unknown")
    answer = run(
        tab, CODE, shape=list(mask.shape), shift=shift,
        voxels=to_levels(hu).ravel(order="F").tolist(),
        pairs=((mask << shift) | (1 << (2 - shift))).ravel(order="F").tolist(),
        affine=grid.affine[:3].tolist(), levels=HU_LEVELS.tolist(), known=grid.spacing_known,
    )  # fmt: skip
    compare(answer, table, 1e-9)
    assert len(table.lesions) > 5


@pytest.mark.parametrize("value", [0, 1, 2])
def test_a_scan_that_is_all_one_class(tab, value):
    """No liver, no lesion; and a tumour everywhere, without any surface."""
    mask = np.full((6, 5, 4), value, np.uint8)
    grid = Grid.of(mask.shape, np.diag([1.0, 2, 3, 1]))
    table = measure_lesions(Volume(mask, grid), Volume(mask, grid))
    answer = run(
        tab, CODE, shape=list(mask.shape), shift=2, voxels=[0] * mask.size,
        pairs=(mask << 2).ravel(order="F").tolist(), affine=grid.affine[:3].tolist(),
        levels=HU_LEVELS.tolist(), known=True,
    )  # fmt: skip
    compare(answer, table, np.inf)


def test_the_page_lists_the_lesions_anew_after_each_step(tab, tmp_path):
    scan, mask = simple_case()
    file = edit(scan, mask).save(tmp_path / "page.html")
    rows = "[...document.querySelectorAll('#lesions tbody tr')].map(r => r.innerText.split('\\t'))"
    table = measure_lesions(scan, mask)
    with opened(tab.context.browser, file) as page:
        caption = page.locator("#lesions caption")
        page.wait_for_function("document.querySelector('#volumes').textContent")
        assert caption.inner_text() == f"{len(table.lesions)} in the corrected mask"
        shown = page.evaluate(rows)
        for cells, lesion in zip(shown, table.lesions, strict=True):
            expected = [lesion.ml, lesion.longest_axial_mm, lesion.longest_mm, lesion.mean_hu]
            numbers = [float(cell.replace("< ", "")) for cell in cells[1:]]
            assert numbers[1:3] == [round(value) for value in expected[1:3]]
            assert abs(numbers[3] - expected[3]) <= 1.5
        assert f"burden {100 * table.burden:.1f} %" in page.inner_text("#volumes")

        page.keyboard.press("d")  # deletes the lesion at the crosshair
        page.keyboard.press("Enter")
        left = f"{len(table.lesions) - 1} in the corrected mask"
        page.wait_for_function("text => document.querySelector('caption').textContent === text",
                               arg=left)  # fmt: skip
        page.keyboard.press("z")
        page.wait_for_function("text => document.querySelector('caption').textContent !== text",
                               arg=left)  # fmt: skip
        assert page.evaluate(rows) == shown
