import dataclasses
import json
import math
from types import SimpleNamespace

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training_runs import QUICK

from liverlib.core.errors import LiverlibError
from liverlib.core.random import shuffled_index
from liverlib.training.sampler import PatchSampler, to_float
from liverlib.training.trainer import Trainer, compile_network


def quick(**changes):
    return dataclasses.replace(QUICK, **changes)


def test_a_gradient_that_is_no_number_leaves_the_weights_alone():
    trainer = Trainer(QUICK, 24)
    before = [p.clone() for p in trainer.network.parameters()]
    image = torch.rand(2, 1, 24, 24, 24)
    hook = trainer.network.head.register_full_backward_hook(
        lambda module, inputs, outputs: (inputs[0] * math.inf,)
    )
    assert math.isnan(trainer.update(image, torch.zeros(2, 2, 24, 24, 24), 0.01, 0))
    for old, new in zip(before, trainer.network.parameters(), strict=True):
        assert torch.equal(old, new)
    hook.remove()
    assert math.isfinite(trainer.update(image, torch.zeros(2, 2, 24, 24, 24), 0.01, 1))
    assert trainer.refused == 0


def test_a_gradient_scaler_goes_on_after_a_loss_that_is_no_number(monkeypatch):
    trainer = Trainer(QUICK, 24)
    accelerator, scaler = trainer.accelerator, torch.amp.GradScaler("cpu", init_scale=1024)
    monkeypatch.setitem(accelerator.state._shared_state, "_mixed_precision", "fp16")
    monkeypatch.setattr(accelerator, "native_amp", True)
    monkeypatch.setattr(accelerator, "scaler", scaler)
    trainer.optimizer = AcceleratedOptimizer(trainer.optimizer.optimizer, False, scaler)
    image, soft_labels = torch.rand(2, 1, 24, 24, 24), torch.zeros(2, 2, 24, 24, 24)
    losses = [
        trainer.update(image * factor, soft_labels, 0.01, step)
        for step, factor in enumerate((1, math.nan, math.nan, 1))
    ]
    assert [math.isfinite(loss) for loss in losses] == [True, False, False, True]
    assert scaler.get_scale() == 256 and trainer.refused == 0


class FullMemory:
    """A network on a device whose memory holds so many patches at once."""

    def __init__(self, model, most):
        self.model, self.most, self.sizes = model, most, []

    def __call__(self, image):
        self.sizes.append(len(image))
        if len(image) > self.most:
            raise torch.cuda.OutOfMemoryError
        return self.model(image)


def test_a_full_memory_is_met_with_fewer_patches_at_once(capsys):
    trainer = Trainer(quick(batch=4), 24)
    trainer.model = FullMemory(trainer.model, 1)
    image, soft_labels = torch.rand(4, 1, 24, 24, 24), torch.zeros(4, 2, 24, 24, 24)
    assert math.isfinite(trainer.update(image, soft_labels, 0.01, 0))
    assert trainer.model.sizes == [4, 2, 1, 1, 1, 1]
    assert "1 patches at once" in capsys.readouterr().out


def test_a_memory_too_small_for_one_patch_is_told_which_would_fit():
    trainer = Trainer(QUICK, 24)
    trainer.model = FullMemory(trainer.model, 0)
    with pytest.raises(LiverlibError, match=r"--coarse\.patch_size 16 --roi\.patch_size 16"):
        trainer.update(torch.rand(2, 1, 24, 24, 24), torch.zeros(2, 2, 24, 24, 24), 0.01, 0)


def test_patches_one_at_a_time_give_the_same_gradient(cubes, monkeypatch):
    """Of the cross-entropy, a mean; the Dice is taken over what is in memory at once."""
    monkeypatch.setattr("liverlib.training.trainer.is_accurate", lambda *_: False)  # float32
    patches = PatchSampler(cubes, quick(tumour_fraction=0.5, liver_fraction=0.5))
    image, soft_labels = to_float(*patches.batch(range(4)))
    losses, gradients = [], []
    for micro_batch in (0, 1):
        trainer = Trainer(quick(batch=4, loss="ce", micro_batch=micro_batch), 24)
        losses.append(trainer._backward(image, soft_labels))
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.network.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, atol=1e-5)


def test_the_state_of_a_gradient_scaler_is_kept(tmp_path):
    saved, loaded = Trainer(QUICK, 24), Trainer(QUICK, 24)
    for trainer, scale in ((saved, 512.0), (loaded, 65536.0)):
        trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        trainer.accelerator.scaler.scale(torch.ones(1))
    saved.save(tmp_path / "last.safetensors")
    loaded.load(tmp_path / "last.safetensors")
    assert loaded.accelerator.scaler.get_scale() == 512


def test_the_average_forgets_its_start_and_can_be_switched_off():
    image, soft_labels = torch.rand(2, 1, 24, 24, 24), torch.zeros(2, 2, 24, 24, 24)
    for decay, equal in ((0.99, False), (0.0, True)):
        trainer = Trainer(quick(ema_decay=decay), 24)
        for step in range(3):
            trainer.update(image, soft_labels, 0.01, step)
        pairs = zip(trainer.ema.parameters(), trainer.network.parameters(), strict=True)
        assert all(torch.allclose(a, b, atol=1e-7) for a, b in pairs) == equal


def test_what_cannot_be_compiled_is_used_as_it_is(capsys, monkeypatch):
    def broken(image):
        raise RuntimeError("no compiler here\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda model: broken)
    model = torch.nn.Identity()
    assert compile_network(model, torch.ones(1)) is model
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_each_round_shows_each_case_once_however_many_processes(cubes, processes):
    cases = []
    for step in range(5):
        for rank in range(processes):
            trainer = SimpleNamespace(
                settings=quick(batch=4),
                accelerator=SimpleNamespace(process_index=rank, num_processes=processes),
            )
            cases += [shuffled_index(0, draw, len(cubes)) for draw in Trainer.draws(trainer, step)]
    assert sorted(cases) == sorted(4 * list(range(5)))


@pytest.mark.parametrize("fault", ["empty", "cut", "flipped", "foreign", "lacks", "another shape"])
def test_a_damaged_checkpoint_is_refused_in_a_sentence(tmp_path, fault):
    path = tmp_path / "last.safetensors"
    Trainer(QUICK, 24).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-50] ^= 4
    contents = {"empty": b"", "cut": whole[:-9], "flipped": bytes(flipped)}
    path.write_bytes(contents.get(fault, whole))
    if fault == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif fault == "lacks":
        save_file(load_file(path), path, {"trainer": json.dumps({"history": []})})
    elif fault == "another shape":
        tensors = {key: value for key, value in load_file(path).items() if "head" not in key}
        with safe_open(path, "pt") as file:
            kept = json.loads(file.metadata()["trainer"])
        del kept["sha256"]  # as earlier versions wrote it
        save_file(tensors, path, {"trainer": json.dumps(kept)})
    with pytest.raises(LiverlibError, match=r"last\.safetensors: .*Delete it to train this stage"):
        Trainer(QUICK, 24).load(path)
