import json
import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from liverlib.core.device import mixed_precision
from liverlib.core.errors import LiverlibError
from liverlib.models.losses import class_targets, cross_entropy, dice_cross_entropy, soft_dice
from liverlib.models.unet import UNet3D, fold, unfold
from liverlib.models.weights import FORMAT, load_networks, save_networks
from liverlib.training.augment import augment, implant


def test_the_original_network_is_rebuilt_to_the_parameter():
    network = UNet3D((32, 64, 128), fold=1, norm=False)
    assert sum(p.numel() for p in network.parameters()) == 1_355_427
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim == 5]
    assert shapes[:2] == [(32, 1, 3, 3, 3), (32, 32, 3, 3, 3)]
    assert shapes[-1] == (3, 32, 1, 1, 1)


def test_folding_is_undone_by_unfolding_and_keeps_neighbours_together():
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).reshape(2, 3, 4, 6, 8)
    folded = fold(x, 2)
    assert folded.shape == (2, 24, 2, 3, 4)
    assert torch.equal(unfold(folded, 2), x)
    assert set(folded[0, :8, 0, 0, 0].tolist()) == set(x[0, 0, :2, :2, :2].flatten().tolist())


@pytest.mark.parametrize("kind", [{}, {"channels": (8, 16), "fold": 1, "norm": False}])
def test_logits_have_the_shape_of_the_image(kind):
    network = UNet3D(**kind)
    size = 2 * network.divisor
    assert network(torch.zeros(2, 1, size, size, 2 * size)).shape == (2, 3, size, size, 2 * size)


def test_every_parameter_learns():
    network = UNet3D((4, 8))
    network(torch.randn(1, 1, 16, 16, 16)).square().mean().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


def test_weights_come_back_to_the_bit(tmp_path):
    network = UNet3D((4, 8)).eval()
    deeper = UNet3D((4, 8, 8)).eval()
    save_networks(tmp_path / "w.safetensors", [(network, {"data": "nothing"}), (deeper, {})])
    (loaded, about), (loaded_deeper, _) = load_networks(tmp_path / "w.safetensors")
    x = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(loaded(x), network(x))
    assert torch.equal(loaded_deeper(x), deeper(x))
    assert about == {"data": "nothing"}


def weight_file(path, kind):
    network = UNet3D((4, 8))
    one = {"network": network.shape, "about": {}}
    described = {"format": {"newer": 99, "older": 1}.get(kind, FORMAT), "networks": [one]}
    if kind == "another shape":
        one["network"]["channels"] = [4, 16]
    if kind == "pickle":
        torch.save(network.state_dict(), path)
    elif kind == "foreign":
        save_file(network.state_dict(), path)
    elif kind != "missing":
        tensors = {f"0.{name}": tensor for name, tensor in network.state_dict().items()}
        save_file(tensors, path, {"liverlib": json.dumps(described)})
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such weights"),
        ("pickle", "not liverlib's weights"),
        ("foreign", "not liverlib's weights"),
        ("newer", "newer liverlib"),
        ("older", "an older liverlib"),
        ("another shape", "another shape"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, kind, text):
    path = weight_file(tmp_path / "w.safetensors", kind)
    with pytest.raises(LiverlibError, match=text) as caught:
        load_networks(path)
    assert str(path) in str(caught.value)


def hard(classes: list[int]) -> torch.Tensor:
    """Shares (1, C, N) of voxels that belong wholly to one class."""
    one_hot = torch.nn.functional.one_hot(torch.tensor(classes), 3)
    return one_hot.T[None].float()


def test_cross_entropy_of_whole_voxels_is_torchs():
    logits = torch.randn(2, 3, 4, 5, 6)
    classes = torch.randint(3, (2, 4, 5, 6))
    shares = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    expected = torch.nn.functional.cross_entropy(logits, classes)
    assert cross_entropy(logits, shares).item() == pytest.approx(expected.item(), rel=1e-6)


def test_soft_dice_by_hand():
    """Liver: p ½, ½, 0 against 1, 1, 0; tumour: p 0, 0, 1 against 0, 0, 1."""
    p = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]).clamp(1e-9)
    expected = 1 - (2 * 1 / (1 + 2) + 1) / 2
    assert soft_dice(p.log(), hard([1, 1, 2])).item() == pytest.approx(expected, abs=1e-4)


def test_a_perfect_answer_costs_nothing_and_no_foreground_is_no_failure():
    truth = hard([0, 1, 2, 1])
    assert dice_cross_entropy(truth * 100, truth).item() == pytest.approx(0, abs=1e-5)
    empty = hard([0, 0, 0, 0])
    assert soft_dice(empty * 100, empty).item() == pytest.approx(0, abs=1e-4)


def sigmoid(logits) -> torch.Tensor:
    """Logits (B, 1, …) of a sigmoid as those (B, 2, …) of a softmax beside a silent background."""
    logits = torch.as_tensor(logits)
    return torch.cat([torch.zeros_like(logits), logits], 1)


def one_hot(classes, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.as_tensor(classes), count).movedim(-1, 1).float()


X = [[[[1.0, -1], [-1, 1]]]]  # the numbers of MONAI's own tests of its losses
Y = [[[1, 0], [1, 1]]]
TWO = torch.tensor([[[-1.0, 0, 1], [1, 0, -1]], [[0, 0, 0], [0, 0, 0]]])
TWO_Y = torch.tensor([[1, 0, 0], [1, 1, 0]])
SURE = torch.tensor([[[1.0, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 1, 0]]])
SURE_Y = torch.tensor([[0, 0, 1], [0, 1, 0]])


def test_published_values_of_dice():
    """MONAI's test_dice_loss; what it takes a mean of, samples or classes, are batches of ours."""
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
    assert cross_entropy(SURE, one_hot(SURE_Y, 2)).item() == pytest.approx(doubt, abs=1e-6)
    surer = SURE.clone()
    surer[0, 0, :2] = 100
    value = cross_entropy(surer, one_hot(SURE_Y, 2)).item()
    assert value == pytest.approx(4 / 6 * doubt, abs=1e-6)
    assert value == pytest.approx(0.2088, abs=1e-4)


def test_their_sum_is_monais():
    """DiceCELoss(softmax=True, include_background=False, batch=True) of MONAI 1.6.1."""
    assert dice_cross_entropy(SURE, one_hot(SURE_Y, 2)).item() == pytest.approx(0.668856, abs=1e-6)


def test_shares_of_classes_add_up():
    soft_labels = torch.rand(2, 2, 3, 3, 3).sort(dim=1, descending=True).values
    shares = class_targets(soft_labels)
    assert torch.allclose(shares.sum(1), torch.ones(2, 3, 3, 3))
    assert torch.equal(shares[:, 2], soft_labels[:, 1])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_changes_keep_image_and_shares_together(seed):
    """A ball that is bright exactly where it is liver stays so, whatever the affine."""
    places = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 24)] * 3, indexing="ij"))
    ball = (places.square().sum(0) < 0.3).float()[None, None]
    soft_labels = torch.cat([ball, torch.zeros_like(ball)], 1)
    image, changed = augment(ball * 0.4 + 0.3, soft_labels, torch.Generator().manual_seed(seed))
    inside, outside = image[changed[:, :1] > 0.95], image[changed[:, :1] < 0.05]
    assert inside.mean() > outside.mean() + 0.2
    assert changed.shape == soft_labels.shape
    assert 0 <= changed.min() <= changed.max() <= 1 + 1e-6


def test_equal_seeds_give_equal_changes():
    x, y = torch.rand(2, 1, 8, 8, 8), torch.rand(2, 2, 8, 8, 8)
    one, two = (augment(x, y, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_made_up_tumours_lie_in_the_liver_and_change_nothing_else(seed):
    places = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 32)] * 3, indexing="ij"))
    ball = (places.square().sum(0) < 0.5).float()
    soft_labels = torch.zeros(2, 2, 32, 32, 32)
    soft_labels[0, 0] = ball  # the second sample shows no liver
    image = torch.rand(2, 1, 32, 32, 32)
    random = torch.Generator().manual_seed(seed)
    changed, shares = implant(image, soft_labels, random)
    outside = (ball == 0).expand(2, 1, -1, -1, -1)
    assert torch.equal(changed[outside], image[outside])
    assert torch.equal(changed[1], image[1])
    assert torch.equal(shares[:, 0], soft_labels[:, 0])
    assert shares[0, 1].sum() > 5
    assert not shares[0, 1][ball == 0].any()
    assert not torch.equal(changed[0], image[0])


@pytest.mark.parametrize("edge", [32, 48, 64])
def test_lower_precision_keeps_the_gradients(edge):
    """At every depth that windows lead to; torch 2.13's bfloat16 fails on CPUs at 2×2×2 voxels."""
    torch.manual_seed(0)
    network, image = UNet3D(), torch.rand(1, 1, edge, edge, edge)
    gradients = []
    for able in (False, True):
        network.zero_grad()
        deepest = edge // network.divisor
        with mixed_precision(torch.device("cpu"), deepest) if able else nullcontext():
            logits = network(image)
        logits.float().square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    full, mixed = gradients
    assert (full - mixed).norm() < 0.1 * full.norm()
