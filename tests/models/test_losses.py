import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import peer

from liverlib.models.losses import class_targets, cross_entropy, dice_cross_entropy, soft_dice


def hard(classes: list[int]) -> torch.Tensor:
    """Targets (1, C, N) of voxels that belong wholly to one class."""
    return torch.nn.functional.one_hot(torch.tensor(classes), 3).T[None].float()


def one_hot(classes, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.as_tensor(classes), count).movedim(-1, 1).float()


def test_cross_entropy_of_whole_voxels_is_torchs():
    logits = torch.randn(2, 3, 4, 5, 6)
    classes = torch.randint(3, (2, 4, 5, 6))
    expected = torch.nn.functional.cross_entropy(logits, classes)
    value = cross_entropy(logits, one_hot(classes, 3)).item()
    assert value == pytest.approx(expected.item(), rel=1e-6)


def test_soft_dice_by_hand():
    """Liver: p ½, ½, 0 against 1, 1, 0; tumour: p 0, 0, 1 against 0, 0, 1."""
    p = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]).clamp(1e-9)
    expected = 1 - (2 * 1 / (1 + 2) + 1) / 2
    assert soft_dice(p.log(), hard([1, 1, 2])).item() == pytest.approx(expected, abs=1e-4)


def test_a_perfect_prediction_costs_nothing_and_no_foreground_is_no_failure():
    label = hard([0, 1, 2, 1])
    assert dice_cross_entropy(label * 100, label).item() == pytest.approx(0, abs=1e-5)
    empty = hard([0, 0, 0, 0])
    assert soft_dice(empty * 100, empty).item() == pytest.approx(0, abs=1e-4)


def test_targets_of_all_classes_add_up():
    soft_labels = torch.rand(2, 2, 3, 3, 3).sort(dim=1, descending=True).values
    targets = class_targets(soft_labels)
    assert torch.allclose(targets.sum(1), torch.ones(2, 3, 3, 3))
    assert torch.equal(targets[:, 2], soft_labels[:, 1])


# --- published values ----------------------------------------------------------------------------


def sigmoid(logits) -> torch.Tensor:
    """Logits (B, 1, …) of a sigmoid as those (B, 2, …) of a softmax beside a silent background."""
    logits = torch.as_tensor(logits)
    return torch.cat([torch.zeros_like(logits), logits], 1)


X = [[[[1.0, -1], [-1, 1]]]]  # the numbers of MONAI's own tests of its losses
Y = [[[1, 0], [1, 1]]]
TWO = torch.tensor([[[-1.0, 0, 1], [1, 0, -1]], [[0, 0, 0], [0, 0, 0]]])
TWO_Y = torch.tensor([[1, 0, 0], [1, 1, 0]])
CERTAIN = torch.tensor([[[1.0, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 1, 0]]])
CERTAIN_Y = torch.tensor([[0, 0, 1], [0, 1, 0]])


def test_published_values_of_dice():
    """MONAI's test_dice_loss: samples or classes, of which it takes a mean, are batches here."""
    assert soft_dice(sigmoid(X), one_hot(Y, 2), 1e-6).item() == pytest.approx(0.307576, abs=1e-6)
    pairs = [(X, [[[1, 1], [1, 1]]]), (X, [[[1, 0], [1, 0]]])]
    dices = [soft_dice(sigmoid(x), one_hot(y, 2), 1e-4).item() for x, y in pairs]
    assert np.mean(dices) == pytest.approx(0.416657, abs=1e-6)
    single = [
        soft_dice(sigmoid(x[None, None]), one_hot((y == n).long()[None], 2), 1e-4).item()
        for sample, y in zip(TWO, TWO_Y, strict=True)
        for n, x in enumerate(sample)
    ]
    assert single == pytest.approx([0.296529, 0.415136, 0.599976, 0.428559], abs=1e-6)
    silent = torch.full((1, 1, 3), -1e9)  # a background that nothing is, and so two other classes
    dices = [
        soft_dice(torch.cat([silent, x[None]], 1), one_hot(y[None] + 1, 3), 1e-4).item()
        for x, y in zip(TWO, TWO_Y, strict=True)
    ]
    assert np.mean(dices) == pytest.approx(0.383713, abs=1e-6)


def test_published_values_of_cross_entropy():
    """MONAI's test_dice_ce_loss, whose Dice is perfect: 0.3133, and 0.2088 where four voxels in
    six are in doubt; twice that with a weight of 2."""
    doubt = math.log(1 + math.e) - 1
    value = cross_entropy(CERTAIN, one_hot(CERTAIN_Y, 2)).item()
    assert value == pytest.approx(doubt, abs=1e-6)
    surer = CERTAIN.clone()
    surer[0, 0, :2] = 100
    value = cross_entropy(surer, one_hot(CERTAIN_Y, 2)).item()
    assert value == pytest.approx(4 / 6 * doubt, abs=1e-6)
    assert value == pytest.approx(0.2088, abs=1e-4)


def test_their_sum_is_monais():
    """DiceCELoss(softmax=True, include_background=False, batch=True) of MONAI 1.6.1."""
    value = dice_cross_entropy(CERTAIN, one_hot(CERTAIN_Y, 2)).item()
    assert value == pytest.approx(0.668856, abs=1e-6)


# --- other libraries, where they are installed ---------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans(), st.floats(0.1, 10))
def test_losses_are_those_of_monai(seed, batch, whole, size):
    monai = peer("monai.losses", "MONAI")
    random = torch.Generator().manual_seed(seed)
    logits = size * torch.randn(batch, 3, 4, 5, 6, generator=random)
    targets = torch.rand(logits.shape, generator=random)
    targets /= targets.sum(1, keepdim=True)
    if whole:
        targets = one_hot(targets.argmax(1), 3)
    alike = {"softmax": True, "include_background": False, "batch": True}
    dice = monai.DiceLoss(**alike)(logits, targets).item()
    both = monai.DiceCELoss(**alike)(logits, targets).item()
    assert soft_dice(logits, targets).item() == pytest.approx(dice, rel=1e-6, abs=1e-6)
    assert dice_cross_entropy(logits, targets).item() == pytest.approx(both, rel=1e-6)
    expected = torch.nn.functional.cross_entropy(logits, targets).item()
    assert cross_entropy(logits, targets).item() == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_dice_is_that_of_nnunet(seed):
    """Its loss is −Dice, and its smoothing once above and once below, as here."""
    nnunet = peer("nnunetv2.training.loss.dice", "nnU-Net")
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, 6, generator=random)
    classes = torch.randint(3, (2, 1, 4, 5, 6), generator=random)
    alike = {"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}
    loss = nnunet.MemoryEfficientSoftDiceLoss(lambda x: x.softmax(1), **alike)
    expected = 1 + loss(logits, classes).item()
    assert soft_dice(logits, one_hot(classes[:, 0], 3)).item() == pytest.approx(expected, abs=1e-6)
