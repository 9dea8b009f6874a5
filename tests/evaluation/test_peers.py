"""Agreement with other libraries on random masks, where they are installed (support/peers.py)."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from peers import batch, peer

from liverlib.evaluation.overlap import dice
from liverlib.evaluation.surface_distance import (
    surface_dice,
    surface_distances,
    surface_score,
    surfel_distances,
)

# A margin of background: what lies beyond the array is where the libraries differ.
MASKS = hnp.arrays(bool, (7, 6, 5)).filter(np.any).map(lambda mask: np.pad(mask, 1))
SPACINGS = st.tuples(*[st.sampled_from([0.7, 1.0, 1.3, 2.5])] * 3)
TOLERANCES = st.sampled_from([1.01, 2.02])


@pytest.fixture(scope="module")
def deepmind():
    module = peer("surface_distance", "surface-distance")
    with pytest.MonkeyPatch.context() as older:  # it was written for a NumPy that had these
        older.setattr(np, "Inf", np.inf, raising=False)
        older.setattr(np, "NaN", np.nan, raising=False)
        yield module


@pytest.fixture(scope="module")
def monai():
    return peer("monai.metrics", "MONAI")


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS, TOLERANCES)
def test_surfaces_by_area_are_those_of_surface_distance(deepmind, a, b, spacing, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = deepmind.compute_surface_distances(a, b, spacing)
    agreed = deepmind.compute_surface_dice_at_tolerance(expected, tolerance)
    assert surface_dice(a, b, spacing, [tolerance])[0] == pytest.approx(agreed)
    averages = [
        (distance * area).sum() / area.sum() for distance, area in surfel_distances(a, b, spacing)
    ]
    assert averages == pytest.approx(deepmind.compute_average_surface_distance(expected))
    assert dice(a, b) == pytest.approx(deepmind.compute_dice_coefficient(a, b))


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_overlap_and_distances_are_those_of_monai(monai, a, b, spacing):
    pair = batch(b), batch(a)
    alike = {"include_background": True, "spacing": spacing}
    score = surface_score(a, b, spacing, connectivity=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assd = monai.compute_average_surface_distance(*pair, symmetric=True, **alike).item()
        largest = monai.compute_hausdorff_distance(*pair, **alike).item()
        hd95 = monai.compute_hausdorff_distance(*pair, percentile=95, **alike).item()
        one_way = monai.compute_average_surface_distance(*pair, **alike).item()
        overlap = monai.compute_dice(*pair, ignore_empty=False).item()
    assert (score.assd, score.mssd, score.hd95) == pytest.approx(
        (assd, largest, hd95),
        abs=1e-4,  # MONAI computes in float32
    )
    back = surface_distances(a, b, spacing, connectivity=1)[1]
    assert back.mean() == pytest.approx(one_way, abs=1e-4)
    assert dice(a, b) == pytest.approx(overlap)


@settings(deadline=None, max_examples=50)
@given(MASKS, MASKS, SPACINGS, TOLERANCES)
def test_surface_dice_by_area_is_monais_between_voxels(monai, a, b, spacing, tolerance):
    alike = {"include_background": True, "spacing": spacing, "use_subvoxels": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = monai.compute_surface_dice(batch(b), batch(a), [tolerance], **alike).item()
    assert surface_dice(a, b, spacing, [tolerance])[0] == pytest.approx(expected, abs=1e-5)
