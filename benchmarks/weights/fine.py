"""Trains the fine stage on synthetic CT, and shows on phantoms how sure a small tumour must be.

It goes on from the ROI stage's network: patches of 96 voxels in cubes of 256 of the liver, from
label maps of 1 mm, with smaller tumours, half of them as in coarser scans. With a file in place of
`--steps`, the table: of phantoms with voxels of a millimetre, those with small tumours, usual ones,
and `scans.KINDS` that look like tumours. Found: at an IoU above 0.1, in the cube of 256.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report
from scans import KINDS
from scores import last_state

from liverlib.core.parallel import in_processes
from liverlib.core.settings import to_dict
from liverlib.evaluation.lesion_matching import match_lesions
from liverlib.inference.fine import TILE, FineStage, fine_path
from liverlib.inference.segmenter import Segmenter
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED, load_networks, save_networks
from liverlib.pipeline.inputs import initial_network
from liverlib.pipeline.paths import data_folder, results
from liverlib.pipeline.presets import PRETRAIN
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis import generator
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps
from liverlib.synthesis.phantom.phantom import PhantomKind, PhantomSettings, make_phantom_of
from liverlib.training.loop import train

CUBE = CubeSettings(256, ROI_WINDOW, "liver")
MAPS = LabelMapSettings(count=96, spacing=1.0)
SMALLER, WIDER = 0.7, 1.8  # factors on tumours' radii; on where in a voxel its tissue is sampled
MEANS, PEAKS = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8), (0.9,)
LEAST_IOU = 0.1
FINE = PhantomSettings(seed=303, size=384, tumour_free=0.0)
GROUPS = {  # kind, fraction without tumours, cases
    "small tumours": (PhantomKind(tumour_mm=(5, 10), slice_mm=1.25), 0.0, 12),
    "usual": (PhantomKind(slice_mm=1.5), 1.0, 6),
    "arterial": (replace(KINDS["arterial, bright tumours"], slice_mm=1.5), 1.0, 4),
    "gallbladders": (replace(KINDS["gallbladders"], slice_mm=1.5), 1.0, 4),
    "4 mm slices": (PhantomKind(slice_mm=4), 1.0, 3),
}


class FinePatches(SyntheticScans):
    """Patches of the fine stage's cubes; every other one as of a scan with wider pixels."""

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        images, soft_labels = super().batch(draws)
        coarser = [as_coarser(image[None], draw) for image, draw in zip(images, draws, strict=True)]
        return torch.cat(coarser), soft_labels


def as_coarser(image: Tensor, draw: int) -> Tensor:
    """The image (1, 1, ...), or in half of the draws what wider pixels would have shown of it."""
    random = np.random.default_rng([5, draw])
    if random.random() < 0.5:
        return image
    factor, edge = random.uniform(1.1, 2.2), image.shape[-1]
    pixels = max(8, round(edge / factor))
    coarse = F.adaptive_avg_pool3d(image.float(), (pixels, pixels, edge))
    return F.interpolate(coarse, size=(edge,) * 3, mode="trilinear").round().clamp(0, 255).byte()


def train_stage(steps: int, output: Path) -> None:
    """Trains for so many steps, or goes on where it was stopped, and writes the network."""
    epochs = max(1, steps // 100)
    settings = replace(
        PRETRAIN.roi, batch=2, patch_size=TILE, epochs=epochs, steps=steps // epochs,
        learning_rate=1e-3, warmup=100, ema_decay=0.998, seed=11,
    )  # fmt: skip
    wider = tuple(tuple(WIDER * x for x in offset) for offset in generator.SUBVOXEL)
    paths, folder = write_label_maps(data_folder() / "label_maps", MAPS), results("fine")
    scan, label = make_phantom_of(GROUPS["small tumours"][0], 0, replace(FINE, seed=404))[:2]
    validation = folder / "validation.safetensors"
    to_cube(scan, label, replace(CUBE, size=128)).save(validation)
    about = {"cube": to_dict(CUBE), "synthesis": to_dict(MAPS), "training": to_dict(settings)}
    with (
        patch.dict(generator.LESION_SCALE, liver=SMALLER),
        patch.object(generator, "SUBVOXEL", wider),
    ):
        source = FinePatches(paths, MAPS.spacing, CUBE, TILE, 0.9, settings.seed)
        init = initial_network("pretrained", "roi")
        train(source, [validation], folder / "roi", settings, about, init=init)
    save_networks(output, [last_state(folder / "roi")], half=True)


@dataclass
class Counts:
    """What a threshold leaves in the phantoms of a group."""

    found: int = 0
    lesions: int = 0
    false: int = 0
    false_ml: float = 0.0


def phantoms(group: str) -> Iterator[tuple[Volume, Volume]]:
    """Scan and label of each case of a group."""
    kind, free, cases = GROUPS[group]
    settings = replace(FINE, tumour_free=free)
    calls = [(kind, n, settings) for n in range(cases)]
    for scan, label, _ in in_processes(make_phantom_of, calls, title=group):
        yield scan, label


def count(found: np.ndarray, chosen: np.ndarray, cube: np.ndarray, ml: float, to: Counts) -> None:
    """Adds what is chosen of one phantom to the counts."""
    reference, mask = cube >= 128, chosen & (found >= 0.5)
    matches = match_lesions(reference, mask).counts(LEAST_IOU)
    to.found += matches.tp
    to.lesions += matches.tp + matches.fn
    to.false += matches.fp
    to.false_ml += float((mask & ~reference).sum() * ml)


def table(stage: FineStage, segmenter: Segmenter) -> list[dict[str, str]]:
    """A row for each pair of thresholds."""
    pairs = list(product(MEANS, PEAKS))
    counts = {group: {pair: Counts() for pair in pairs} for group in GROUPS}
    for group, each in counts.items():
        for scan, label in phantoms(group):
            roi = segmenter.predict(scan).stages[-1]
            found = stage.find(scan, roi)
            cube = to_cube(scan, label, stage.cube, roi.cube.box, roi.level)
            covered = np.prod([side.stop - side.start for side in roi.cube.box])
            ml = covered * scan.grid.voxel_ml / found.size
            for (mean, peak), counted in each.items():
                strict = replace(stage, least_mean=mean, least_peak=peak)
                chosen = strict.chosen(found, roi, scan.grid)
                count(found, chosen, cube.soft_labels[1], ml, counted)
    return [row(pair, {group: counts[group][pair] for group in GROUPS}) for pair in pairs]


def row(pair: tuple[float, float], counts: dict[str, Counts]) -> dict[str, str]:
    """A row of the table."""
    cells = {"mean": f"{pair[0]:g}", "peak": f"{pair[1]:g}"}
    for group, each in counts.items():
        found = f"{each.found} of {each.lesions}, " if each.lesions else ""
        cells[group] = f"{found}{each.false} false, {each.false_ml / GROUPS[group][2]:.2f} ml"
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", type=Path, nargs="?", default=fine_path(PRETRAINED), help="its weights"
    )
    parser.add_argument("--steps", type=int, default=0, help="train for so many; write the file")
    options = parser.parse_args()
    if options.steps:
        train_stage(options.steps, options.file)
        return
    ((network, _),) = load_networks(options.file)
    segmenter = replace(Segmenter.load(), fine=None)
    with Report(__file__) as report:
        report.text(
            "By the least mean and the least peak of a tumour's probability: lesions found, false "
            "ones, and false tumour in ml for each phantom. Phantoms of all groups but the first "
            "have no tumour."
        )
        report.table(table(FineStage(network, CUBE), segmenter))


if __name__ == "__main__":
    main()
