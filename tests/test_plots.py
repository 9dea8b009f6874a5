import io
import shutil
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from conftest import simple_case
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.folder import evaluate
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view import figures
from liverlib.view.animation import FRAMES, LARGEST, WIDTH, liver_slices
from liverlib.view.slices import COLOURS, hex_colour, render_slice


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def case() -> tuple[Volume, Volume, Volume]:
    """A scan, its label, and a mask that is the label moved by two voxels."""
    scan, label = simple_case()
    return scan, label, Volume(np.roll(label.voxels, 2, 0), label.grid)


def stretched(volume: Volume, spacing: tuple) -> Volume:
    return Volume(volume.voxels, Grid.of(volume.grid.shape, np.diag([*spacing, 1])), volume.name)


def without_tumour(label: Volume) -> Volume:
    return Volume(np.minimum(label.voxels, 1), label.grid, label.name)


def texts(axis) -> dict[str, tuple[float, float]]:
    return {one.get_text(): one.get_position() for one in axis.texts}


def named(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def history(epochs: int = 3) -> list[dict]:
    columns = (
        "epoch", "step", "seconds", "learning_rate", "train_loss", "validation_loss",
        "validation_liver_dice", "validation_tumour_dice",
    )  # fmt: skip
    return [dict.fromkeys(columns, 0.5) | {"epoch": i, "step": 10 * i} for i in range(epochs)]


# --- slices --------------------------------------------------------------------------------------


def test_three_planes_are_radiological_lettered_and_in_proportion(case):
    scan, label, _ = (stretched(one, (1, 2, 4)) for one in case)
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
    assert liver_slices(label, None, scan, 5) == [7, 8]
    assert figures.slices(scan, label, n=5).axes[-1].axison is False


def test_an_overlay_shows_truth_prediction_and_difference_with_the_dice(case):
    scan, label, mask = case
    figure = figures.overlay(scan, label, mask)
    title = figure.get_suptitle()
    assert title.startswith("case, axial slice ")
    shared = 2 * ((label.voxels == 2) & (mask.voxels == 2)).sum()
    expected = shared / ((label.voxels == 2).sum() + (mask.voxels == 2).sum())
    assert f"tumour Dice {expected:.3f}" in title
    assert [axis.get_title() for axis in figure.axes] == ["truth", "prediction", "difference"]
    assert named(figure) == list(COLOURS)
    pictures = [axis.images[0].get_array() for axis in figure.axes]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_an_overlay_says_how_much_tumour_was_drawn_where_there_is_none(case):
    scan, label, mask = case
    free = without_tumour(label)
    ml = (mask.voxels == 2).sum() * 0.064
    assert f"no tumour, {ml:.1f} ml drawn" in figures.overlay(scan, free, mask).get_suptitle()
    assert "no tumour, none drawn" in figures.overlay(scan, free, free).get_suptitle()
    scan, free, mask = (stretched(one, (1, 1, 1)) for one in (scan, free, mask))
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


# --- charts --------------------------------------------------------------------------------------


def test_the_histogram_tells_liver_from_tumour(case):
    scan, label, _ = case
    axis = figures.histogram(scan, label, window=(200, 50)).axes[0]
    text = " ".join(axis.get_legend_handles_labels()[1])
    for value, name in ((1, "liver"), (2, "tumour")):
        assert f"{name}: {scan.voxels[label.voxels == value].mean():.0f} ± " in text
    assert "window: -50 to 150 HU" in text
    assert sum(patch.get_height() for patch in axis.patches) == pytest.approx(200, abs=1)
    assert "tumour" not in str(
        figures.histogram(scan, without_tumour(label)).axes[0].get_legend_handles_labels()[1]
    )


def test_curves_show_every_run_with_its_own_colour_and_name(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("\n".join([",".join(history()[0]), "0,10,5,.1,.9,.8,.7,"]))
    figure = figures.curves({"demo": history(), "seed": path}, against="step")
    losses, rate, liver, tumour = figure.axes
    assert len(losses.lines) == 4 and len(rate.lines) == len(liver.lines) == 2
    assert [line.get_label() for line in liver.lines] == ["demo", "seed"]
    assert liver.lines[0].get_color() != liver.lines[1].get_color()
    assert losses.lines[0].get_xdata().tolist() == [0, 10, 20]
    assert np.isnan(tumour.lines[1].get_ydata()).all()  # an empty field: not measured
    assert liver.get_ylim() == (0, 1)
    assert losses.get_xlabel() == "step"


def test_curves_take_one_history_or_its_file(tmp_path):
    assert len(figures.curves(history()).axes[0].lines) == 2
    with pytest.raises(LiverlibError, match=r"absent\.csv: no history"):
        figures.curves(tmp_path / "absent.csv")


def test_the_overview_leaves_out_what_is_unknown():
    row = {"name": "a", "shape": (9, 9, 80), "spacing": (1, 1, 2.5), "liver_ml": 1500.0}
    known = row | {"tumours": 3, "tumour_ml": 30.0, "burden": 0.02}
    unknown = known | {"liver_ml": float("nan"), "tumours": 0, "burden": float("nan")}
    livers, tumours, burden, depth = figures.dataset_overview([known, known, unknown]).axes
    assert "2 cases" in livers.get_title() and "1 without" in tumours.get_title()
    assert [patch.get_height() for patch in burden.patches] == [2, 2]
    assert depth.lines[0].get_xydata().tolist() == [[2.5, 80]] * 3


@pytest.fixture
def evaluation(tmp_path):
    """Three pairs: shifted, tumour missed, and tumour made up where there is none."""
    for n in range(3):
        _, label = simple_case(n)
        drawn = np.roll(label.voxels, 1, 0)
        if n == 1:
            drawn = np.minimum(label.voxels, 1)
        truth = np.minimum(label.voxels, 1) if n == 2 else label.voxels
        write_volume(tmp_path / "ours" / f"case_{n}.nii", truth, label.grid)
        write_volume(tmp_path / "theirs" / f"case_{n}.nii", drawn, label.grid)
    return evaluate(tmp_path / "ours", tmp_path / "theirs", workers=1)


def test_a_strip_shows_every_case_worst_tumour_first(evaluation):
    strip, means = figures.case_strip(evaluation).axes
    names = [text.get_text() for text in strip.get_xticklabels()]
    assert names == ["case_1", "case_0", "case_2"]  # missed, shifted, none to find
    liver, tumour = (line.get_ydata() for line in strip.lines)
    cases = {case.name: case for case in evaluation.cases}
    assert list(liver) == [cases[name].liver.dice for name in names]
    assert list(tumour) == [cases[name].tumour.dice for name in names[:2]]
    assert means.lines[1].get_ydata() == pytest.approx(np.mean(tumour))


def test_bland_and_altman_show_the_differences_of_volumes(evaluation):
    _, tumour = figures.bland_altman(evaluation).axes
    scores = [case.score for case in evaluation.cases]
    apart = [one.predicted_tumour_ml - one.tumour_ml for one in scores]
    assert list(tumour.lines[0].get_ydata()) == pytest.approx(apart)
    heights = [line.get_ydata()[0] for line in tumour.lines[1:]]
    spread = 1.96 * np.std(apart, ddof=1)
    assert heights == pytest.approx(np.mean(apart) + np.array([0, -spread, spread]))
    assert "3 cases" in tumour.get_title()


def test_detection_by_size_stands_side_by_side(evaluation):
    recall, precision = figures.detection_by_size({"first": evaluation, "again": evaluation}).axes
    heights = [bar.get_height() for bar in recall.patches]
    assert heights == [0, 0, 0.5] * 2
    assert [bar.get_height() for bar in precision.patches] == [0, 0, 0.5] * 2
    assert [text.get_text() for text in recall.texts] == ["0", "0", "2"] * 2
    assert [text.get_text() for text in recall.get_legend().get_texts()] == ["first", "again"]


def test_pictures_are_compared_under_their_names():
    figure = figures.compare({"grey": np.eye(4), "colour": np.zeros((4, 4, 3), np.uint8)})
    assert [axis.get_title() for axis in figure.axes] == ["grey", "colour"]


# --- files ---------------------------------------------------------------------------------------


def test_saving_closes_the_figure_and_repeats_to_the_byte(case, tmp_path):
    paths = [figures.save(figures.overlay(*case), tmp_path / "a" / f"{i}.png") for i in range(2)]
    assert plt.get_fignums() == []
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert Image.open(paths[0]).format == "PNG"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"0.png", "1.png"}


def test_a_film_is_a_small_gif_of_the_livers_slices(case, tmp_path):
    assert figures.film(tmp_path / "a.gif", *case)
    assert figures.film(tmp_path / "b.gif", *case)
    content = (tmp_path / "a.gif").read_bytes()
    assert content == (tmp_path / "b.gif").read_bytes()
    assert len(content) <= LARGEST
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.n_frames == np.count_nonzero(case[1].voxels.any(axis=(0, 1)))
        assert picture.size == (256, 256)
        assert picture.info["loop"] == 0


def test_long_scans_and_noise_make_a_small_film_too(tmp_path):
    noise = np.random.default_rng(0).integers(-150, 250, (300, 200, 90), np.int16)
    scan = Volume(noise, Grid.of(noise.shape, np.diag([1, 1, 2, 1])))
    assert figures.film(tmp_path / "noise.gif", scan)
    assert (tmp_path / "noise.gif").stat().st_size <= LARGEST
    with Image.open(tmp_path / "noise.gif") as picture:
        assert picture.n_frames == FRAMES and picture.width <= WIDTH
        assert picture.width / picture.height == pytest.approx(1.5, rel=0.02)


def test_the_tumour_in_a_film_keeps_its_colour(case, tmp_path):
    scan, label, _ = case
    figures.film(tmp_path / "a.gif", scan, label)
    middle = int((label.voxels == 2).sum(axis=(0, 1)).argmax())
    with Image.open(tmp_path / "a.gif") as picture:
        picture.seek(middle - int(np.nonzero(label.voxels.any(axis=(0, 1)))[0][0]))
        shown = picture.convert("RGB").resize((40, 40), Image.Resampling.BOX)
    wanted = render_slice(scan, "axial", middle, label=label)
    tumour = label.voxels[::-1, ::-1, middle].T == 2
    apart = np.asarray(shown)[tumour].mean(0) - wanted[tumour].mean(0)
    assert np.abs(apart).max() < 12


def test_mp4_is_written_where_ffmpeg_is_and_declined_where_it_is_not(case, tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    if shutil.which("ffmpeg"):
        assert figures.film(path, *case)
        assert path.read_bytes()[4:8] == b"ftyp"
        path.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert figures.film(path, *case) is False
    assert not path.exists()


def test_a_film_of_another_kind_is_refused(case, tmp_path):
    with pytest.raises(LiverlibError, match=r"\.gif or \.mp4"):
        figures.film(tmp_path / "a.avi", *case)


def test_matplotlib_is_imported_with_plots_only():
    code = "import sys, liverlib, liverlib.film; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
