import math

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.training.history import (
    advice,
    finished,
    quality,
    read_history,
    to_tensorboard,
    write_history,
)


def row(liver: float, tumour: float) -> dict[str, float]:
    return {"validation_liver_dice": liver, "validation_tumour_dice": tumour}


def test_the_best_epoch_is_chosen_by_the_dices_that_exist():
    assert quality(row(0.8, 0.4)) == pytest.approx(0.6)
    assert quality(row(0.8, math.nan)) == pytest.approx(0.8)
    assert quality(row(math.nan, math.nan)) == 0


def test_a_training_that_detects_no_tumour_is_advised_after_a_third():
    rows = [row(0.9, 0.0)] * 5
    advised = [bool(advice(rows[:n], epochs=5, name="coarse")) for n in range(1, 6)]
    assert advised == [False, True, False, False, False]
    assert "--coarse.tumour_fraction" in advice(rows[:2], epochs=5, name="coarse")
    assert "--" not in advice(rows[:2], epochs=5, name="fits")  # no stage of a run


@pytest.mark.parametrize("dices", [[0, 0.1], [math.nan, math.nan], [0]])
def test_other_trainings_are_not_advised(dices):
    assert not advice([{"validation_tumour_dice": dice} for dice in dices], epochs=5, name="coarse")


def test_rows_come_back_from_csv_with_what_is_no_number(tmp_path):
    rows = [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": math.nan}]
    write_history(tmp_path / "history.csv", rows)
    first, second = read_history(tmp_path / "history.csv")
    assert first == rows[0]
    assert second["epoch"] == 2 and math.isnan(second["loss"])


def test_a_training_is_finished_when_all_its_epochs_and_its_weights_are_written(tmp_path):
    assert finished(tmp_path, 2) == []
    rows = [{"epoch": 1.0}, {"epoch": 2.0}]
    write_history(tmp_path / "history.csv", rows)
    assert finished(tmp_path, 2) == []
    (tmp_path / "weights.safetensors").touch()
    assert finished(tmp_path, 2) == rows
    assert finished(tmp_path, 3) == []


def test_rows_reach_tensorboard(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write, rows = to_tensorboard(tmp_path), []
    for epoch in (1, 2):
        rows.append({"epoch": epoch, "step": 10 * epoch, "train_loss": 1 / epoch})
        write(rows)
    events = loader.EventAccumulator(str(tmp_path)).Reload()
    scalars = [(event.step, event.value) for event in events.Scalars("train_loss")]
    assert scalars == [(10, 1.0), (20, 0.5)]


@pytest.mark.parametrize(
    "fault",
    [
        "",
        "epoch,loss\n",
        "epoch,loss\n1,0.5\n2,0",
        "epoch\n1,2\n",
        "epoch,loss\n1\n",
        "epoch,loss\n1,high\n",
        "\x00\x80\n",
    ],
)
def test_a_history_that_is_cut_or_empty_is_refused(tmp_path, fault):
    path = tmp_path / "history.csv"
    path.write_text(fault, "latin-1")
    with pytest.raises(
        LiverlibError, match=r"history\.csv: .*Delete it and give the command again"
    ):
        read_history(path)
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(LiverlibError, match="Delete it"):
        finished(tmp_path, 1)
