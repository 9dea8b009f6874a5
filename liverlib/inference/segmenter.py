"""Scan → mask with trained networks, on the scan's own grid, in two stages or three.

The coarse stage sees the whole body in a cube and finds the liver. The ROI stage sees that liver
alone, in a cube of its own, where a voxel is about half as wide: there tumours are found, with some
weights also in changed contrasts. In fine scans the fine stage halves it again, for small ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from liverlib.core.arrays import Box, enough_memory
from liverlib.core.device import best_device, mixed_precision
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import from_dict
from liverlib.io.volume import Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube

from .contrasts import ChangedContrast, add_from_contrasts
from .fine import FineStage, fine_path
from .postprocessing import DEFAULTS, PostprocessSettings, postprocess, roi_box
from .prediction import Prediction
from .quality.calibration import Calibration, calibration_path
from .quality.examination import examine_scan
from .stage_output import StageOutput

Shift = tuple[int, int, int]  # voxels along each axis
# Test-time augmentation: networks that fold and pool predict each a little differently. Not
# mirrored: they never saw that, and it costs Dice (benchmarks/results).
SHIFTS: tuple[Shift, ...] = ((0, 0, 0), (1, 1, 1), (3, -3, 3), (-4, 4, 5))


@dataclass(frozen=True, eq=False)
class Stage:
    """Networks that see the same part of a scan, and their cubes; predictions are averaged."""

    networks: Sequence[UNet3D]
    cube: CubeSettings

    def run(
        self,
        scan: Volume,
        box: Box | None = None,
        level: float = 0.0,
        shifts: Sequence[Shift] = SHIFTS[:1],
        settings: PostprocessSettings = DEFAULTS,
    ) -> StageOutput:
        """What each network predicts of the scan's cube, moved by each of `shifts`.

        `box` and `level` (HU, of the liver) are those of `to_cube`.
        """
        cube = to_cube(scan, None, self.cube, box, level)
        each = self.predict(cube, shifts)
        kept = postprocess(each.mean(axis=0), settings)
        return StageOutput(cube, each, kept, roi_box(cube, kept, scan.grid.spacing), level)

    def predict(self, cube: Cube, shifts: Sequence[Shift] = SHIFTS[:1]) -> np.ndarray:
        """The probabilities (N, 2, S, S, S) by each network and shift."""
        return np.stack([probabilities(net, cube, by) for net in self.networks for by in shifts])


@dataclass(frozen=True, eq=False)
class Segmenter:
    """One to three stages; without `roi`, the coarse one finds the tumours too.

    Where `contrasts` are given, the ROI stage sees the liver in these too, and adds faint and
    bright tumours. In fine scans the stage `fine` adds small ones.

    With `tta` (test-time augmentation) each network predicts each of `SHIFTS`, and the predictions
    are averaged: four times the work.

    >>> mask = Segmenter.load().predict(scan).mask
    """

    coarse: Stage
    roi: Stage | None = None
    tta: bool = False
    settings: PostprocessSettings = DEFAULTS
    calibration: Calibration | None = None
    fine: FineStage | None = None
    contrasts: Sequence[ChangedContrast] = ()

    @classmethod
    def load(cls, *weights: str | Path) -> "Segmenter":
        """The segmenter in weight files; networks for the same stage are averaged.

        Without any, the pretrained ones. Raises `LiverlibError` as `networks_by_stage` does, where
        none of the networks is for the coarse stage, those of one stage learned from unlike cubes,
        or a fine stage's cube is no multiple of the ROI stage's.
        """
        weights = weights or (PRETRAINED,)
        stages: dict[str, list[tuple[UNet3D, CubeSettings]]] = {}
        for path in weights:
            for name, network, cube in networks_by_stage(path):
                stages.setdefault(name, []).append((network.to(best_device()), cube))
        named = ", ".join(map(str, weights))
        if "coarse" not in stages:
            raise LiverlibError(
                f"{named}: only for the ROI stage. Name weights of the coarse stage too."
            )
        if any(len({cube for _, cube in pairs}) > 1 for pairs in stages.values()):
            raise LiverlibError(
                f"{named}: made for unlike cubes. Average weights of like runs only."
            )
        ready = {
            name: Stage([network for network, _ in pairs], pairs[0][1])
            for name, pairs in stages.items()
        }
        coarse, roi = ready["coarse"], ready.get("roi")
        if len(weights) > 1:  # what lies beside a file is fitted to that file
            return cls(coarse, roi)
        calibration, fine = Calibration.of(weights[0]), FineStage.of(weights[0])
        if fine and roi and fine.cube.size % roi.cube.size:
            sizes = f"{fine.cube.size}³ voxels are no multiple of the ROI stage's {roi.cube.size}³"
            raise LiverlibError(f"{fine_path(weights[0])}: {sizes}. Move it away.")
        contrasts = calibration.contrasts if calibration else ()
        return cls(coarse, roi, calibration=calibration, fine=fine, contrasts=contrasts)

    def predict(self, scan: Volume) -> Prediction:
        """What the stages predict of a scan in Hounsfield units: a mask, and how probable it is.

        Raises `LiverlibError` where memory is short.
        """
        with enough_memory(scan.name, scan.grid.shape):
            return self._predicted(scan)

    def _predicted(self, scan: Volume) -> Prediction:
        shifts = SHIFTS if self.tta else SHIFTS[:1]
        stages = [self.coarse.run(scan, shifts=shifts, settings=self.settings)]
        coarse = stages[0]
        if self.roi and coarse.box:
            low, high = self.coarse.cube.window
            median = np.median(coarse.cube.image[coarse.kept[0] >= 0.5])
            level = float(np.rint(low + median * (high - low) / 255))
            roi = self.roi.run(scan, coarse.box, level, shifts, self.settings)
            stages.append(self._with_more_tumours(scan, roi, shifts) if roi.box else roi)
        predict = partial(probabilities, self.coarse.networks[0])
        doubts = partial(examine_scan, scan, coarse, self.coarse.cube.window, predict)
        return Prediction(scan.grid, scan.name, stages, self.settings, doubts, self.calibration)

    def _with_more_tumours(
        self, scan: Volume, roi: StageOutput, shifts: Sequence[Shift]
    ) -> StageOutput:
        """The ROI stage's outcome with the faint, the bright and the small tumours.

        Where the spacing is unknown, nothing is looked for that must have a size in mm.
        """
        assert self.roi
        known = scan.grid.spacing_known
        contrasts = [each for each in self.contrasts if known or not each.least_radius_mm]
        if contrasts:
            predict = partial(self.roi.predict, shifts=shifts)
            roi = add_from_contrasts(roi, predict, scan.grid.spacing, contrasts)
        return self.fine.add(scan, roi) if self.fine else roi


def files_of(*weights: str | Path) -> list[Path]:
    """The files that `Segmenter.load` reads: weights and, beside a single file of them, its
    calibration and its fine stage."""
    beside = [path(weights[0]) for path in (calibration_path, fine_path)] * (len(weights) == 1)
    return [*map(Path, weights), *filter(Path.is_file, beside)]


def networks_by_stage(path: str | Path) -> list[tuple[str, UNet3D, CubeSettings]]:
    """The networks in a weight file: the stage of each, "coarse" or "roi", and its cubes.

    Raises `LiverlibError` as `load_networks` does, and where a network's cubes are not said.
    """
    networks = []
    for network, about in load_networks(path):
        if "cube" not in about:
            raise LiverlibError(
                f"{path}: does not say what cubes its network learned from. Train it again, with "
                'train(…, about={"cube": to_dict(CubeSettings(…))}).'
            )
        cube = from_dict(CubeSettings, about["cube"])
        networks.append(("roi" if cube.crop == "liver" else "coarse", network, cube))
    return networks


@torch.inference_mode()
def probabilities(network: UNet3D, cube: Cube, shift: Shift = SHIFTS[0]) -> np.ndarray:
    """What a network predicts of a cube: (2, S, S, S) float32, of liver or tumour, and of tumour.

    It is shown the cube moved by `shift` voxels, round its edges, and its answer is moved back.
    """
    device, axes = next(network.parameters()).device, (-3, -2, -1)
    image = torch.from_numpy(cube.image)[None, None].to(device).float() / 255
    with mixed_precision(device, image.shape[-1] // network.divisor):
        logits = network(image.roll(shift, axes))[0].float()
    _, liver, tumour = logits.roll([-n for n in shift], axes).softmax(0)
    return torch.stack([liver + tumour, tumour]).cpu().numpy()
