import dataclasses
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import simple_case
from liverlib.core.errors import LiverlibError
from liverlib.core.parallel import prefetch
from liverlib.core.random import shuffled_index
from liverlib.core.settings import to_dict
from liverlib.evaluation.overlap import dice
from liverlib.inference.segmenter import Segmenter
from liverlib.models.losses import LOSSES
from liverlib.models.weights import load_networks
from liverlib.preprocessing.cube import CubeSettings, to_cube
from liverlib.training import loop
from liverlib.training.history import advice, read_history, to_tensorboard
from liverlib.training.loop import train_step
from liverlib.training.sampler import PatchSampler, floats
from liverlib.training.settings import ORIGINAL, TrainSettings
from liverlib.training.trainer import Trainer, compiled

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
    return loop.train(cubes[:4], cubes[4:], folder, settings, about, **more)


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


def die_at(step, *arguments):
    """Trains like `learn`, in a process of its own that is killed before `step`."""

    def step_or_die(training, batch, now, steps):
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_step(training, batch, now, steps)

    loop.train_step = step_or_die
    learn(*arguments)


def test_twenty_kills_leave_the_weights_of_an_undisturbed_training(cubes, tmp_path):
    """Kill −9 at random steps, each time going on from what the last one left."""
    settings = dataclasses.replace(QUICK, epochs=7, steps=6)
    learn(cubes, tmp_path / "calm", settings)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["liverlib.segment", "liverlib.train", "pytest"])
    random, last = np.random.default_rng(0), tmp_path / "killed" / "last.safetensors"
    for _ in range(20):
        done = read_history(last.with_name("history.csv"))[-1]["step"] if last.exists() else 0
        arguments = (int(done + random.integers(0, 9)), cubes, last.parent, settings)
        process = context.Process(target=die_at, args=arguments)
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
    learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=1))
    with pytest.raises(LiverlibError, match="other settings"):
        learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=2))


def no_number_at(steps):
    """A loss that is no number in these steps."""
    count = iter(range(10_000))

    def loss(logits, shares):
        return logits.square().mean() * (math.nan if next(count) in steps else 1)

    return loss


def test_steps_whose_loss_is_no_number_are_passed_over_and_said(
    cubes, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(LOSSES, "dice+ce", no_number_at({3, 4, 5}))
    history = learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=1))
    assert "3 steps skipped" in capsys.readouterr().out
    assert math.isfinite(history[0]["train_loss"])
    tensors = load_file(tmp_path / "weights.safetensors").values()
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_ten_such_steps_in_a_row_stop_with_advice(cubes, tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "dice+ce", no_number_at(range(14, 24)))
    with pytest.raises(LiverlibError, match=r"step 22\. Lower the learning rate \(now 0\.01\)"):
        learn(cubes, tmp_path)
    assert len(read_history(tmp_path / "history.csv")) == 1  # the first epoch, whole


def test_a_gradient_that_is_no_number_leaves_the_weights_alone(cubes):
    training = Trainer(QUICK, 24)
    before = [p.clone() for p in training.network.parameters()]
    image = torch.rand(2, 1, 24, 24, 24)
    hook = training.network.head.register_full_backward_hook(
        lambda module, inputs, outputs: (inputs[0] * math.inf,)
    )
    assert math.isnan(training.update(image, torch.zeros(2, 2, 24, 24, 24), 0.01, 0))
    for old, new in zip(before, training.network.parameters(), strict=True):
        assert torch.equal(old, new)
    hook.remove()
    assert math.isfinite(training.update(image, torch.zeros(2, 2, 24, 24, 24), 0.01, 1))
    assert training.refused == 0


class Full:
    """A network on a device whose memory holds so many windows at once."""

    def __init__(self, model, most):
        self.model, self.most, self.seen = model, most, []

    def __call__(self, image):
        self.seen.append(len(image))
        if len(image) > self.most:
            raise torch.cuda.OutOfMemoryError
        return self.model(image)


def test_a_full_memory_is_met_with_fewer_windows_at_once(cubes, capsys):
    training = Trainer(dataclasses.replace(QUICK, batch=4), 24)
    training.model = Full(training.model, 1)
    image, soft_labels = torch.rand(4, 1, 24, 24, 24), torch.zeros(4, 2, 24, 24, 24)
    assert math.isfinite(training.update(image, soft_labels, 0.01, 0))
    assert training.model.seen == [4, 2, 1, 1, 1, 1]
    assert "1 windows at once" in capsys.readouterr().out


def test_a_memory_too_small_for_one_window_is_told_which_would_fit(cubes):
    training = Trainer(QUICK, 24)
    training.model = Full(training.model, 0)
    with pytest.raises(LiverlibError, match=r"--body\.window 16"):
        training.update(torch.rand(2, 1, 24, 24, 24), torch.zeros(2, 2, 24, 24, 24), 0.01, 0)


def test_windows_one_at_a_time_give_the_same_gradient(cubes, monkeypatch):
    """Of the cross-entropy, a mean; the Dice is taken over what is there at once."""
    monkeypatch.setattr("liverlib.core.device.is_right", lambda device, deepest: False)  # float32
    image, soft_labels = floats(*PatchSampler(cubes, 24, 0.5, 0.5, 0).batch(range(4)))
    losses, gradients = [], []
    for at_once in (0, 1):
        settings = dataclasses.replace(QUICK, batch=4, loss="ce", at_once=at_once)
        training = Trainer(settings, 24)
        losses.append(training._backward(image, soft_labels))
        gradients.append(torch.cat([p.grad.flatten() for p in training.network.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, atol=1e-5)


def test_the_state_of_a_gradient_scaler_is_kept(cubes, tmp_path):
    saved, loaded = Trainer(QUICK, 24), Trainer(QUICK, 24)
    for training, scale in ((saved, 512.0), (loaded, 65536.0)):
        training.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        training.accelerator.scaler.scale(torch.ones(1))
    saved.save(tmp_path / "last.safetensors")
    loaded.load(tmp_path / "last.safetensors")
    assert loaded.accelerator.scaler.get_scale() == 512


def test_what_cannot_be_compiled_is_used_as_it_is(capsys, monkeypatch):
    def broken(image):
        raise RuntimeError("no compiler here\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda model: broken)
    model = torch.nn.Identity()
    assert compiled(model, torch.ones(1)) is model
    assert capsys.readouterr().out.count("\n") == 1


def test_a_training_that_finds_no_tumour_is_warned_about_after_a_third(
    cubes, tmp_path, capsys, monkeypatch
):
    names = ("validation_loss", "validation_liver_dice", "validation_tumour_dice")
    monkeypatch.setattr(loop, "validate", lambda *_: dict(zip(names, (1, 0.9, 0.0), strict=True)))
    learn(cubes, tmp_path, dataclasses.replace(QUICK, epochs=5, steps=1))
    assert capsys.readouterr().out.count("after 2 of 5 epochs") == 1


@pytest.mark.parametrize("dices", [[0, 0.1], [math.nan, math.nan], [0]])
def test_other_trainings_are_not_warned_about(dices):
    assert not advice([{"validation_tumour_dice": dice} for dice in dices], epochs=5)


TOGETHER = """
import sys, dataclasses, pathlib, torch
torch.set_num_threads(1)
from liverlib import training
from liverlib.presets import TrainSettings
from liverlib.train import train
training.precision = lambda device: "no"
cubes = sorted(pathlib.Path(sys.argv[1]).iterdir())
settings = TrainSettings((8, 16, 32), epochs=2, steps=6, window=24, batch=4, warmup=5, implants=0.5)
train(cubes[:4], cubes[4:], sys.argv[2], settings)
"""


def test_two_processes_learn_what_one_does(cubes, tmp_path):
    """Each with half of every batch, over gloo: the same losses, the same weights."""
    (tmp_path / "together.py").write_text(TOGETHER)
    for name, launcher in {
        "one": [],
        "two": "-m torch.distributed.run --standalone --nproc_per_node 2".split(),
    }.items():
        command = [sys.executable, *launcher, tmp_path / "together.py"]
        environment = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, cubes[0].parent, tmp_path / name], check=True, env=environment)
    one, two = (read_history(tmp_path / name / "history.csv") for name in ("one", "two"))
    for alone, together in zip(one, two, strict=True):
        for key in ("train_loss", "validation_loss"):
            assert together[key] == pytest.approx(alone[key], rel=1e-3)
    one, two = (load_networks(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    pairs = zip(one[0][0].parameters(), two[0][0].parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=5e-3) for a, b in pairs)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_each_round_shows_each_case_once_however_many_processes(cubes, processes):
    seen = []
    for step in range(5):
        for rank in range(processes):
            training = SimpleNamespace(
                settings=dataclasses.replace(QUICK, batch=4),
                accelerator=SimpleNamespace(process_index=rank, num_processes=processes),
            )
            seen += [shuffled_index(0, draw, len(cubes)) for draw in Trainer.share(training, step)]
    assert sorted(seen) == sorted(4 * list(range(5)))


@pytest.mark.parametrize("threads", [1, 4])
def test_what_is_made_ahead_comes_in_order_and_its_errors_too(threads):
    """The first is held back until those that may be under way beside it are, too."""
    begun = [threading.Event() for _ in range(20)]

    def make(n):
        begun[n].set()
        if n == 0:
            assert all(one.wait(60) for one in begun[:threads])
        if n == 12:
            raise ValueError("twelve")
        return n

    made = prefetch(make, range(20), threads)
    assert [next(made) for _ in range(12)] == list(range(12))
    with pytest.raises(ValueError, match="twelve"):
        next(made)


def test_rows_reach_tensorboard(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write, rows = to_tensorboard(tmp_path), []
    for epoch in (1, 2):
        rows.append({"epoch": epoch, "step": 10 * epoch, "train_loss": 1 / epoch})
        write(rows)
    events = loader.EventAccumulator(str(tmp_path)).Reload()
    found = [(one.step, one.value) for one in events.Scalars("train_loss")]
    assert found == [(10, 1.0), (20, 0.5)]


def test_the_original_recipe_shows_whole_cubes_once_an_epoch(cubes):
    recipe = ORIGINAL
    windows = PatchSampler(cubes, recipe.window, recipe.tumour, recipe.liver, recipe.seed)
    images = [windows.batch([draw])[0] for draw in range(5)]
    assert images[0].shape == (1, 1, 32, 32, 32)
    assert len({image.float().sum().item() for image in images}) == 5


def test_windows_show_tumours_as_often_as_asked(cubes):
    always = PatchSampler(cubes, 16, tumour=1, liver=0, seed=0)
    _, soft_labels = always.batch(range(30))
    assert (soft_labels[:, 1].flatten(1).amax(1) > 0).all()


def test_a_dataset_without_tumours_trains_the_liver_and_says_so(tmp_path, capsys):
    for seed in range(3):
        scan, label = simple_case(seed)
        label.voxels[label.voxels == 2] = 1
        to_cube(scan, label, CUBE).save(tmp_path / f"{seed}.safetensors")
    paths = sorted(tmp_path.glob("*.safetensors"))
    about = {"cube": to_dict(CUBE)}
    settings = dataclasses.replace(QUICK, implants=1.0)
    rows = loop.train(paths[:2], paths[2:], tmp_path / "run", settings, about)
    assert "the liver alone" in capsys.readouterr().out
    assert np.isnan(rows[-1]["validation_tumour_dice"])
    assert (tmp_path / "run" / "weights.safetensors").exists()
