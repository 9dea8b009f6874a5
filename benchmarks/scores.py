"""Dice and false tumour of masks, without distances, and the networks that trainings ended with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from liverlib.core.device import best_device
from liverlib.evaluation.case import CaseResult, score_case
from liverlib.io.volume import Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks

Score = dict[str, float]


def score(label: Volume, mask: Volume) -> Score:
    """Dice of liver and tumour, ml of false tumour, and lesions at an IoU above one half.

    The tumour's Dice is NaN where the label has no tumour; false tumour where it has one.
    """
    case = score_case(label.voxels, mask.voxels)  # no spacing, no distances
    false = case.tumour.predicted_voxels * label.grid.voxel_ml
    return {
        "liver": case.liver.dice if case.liver.reference_voxels else np.nan,
        "tumour": case.tumour.dice if case.has_tumour else np.nan,
        "false_ml": np.nan if case.has_tumour else false,
    } | _lesions(case)


def _lesions(case: CaseResult) -> Score:
    return {key: getattr(case.iou_50, key) for key in ("tp", "fn", "fp")}


def summed(scores: Sequence[Score]) -> Score:
    """Means over the cases in which a value is known; lesions are counted over all cases."""
    means = {key: known_mean(scores, key) for key in ("liver", "tumour", "false_ml")}
    return means | {key: sum(each[key] for each in scores) for key in ("tp", "fn", "fp")}


def known_mean(scores: Sequence[Score], key: str) -> float:
    """The mean of the known values; NaN where there is none."""
    known = [each[key] for each in scores if each[key] == each[key]]
    return float(np.mean(known)) if known else np.nan


def last_state(folder: Path) -> tuple[UNet3D, dict]:
    """The network that a training ended with, whatever its validation said, and its description.

    A handful of phantoms is few to choose an epoch by; the learning rate has fallen to nothing by
    then.
    """
    ((network, about),) = load_networks(folder / "weights.safetensors")
    state, prefix = load_file(folder / "last.safetensors"), "ema."
    means = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(means)
    return network.to(best_device()), about
