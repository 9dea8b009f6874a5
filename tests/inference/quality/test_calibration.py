"""The fitted functions, and that they belong to the weights beside them."""

import json
import math

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.verdict import LOOK_CLOSELY
from liverlib.inference.contrasts import INVERTED, STRETCHED, ChangedContrast
from liverlib.inference.quality.calibration import (
    VERSION,
    Calibration,
    Linear,
    calibration_path,
    from_dice,
    to_dice,
)
from liverlib.io.provenance import sha256_of
from liverlib.models.weights import PRETRAINED

LINEAR = Linear(1.0, {"a": 2.0}, {"a": 5.0}, {"a": 4.0})


@pytest.fixture
def weights(tmp_path):
    """Weights with a calibration beside them."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    content = {"version": VERSION, "weights": sha256_of(path), "interval": [-1, 0.5]}
    content |= {"liver": vars(LINEAR), "lesion": vars(LINEAR)}
    calibration_path(path).write_text(json.dumps(content))
    return path


def test_a_feature_that_is_unknown_counts_as_average():
    assert LINEAR({"a": 9.0}) == 3
    assert LINEAR({"a": math.nan}) == LINEAR({"a": 5.0}) == 1


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.9, 0.99])
def test_dice_comes_back(dice):
    assert to_dice(from_dice(dice)) == pytest.approx(dice)
    assert math.isnan(from_dice(math.nan))


def test_predictions_follow_from_what_was_fitted(weights):
    calibration = Calibration.of(weights)
    low, middle, high = calibration.liver_dice({"a": 9.0})
    assert (low, middle, high) == pytest.approx((to_dice(2), to_dice(3), to_dice(3.5)))
    assert calibration.lesion_chance({"a": 3.0}) == pytest.approx(0.5)
    assert calibration.doubts((0.8, 0.9, 0.95)) == []
    (reason,) = calibration.doubts((0.3, 0.6, 0.8))
    assert reason.verdict == LOOK_CLOSELY and "0.60" in reason.text


def test_other_weights_have_no_calibration(weights):
    weights.write_bytes(b"other")
    assert Calibration.of(weights) is None
    calibration_path(weights).unlink()
    assert Calibration.of(weights) is None


def test_a_damaged_calibration_is_told(weights):
    calibration_path(weights).write_text(json.dumps({"version": VERSION}))
    with pytest.raises(LiverlibError, match="Fit it again"):
        Calibration.of(weights)


def test_the_contrasts_chosen_for_the_weights_are_kept_there(weights):
    assert Calibration.of(weights).contrasts == ()
    content = json.loads(calibration_path(weights).read_text())
    content["contrasts"] = [{"gain": -1.0, "least_peak": 0.9, "least_radius_mm": 8.0}]
    calibration_path(weights).write_text(json.dumps(content))
    assert Calibration.of(weights).contrasts == (ChangedContrast(-1.0, 0.9, 8.0),)
    content["contrasts"] = [{"gain": -1.0, "peak": 0.9}]
    calibration_path(weights).write_text(json.dumps(content))
    with pytest.raises(LiverlibError, match="Fit it again"):
        Calibration.of(weights)


def test_the_pretrained_weights_have_one_of_their_own():
    """Where weights are replaced, `benchmarks/weights/quality.py` is to run again."""
    assert Calibration.of(PRETRAINED).contrasts == (STRETCHED, INVERTED)
