import numpy as np
import pytest
from matplotlib.colors import to_hex
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.case import score_volumes
from liverlib.evaluation.summary import summarise
from liverlib.io.volume import Volume
from liverlib.view import charts


def history(epochs: int = 3) -> list[dict]:
    columns = (
        "epoch", "step", "seconds", "learning_rate", "train_loss", "validation_loss",
        "validation_liver_dice", "validation_tumour_dice",
    )  # fmt: skip
    return [dict.fromkeys(columns, 0.5) | {"epoch": i, "step": 10 * i} for i in range(epochs)]


def test_the_histogram_tells_liver_from_tumour(case):
    scan, label, _ = case
    axis = charts.histogram(scan, label, window=(200, 50)).axes[0]
    text = " ".join(axis.get_legend_handles_labels()[1])
    for value, name in ((1, "liver"), (2, "tumour")):
        assert f"{name}: {scan.voxels[label.voxels == value].mean():.0f} ± " in text
    assert "window: -50 to 150 HU" in text
    assert sum(patch.get_height() for patch in axis.patches) == pytest.approx(200, abs=1)
    free = Volume(np.minimum(label.voxels, 1), label.grid)
    axis = charts.histogram(scan, free).axes[0]
    assert "tumour" not in str(axis.get_legend_handles_labels()[1])


def test_curves_show_every_run_with_its_own_colour_and_name(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("\n".join([",".join(history()[0]), "0,10,5,.1,.9,.8,.7,"]))
    figure = charts.curves({"demo": history(), "original": path}, against="step")
    losses, rate, liver, tumour = figure.axes
    assert len(losses.lines) == 4 and len(rate.lines) == len(liver.lines) == 2
    assert [line.get_label() for line in liver.lines] == ["demo", "original"]
    assert liver.lines[0].get_color() != liver.lines[1].get_color()
    assert losses.lines[0].get_xdata().tolist() == [0, 10, 20]
    assert np.isnan(tumour.lines[1].get_ydata()).all()  # an empty field: not measured
    assert liver.get_ylim() == (0, 1)
    assert losses.get_xlabel() == "step"


def test_seconds_are_those_since_the_start():
    rows = [row | {"seconds": s} for row, s in zip(history(), (110, 53, 63), strict=True)]
    line = charts.curves(rows, against="seconds").axes[0].lines[0]
    assert line.get_xdata().tolist() == [110, 163, 226]


def test_curves_take_one_history_or_its_file(tmp_path):
    assert len(charts.curves(history()).axes[0].lines) == 2
    with pytest.raises(LiverlibError, match=r"absent\.csv: no history"):
        charts.curves(tmp_path / "absent.csv")


def test_the_overview_leaves_out_what_is_unknown():
    row = {"name": "a", "shape": (9, 9, 80), "spacing": (1, 1, 2.5), "liver_ml": 1500.0}
    known = row | {"tumours": 3, "tumour_ml": 30.0, "burden": 0.02}
    unknown = known | {"liver_ml": float("nan"), "tumours": 0, "burden": float("nan")}
    livers, tumours, burden, depth = charts.dataset_overview([known, known, unknown]).axes
    assert "2 cases" in livers.get_title() and "1 without" in tumours.get_title()
    assert [patch.get_height() for patch in burden.patches] == [2, 2]
    assert depth.lines[0].get_xydata().tolist() == [[2.5, 80]] * 3


@pytest.fixture
def summary():
    """Three pairs: one shifted, one with a missed tumour, one with a false tumour."""
    cases = []
    for n in range(3):
        _, label = simple_case(n)
        free = Volume(np.minimum(label.voxels, 1), label.grid)
        moved = Volume(np.roll(label.voxels, 1, 0), label.grid)
        pair = [(label, moved), (label, free), (free, moved)][n]
        cases.append(score_volumes(f"case_{n}", *pair))
    return summarise(cases)


def test_a_strip_shows_every_case_worst_tumour_first(summary):
    strip, means = charts.case_strip(summary).axes
    names = [text.get_text() for text in strip.get_xticklabels()]
    assert names == ["case_1", "case_0", "case_2"]  # missed, shifted, without a tumour
    liver, tumour = (line.get_ydata() for line in strip.lines)
    cases = {case.name: case for case in summary.cases}
    assert list(liver) == [cases[name].liver.dice for name in names]
    assert list(tumour) == [cases[name].tumour.dice for name in names[:2]]
    assert means.lines[1].get_ydata() == pytest.approx(np.mean(tumour))


def test_bland_and_altman_show_the_differences_of_volumes(summary):
    _, tumour = charts.bland_altman(summary).axes
    results = [case.tumour for case in summary.cases]
    differences = [result.predicted_ml - result.reference_ml for result in results]
    assert list(tumour.lines[0].get_ydata()) == pytest.approx(differences)
    heights = [line.get_ydata()[0] for line in tumour.lines[1:]]
    spread = 1.96 * np.std(differences, ddof=1)
    assert heights == pytest.approx(np.mean(differences) + np.array([0, -spread, spread]))
    assert "3 cases" in tumour.get_title()


def test_detection_by_size_stands_side_by_side(summary):
    recall, precision = charts.detection_by_size({"first": summary, "again": summary}).axes
    assert [bar.get_height() for bar in recall.patches] == [0, 0, 0.5] * 2
    assert [bar.get_height() for bar in precision.patches] == [0, 0, 0.5] * 2
    assert [text.get_text() for text in recall.texts] == ["0", "0", "2"] * 2
    assert [text.get_text() for text in recall.get_legend().get_texts()] == ["first", "again"]
    assert charts.detection_by_size(summary).axes[0].get_legend() is None


def test_a_fingerprint_shows_suspicious_cases_in_red():
    row = {
        "shape": (9, 9, 80), "spacing": (1, 1, 2.5), "hu": (20, 100, 180), "liver_ml": 1500.0,
        "burden": 0.02, "suspicions": [],
    }  # fmt: skip
    darker = row | {"hu": (-50, 10, 90), "suspicions": ["the liver's median is not 30 HU"]}
    unread = {"name": "broken", "suspicions": ["cannot be read"]}
    livers, *_ = charts.fingerprint_chart([row, darker, unread]).axes
    dots = livers.collections[1]
    assert dots.get_offsets().tolist() == [[0, 10], [1, 100]]
    assert [to_hex(colour) for colour in dots.get_facecolors()] == [
        charts.RUN_COLOURS[1], charts.RUN_COLOURS[0],
    ]  # fmt: skip
