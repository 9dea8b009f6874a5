import dataclasses
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from phantoms import simple_case
from safetensors.torch import load_file
from training_runs import CUBE, QUICK, learn, learn_and_die_at

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.evaluation.overlap import dice
from liverlib.inference.segmenter import Segmenter
from liverlib.models.losses import LOSSES
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks
from liverlib.preprocessing.cube import to_cube
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps
from liverlib.training import loop
from liverlib.training.history import read_history
from liverlib.training.sampler import PatchSampler, to_float, whole_cube


def quick(**changes):
    return dataclasses.replace(QUICK, **changes)


def test_it_learns_to_segment_the_liver_of_a_scan_it_was_not_trained_on(cubes, tmp_path):
    history = learn(cubes, tmp_path, quick(epochs=4, steps=60))
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    scan, label = simple_case(seed=9)
    mask = Segmenter.load(tmp_path / "weights.safetensors").predict(scan).mask
    assert dice(label.voxels > 0, mask.voxels > 0) > 0.8
    assert mask.voxels.shape == scan.voxels.shape


def test_the_files_of_a_training(cubes, tmp_path):
    lengths = []
    history = learn(cubes, tmp_path, on_epoch=lambda rows: lengths.append(len(rows)))
    assert lengths == [1, 2, 3]
    for row, written in zip(read_history(tmp_path / "history.csv"), history, strict=True):
        assert row == pytest.approx(written)
    assert {file.name for file in tmp_path.iterdir()} == {
        "history.csv",
        "last.safetensors",
        "weights.safetensors",
    }
    ((_, about),) = load_networks(tmp_path / "weights.safetensors")
    assert about == {"cube": to_dict(CUBE)}


def test_a_training_does_not_go_on_with_other_cases(cubes, tmp_path):
    learn(cubes, tmp_path, quick(epochs=1))
    with pytest.raises(LiverlibError, match=r"made with \d+ cases, not \d"):
        loop.train(PatchSampler(cubes[:3], QUICK), cubes[4:], tmp_path, quick(epochs=1))


def test_a_finished_training_without_its_weights_says_what_to_do(cubes, tmp_path):
    history = learn(cubes, tmp_path, quick(epochs=1))
    (tmp_path / "history.csv").unlink()
    assert learn(cubes, tmp_path, quick(epochs=1)) == history
    assert len(read_history(tmp_path / "history.csv")) == 1
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(LiverlibError, match=r"weights\.safetensors is gone.* delete the folder"):
        learn(cubes, tmp_path, quick(epochs=1))


def test_a_network_to_start_from_gives_its_shape_and_weights(cubes, tmp_path):
    torch.manual_seed(1)
    init = UNet3D((4, 8))
    learn(cubes, tmp_path, quick(epochs=1, steps=1, learning_rate=1e-9), init=init)
    ((network, _),) = load_networks(tmp_path / "weights.safetensors")
    assert network.shape == init.shape
    for after, before in zip(network.parameters(), init.parameters(), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=2e-9)


def test_each_epoch_writes_one_line_where_no_bar_shows(cubes, tmp_path, capsys):
    learn(cubes, tmp_path / "roi", quick(epochs=2))
    captured = capsys.readouterr()
    assert "training" not in captured.err  # the bar: this is no terminal
    line = (
        r"roi  epoch {}/2  loss \d\.\d{{3}}  validation Dice: liver [01]\.\d{{3}}, "
        r"tumour [01]\.\d{{3}}  {}"
    )
    first, second = captured.out.splitlines()
    assert re.fullmatch(line.format(1, r"\d+ s left"), first)
    assert re.fullmatch(line.format(2, "done"), second)


def test_the_line_is_in_a_file_as_soon_as_its_epoch_ends(cubes, tmp_path, monkeypatch):
    counts, path = [], tmp_path / "out.txt"
    with open(path, "w") as file:  # buffered, unlike what pytest puts there
        monkeypatch.setattr(sys, "stdout", file)
        learn(cubes, tmp_path, on_epoch=lambda _: counts.append(path.read_text().count("epoch ")))
    assert counts == [1, 2, 3]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s left"), (89, "89 s left"), (91, "2 min left"), (5399, "90 min left"),
     (9000, "2.5 h left")],
)  # fmt: skip
def test_the_time_left_has_a_unit_that_suits_it(seconds, text):
    row = {"epoch": 1, "train_loss": 0.5}
    row |= {"validation_liver_dice": 0.9, "validation_tumour_dice": math.nan}
    assert loop.epoch_line(row, 9, seconds) == (
        f"epoch 1/9  loss 0.500  validation Dice: liver 0.900, tumour unknown  {text}"
    )


@pytest.mark.parametrize("size", [20, 8])
def test_patches_that_the_network_cannot_halve_are_refused_at_once(cubes, tmp_path, size):
    text = f"patch_size {size}: must be a multiple of 8, at least 16"
    with pytest.raises(LiverlibError, match=text):
        learn(cubes, tmp_path / "run", quick(patch_size=size))
    assert not (tmp_path / "run").exists()


def test_a_training_without_cubes_to_validate_with_is_refused_at_once(cubes, tmp_path):
    with pytest.raises(
        LiverlibError, match=r"validation_cubes \(empty\): must be one file or more"
    ):
        loop.train(PatchSampler(cubes, QUICK), [], tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


def test_without_norm_a_patch_may_have_one_voxel_at_the_lowest_level(cubes, tmp_path):
    settings = quick(patch_size=8, norm=False, epochs=1, steps=1)
    assert math.isfinite(learn(cubes, tmp_path / "run", settings)[0]["train_loss"])


# --- what it goes on from ------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no forkserver, no SIGKILL")
def test_twenty_kills_leave_the_weights_of_an_undisturbed_training(cubes, tmp_path):
    """Kill −9 at random steps, each time going on from what the last process left."""
    settings = quick(epochs=7, steps=6)
    learn(cubes, tmp_path / "calm", settings)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_runs", "liverlib.inference.segmenter", "pytest"])
    random, last = np.random.default_rng(0), tmp_path / "killed" / "last.safetensors"
    for _ in range(20):
        done = read_history(last.with_name("history.csv"))[-1]["step"] if last.exists() else 0
        arguments = (int(done + random.integers(0, 9)), cubes, last.parent, settings)
        process = context.Process(target=learn_and_die_at, args=arguments)
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
    learn(cubes, last.parent, settings)
    for name in ("last", "weights"):
        calm = load_file(tmp_path / "calm" / f"{name}.safetensors")
        killed = load_file(tmp_path / "killed" / f"{name}.safetensors")
        assert all(torch.equal(calm[key], killed[key]) for key in calm)


def test_a_finished_training_is_not_repeated(cubes, tmp_path):
    learn(cubes, tmp_path)
    before = (tmp_path / "last.safetensors").stat().st_mtime_ns
    assert len(learn(cubes, tmp_path)) == QUICK.epochs
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == before


def test_other_settings_do_not_go_on_from_a_checkpoint(cubes, tmp_path):
    learn(cubes, tmp_path, quick(epochs=1))
    with pytest.raises(LiverlibError, match="other settings"):
        learn(cubes, tmp_path, quick(epochs=2))


# --- losses that are no number -------------------------------------------------------------------


def no_number_at(steps):
    """A loss that is no number in these steps."""
    count = iter(range(10_000))

    def loss(logits, targets):
        return logits.square().mean() * (math.nan if next(count) in steps else 1)

    return loss


def test_steps_whose_loss_is_no_number_are_skipped_and_reported(
    cubes, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(LOSSES, "dice+ce", no_number_at({3, 4, 5}))
    history = learn(cubes, tmp_path, quick(epochs=1))
    assert "3 steps skipped" in capsys.readouterr().out
    assert math.isfinite(history[0]["train_loss"])
    tensors = load_file(tmp_path / "weights.safetensors").values()
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_ten_such_steps_in_a_row_stop_with_advice(cubes, tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "dice+ce", no_number_at(range(14, 24)))
    with pytest.raises(LiverlibError, match=r"step 22\. Lower the learning rate \(now 0\.01\)"):
        learn(cubes, tmp_path)
    assert len(read_history(tmp_path / "history.csv")) == 1  # the first epoch, whole


# --- where batches come from ---------------------------------------------------------------------


class CheckedSource:
    """A `BatchSource` of one's own: a bright ball of liver, its position by the draw's number."""

    edge, lesions = 16, False

    def __init__(self):
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 6

    def batch(self, draws):
        self.asked += draws
        images, soft_labels = zip(*map(self.draw, draws), strict=True)
        return torch.stack(images), torch.stack(soft_labels)

    def draw(self, number):
        centre = np.random.default_rng(number).uniform(5, 11, 3)
        axes = zip(np.ogrid[:16, :16, :16], centre, strict=True)
        liver = torch.from_numpy(sum((axis - c) ** 2 for axis, c in axes) < 16)
        image = torch.where(liver, 180, 60).to(torch.uint8)[None]
        return image, torch.stack([255 * liver, 0 * liver]).to(torch.uint8)


def test_a_source_of_ones_own_trains(cubes, tmp_path, capsys):
    source = CheckedSource()
    settings = quick(channels=(8, 16), epochs=3, steps=0, batch=2)
    history = loop.train(source, cubes[4:], tmp_path, settings)
    assert "the liver alone" in capsys.readouterr().out  # it holds no lesions
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["step"] == 9  # steps=0: three steps of two show all six
    assert source.asked == list(range(18))


def test_synthetic_scans_train_like_any_source(cubes, tmp_path):
    maps = write_label_maps(tmp_path / "maps", LabelMapSettings(count=1), 1)
    source = SyntheticScans(maps, LabelMapSettings().spacing, CUBE, 16, 1.0)
    settings = quick(channels=(4, 8), epochs=1, steps=2)
    history = loop.train(source, cubes[4:], tmp_path / "run", settings)
    assert math.isfinite(history[0]["train_loss"])


def test_a_dataset_without_tumours_trains_the_liver_and_reports_that(tmp_path, capsys):
    for seed in range(3):
        scan, label = simple_case(seed)
        label.voxels[label.voxels == 2] = 1
        to_cube(scan, label, CUBE).save(tmp_path / f"{seed}.safetensors")
    paths = sorted(tmp_path.glob("*.safetensors"))
    settings = quick(implants=1.0)
    source = PatchSampler(paths[:2], settings)
    rows = loop.train(source, paths[2:], tmp_path / "run", settings, {"cube": to_dict(CUBE)})
    assert "the liver alone" in capsys.readouterr().out
    assert np.isnan(rows[-1]["validation_tumour_dice"])
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_the_advice_after_a_third_without_a_tumour_comes_once(cubes, tmp_path, capsys, monkeypatch):
    names = ("validation_loss", "validation_liver_dice", "validation_tumour_dice")
    monkeypatch.setattr(loop, "validate", lambda *_: dict(zip(names, (1, 0.9, 0.0), strict=True)))
    learn(cubes, tmp_path, quick(epochs=5, steps=1))
    assert capsys.readouterr().out.count("after 2 of 5 epochs") == 1


# --- a step --------------------------------------------------------------------------------------


def test_the_rate_rises_and_falls_or_stays():
    rates = [loop.learning_rate(step, 100, quick(warmup=10)) for step in range(100)]
    assert max(rates) == pytest.approx(1e-2, rel=1e-3)
    assert rates[0] < rates[5] < max(rates) and np.argmax(rates) in (9, 10)
    assert (np.diff(rates[10:]) < 0).all() and rates[-1] < 1e-4
    assert {loop.learning_rate(step, 100, quick(warmup=0)) for step in range(100)} == {1e-2}


def test_what_a_draw_becomes_depends_on_the_seed_and_its_number_alone(cubes):
    image, soft_labels = to_float(*whole_cube(cubes[0]))
    settings = quick(implants=0.5)
    first, again = (loop.augmented_sample(image, soft_labels, settings, 7) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    assert not torch.equal(first[0], loop.augmented_sample(image, soft_labels, settings, 8)[0])
    plain = loop.augmented_sample(image, soft_labels, quick(augmented=False, implants=0.0), 7)
    assert torch.equal(plain[0], image) and torch.equal(plain[1], soft_labels)


TOGETHER = """
import pathlib, sys, torch
torch.set_num_threads(1)
from liverlib.training import trainer
from liverlib.training.loop import train
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import TrainSettings
trainer.precision = lambda device: "no"
cubes = sorted(pathlib.Path(sys.argv[1]).iterdir())
settings = TrainSettings(
    (8, 16, 32), epochs=2, steps=6, patch_size=24, batch=4, warmup=5, implants=0.5
)
train(PatchSampler(cubes[:4], settings), cubes[4:], sys.argv[2], settings)
"""


def test_two_processes_learn_what_one_does(cubes, tmp_path):
    """Each with half of every batch, over gloo: the same losses, the same weights."""
    (tmp_path / "together.py").write_text(TOGETHER)
    for name, launcher in {
        "alone": [],
        "two": "-m torch.distributed.run --standalone --nproc_per_node 2".split(),
    }.items():
        command = [sys.executable, *launcher, tmp_path / "together.py"]
        environment = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, cubes[0].parent, tmp_path / name], check=True, env=environment)
    histories = [read_history(tmp_path / name / "history.csv") for name in ("alone", "two")]
    for alone, together in zip(*histories, strict=True):
        for key in ("train_loss", "validation_loss"):
            assert together[key] == pytest.approx(alone[key], rel=1e-3)
    (alone, _), (two, _) = (
        load_networks(tmp_path / name / "weights.safetensors")[0] for name in ("alone", "two")
    )
    pairs = zip(alone.parameters(), two.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=5e-3) for a, b in pairs)
