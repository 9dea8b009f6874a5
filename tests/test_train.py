import dataclasses

import numpy as np
import pytest
import torch

from conftest import simple_case
from liverlib import LiverlibError, train
from liverlib.cube import CubeSettings, to_cube
from liverlib.metrics import dice
from liverlib.presets import ORIGINAL, TrainSettings
from liverlib.segment import Segmenter
from liverlib.settings import to_dict
from liverlib.train import Training, read_history, train_step
from liverlib.unet import load_networks
from liverlib.windows import Windows

CUBE = CubeSettings(size=32)
QUICK = TrainSettings(
    channels=(8, 16, 32), epochs=3, steps=12, window=24, batch=2, warmup=5, learning_rate=1e-2
)


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    for seed in range(5):
        to_cube(*simple_case(seed), CUBE).save(folder / f"{seed}.safetensors")
    return sorted(folder.iterdir())


def learn(cubes, folder, settings=QUICK, **more):
    torch.set_num_threads(1)
    about = {"cube": to_dict(CUBE)}
    return train.train(cubes[:4], cubes[4:], folder, settings, about, **more)


def test_it_learns_to_find_the_liver_in_a_scan_it_never_saw(cubes, tmp_path):
    history = learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=4, steps=60))
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    scan, label = simple_case(seed=9)
    mask = Segmenter.load(tmp_path / "weights.safetensors").segment(scan)
    assert dice(label.voxels > 0, mask.voxels > 0) > 0.8
    assert mask.voxels.shape == scan.voxels.shape


def test_the_files_of_a_training(cubes, tmp_path):
    seen = []
    history = learn(cubes, tmp_path, on_epoch=lambda rows: seen.append(len(rows)))
    assert seen == [1, 2, 3]
    for read, written in zip(read_history(tmp_path / "history.csv"), history, strict=True):
        assert read == pytest.approx(written)
    assert {file.name for file in tmp_path.iterdir()} == {
        "history.csv",
        "last.safetensors",
        "weights.safetensors",
    }


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [5, 20, 30])
def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    cubes, tmp_path, monkeypatch, at
):
    learn(cubes, tmp_path / "calm")

    def step_or_die(training, windows, step, steps):
        if step == at:
            raise Killed
        return train_step(training, windows, step, steps)

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_step", step_or_die)
        with pytest.raises(Killed):
            learn(cubes, tmp_path / "killed")
    learn(cubes, tmp_path / "killed")
    calm, killed = (Training(QUICK) for _ in range(2))
    calm.load(tmp_path / "calm" / "last.safetensors")
    killed.load(tmp_path / "killed" / "last.safetensors")
    for one, other in ((calm.network, killed.network), (calm.average, killed.average)):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
    best = [
        load_networks(tmp_path / run / "weights.safetensors")[0][0] for run in ("calm", "killed")
    ]
    for a, b in zip(*(network.parameters() for network in best), strict=True):
        assert torch.equal(a, b)


def test_a_finished_training_is_not_repeated(cubes, tmp_path):
    learn(cubes, tmp_path)
    before = (tmp_path / "last.safetensors").stat().st_mtime_ns
    assert len(learn(cubes, tmp_path)) == QUICK.epochs
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == before


def test_other_settings_do_not_go_on_from_a_checkpoint(cubes, tmp_path):
    learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=1))
    with pytest.raises(LiverlibError, match="other settings"):
        learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=2))


def test_a_loss_that_is_no_number_stops_with_advice(cubes, tmp_path, monkeypatch):
    monkeypatch.setitem(train.LOSSES, "dice+ce", lambda logits, shares: logits.sum() * torch.nan)
    with pytest.raises(LiverlibError, match="Lower the learning rate"):
        learn(cubes, tmp_path)


def test_the_original_recipe_shows_whole_cubes_once_an_epoch(cubes):
    recipe = ORIGINAL
    windows = Windows(cubes, recipe.window, recipe.tumour, recipe.liver, recipe.seed)
    images = [windows.batch(step, 1)[0] for step in range(5)]
    assert images[0].shape == (1, 1, 32, 32, 32)
    assert len({image.sum().item() for image in images}) == 5


def test_windows_show_tumours_as_often_as_asked(cubes):
    always = Windows(cubes, 16, tumour=1, liver=0, seed=0)
    _, occupancy = always.batch(0, 30)
    assert (occupancy[:, 1].flatten(1).amax(1) > 0).all()


def test_a_dataset_without_tumours_still_trains(tmp_path):
    for seed in range(3):
        scan, label = simple_case(seed)
        label.voxels[label.voxels == 2] = 1
        to_cube(scan, label, CUBE).save(tmp_path / f"{seed}.safetensors")
    paths = sorted(tmp_path.glob("*.safetensors"))
    about = {"cube": to_dict(CUBE)}
    rows = train.train(paths[:2], paths[2:], tmp_path / "run", QUICK, about)
    assert np.isnan(rows[-1]["validation_tumour_dice"])
    assert (tmp_path / "run" / "weights.safetensors").exists()
