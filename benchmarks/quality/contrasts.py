"""How far a tumour must differ from the liver to be found: Dice on synthetic scans, by contrast.

Every tumour of a scan differs by the same HU, whatever the phase says. The ROI stage alone, a voxel
being tumour where that is the likeliest, so before post-processing.
"""

import argparse
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report

from liverlib.inference.segmenter import Segmenter, Stage
from liverlib.models.weights import PRETRAINED
from liverlib.pipeline.paths import home
from liverlib.synthesis import contrast
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps
from liverlib.synthesis.lesion_kinds import LesionKind
from liverlib.synthesis.phantom.body import PHASES

CONTRASTS = (-45, -25, -15, 15, 30, 45)  # HU
TUMOUR = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="?", default=PRETRAINED)
    parser.add_argument("--scans", type=int, default=12, help="for each phase and contrast")
    parser.add_argument("--maps", type=int, default=12, help="label maps that they are made of")
    options = parser.parse_args()
    stage = Segmenter.load(options.weights).roi
    maps = LabelMapSettings(count=options.maps)
    paths = write_label_maps(home() / "data" / "label_maps", maps)
    with Report(__file__) as report:
        report.text(f"Tumour Dice over {options.scans} synthetic scans.")
        report.columns("phase", *(f"{hu:+d} HU" for hu in CONTRASTS))
        for phase in PHASES:
            scans = SyntheticScans(paths, maps.spacing, stage.cube)
            dices = (tumour_dice(stage, scans, phase, hu, options.scans) for hu in CONTRASTS)
            report.row(phase, *(f"{dice:.2f}" for dice in dices))


@torch.no_grad()
def tumour_dice(stage: Stage, scans: SyntheticScans, phase: str, hu: float, count: int) -> float:
    """Dice of all tumours of so many scans, of one contrast phase and one contrast."""
    kind = LesionKind(contrast=hu, edge=2, fine=5)
    odds = np.equal(PHASES, phase).astype(float)
    both = total = 0
    with (
        patch.object(contrast, "PHASE_ODDS", odds),
        patch.object(LesionKind, "sample", lambda *_: kind),
    ):
        for draw in range(count):
            image, soft_labels = scans.batch([draw])
            (network,) = stage.networks
            found = network(image.float() / 255).argmax(1)[0] == TUMOUR
            true = soft_labels[0, 1] > 127
            both += 2 * (found & true).sum().item()
            total += found.sum().item() + true.sum().item()
    return both / max(total, 1)


if __name__ == "__main__":
    main()
