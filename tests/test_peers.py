"""Agreement with other libraries on random masks, where they are installed.

They are no dependencies: pip install --no-deps monai surface-distance nnunetv2
"""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liverlib.evaluation.overlap import dice
from liverlib.evaluation.surface_distance import (
    surface_dice,
    surface_dice,
    surface_distances,
    surface_score,
    surfel_distances,
)

# A margin of background: what lies beyond the array is where the libraries differ.
MASKS = hnp.arrays(bool, (7, 6, 5)).filter(np.any).map(lambda mask: np.pad(mask, 1))
SPACINGS = st.tuples(*[st.sampled_from([0.7, 1.0, 1.3, 2.5])] * 3)


@pytest.fixture(scope="module")
def deepmind():
    peer = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    with pytest.MonkeyPatch.context() as older:  # it was written for a NumPy that had these
        older.setattr(np, "Inf", np.inf, raising=False)
        older.setattr(np, "NaN", np.nan, raising=False)
        yield peer


@pytest.fixture(scope="module")
def monai():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("monai.metrics", reason="MONAI is not installed")


def batch(mask: np.ndarray):
    import torch

    return torch.from_numpy(np.ascontiguousarray(mask))[None, None]


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS, st.sampled_from([1.01, 2.02]))
def test_surfaces_by_area_are_those_of_surface_distance(deepmind, a, b, spacing, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = deepmind.compute_surface_distances(a, b, spacing)
    agreed = deepmind.compute_surface_dice_at_tolerance(theirs, tolerance)
    assert surface_dice(a, b, spacing, [tolerance])[0] == pytest.approx(agreed)
    averages = deepmind.compute_average_surface_distance(theirs)
    ours = [
        (distance * area).sum() / area.sum() for distance, area in surfel_distances(a, b, spacing)
    ]
    assert ours == pytest.approx(averages)
    assert dice(a, b) == pytest.approx(deepmind.compute_dice_coefficient(a, b))


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_overlap_and_distances_are_those_of_monai(monai, a, b, spacing):
    pair = batch(b), batch(a)
    alike = {"include_background": True, "spacing": spacing}
    ours = surface_score(a, b, spacing, connectivity=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assd = monai.compute_average_surface_distance(*pair, symmetric=True, **alike).item()
        largest = monai.compute_hausdorff_distance(*pair, **alike).item()
        hd95 = monai.compute_hausdorff_distance(*pair, percentile=95, **alike).item()
        one_way = monai.compute_average_surface_distance(*pair, **alike).item()
        overlap = monai.compute_dice(*pair, ignore_empty=False).item()
    assert (ours.assd, ours.mssd, ours.hd95) == pytest.approx(
        (assd, largest, hd95),
        abs=1e-4,  # MONAI computes in float32
    )
    back = surface_distances(a, b, spacing, connectivity=1)[1]
    assert back.mean() == pytest.approx(one_way, abs=1e-4)
    assert dice(a, b) == pytest.approx(overlap)


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS, st.sampled_from([1.01, 2.02]))
def test_surface_dice_in_voxels_is_that_of_monai(monai, a, b, spacing, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = monai.compute_surface_dice(
            batch(b), batch(a), [tolerance], include_background=True, spacing=spacing
        ).item()
    assert surface_dice(a, b, spacing, tolerance, connectivity=1) == pytest.approx(theirs)


@settings(deadline=None, max_examples=50)
@given(MASKS, MASKS, SPACINGS, st.sampled_from([1.01, 2.02]))
def test_surface_dice_by_area_is_monais_between_voxels(monai, a, b, spacing, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = monai.compute_surface_dice(
            *(batch(b), batch(a)),
            [tolerance],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        ).item()
    assert surface_dice(a, b, spacing, [tolerance])[0] == pytest.approx(theirs, abs=1e-5)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans(), st.floats(0.1, 10))
def test_losses_are_those_of_monai(monai, seed, batch, whole, size):
    import torch
    from monai.losses import DiceCELoss, DiceLoss

    from liverlib.models.losses import cross_entropy, dice_cross_entropy, soft_dice

    random = torch.Generator().manual_seed(seed)
    logits = size * torch.randn(batch, 3, 4, 5, 6, generator=random)
    shares = torch.rand(logits.shape, generator=random)
    shares /= shares.sum(1, keepdim=True)
    if whole:
        classes = shares.argmax(1)
        shares = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    alike = {"softmax": True, "include_background": False, "batch": True}
    dice, both = DiceLoss(**alike)(logits, shares).item(), DiceCELoss(**alike)(logits, shares)
    assert soft_dice(logits, shares).item() == pytest.approx(dice, rel=1e-6, abs=1e-6)
    assert dice_cross_entropy(logits, shares).item() == pytest.approx(both.item(), rel=1e-6)
    expected = torch.nn.functional.cross_entropy(logits, shares).item()
    assert cross_entropy(logits, shares).item() == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_dice_is_that_of_nnunet(seed):
    """Its loss is −Dice, and its smoothing once above and once below, as here."""
    import torch

    reason = "nnU-Net is not installed"
    peer = pytest.importorskip("nnunetv2.training.loss.dice", reason=reason)
    from liverlib.models.losses import soft_dice

    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, 6, generator=random)
    classes = torch.randint(3, (2, 1, 4, 5, 6), generator=random)
    shares = torch.nn.functional.one_hot(classes[:, 0], 3).movedim(-1, 1).float()
    alike = {"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}
    theirs = peer.MemoryEfficientSoftDiceLoss(lambda x: x.softmax(1), **alike)(logits, classes)
    assert soft_dice(logits, shares).item() == pytest.approx(1 + theirs.item(), abs=1e-6)
