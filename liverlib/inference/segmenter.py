"""Scan → mask with trained networks, on the scan's own grid, in two looks.

The first look sees the whole body in a cube and finds the liver. The second sees that liver alone,
in a cube of its own, where a voxel is about half as wide: there small tumours are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from liverlib.core.device import best_device, mixed_precision
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import from_dict
from liverlib.io.volume import Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks
from liverlib.preprocessing.boxes import Box
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube

from .postprocessing import PostprocessSettings, keep, roi_box
from .prediction import Prediction, StageOutput

# Test-time augmentation: voxels by which a cube is moved. Networks that fold and pool answer each
# a little differently. Not mirrored: they never saw that, and it costs Dice (benchmarks/README.md).
SHIFTS = ((0, 0, 0), (1, 1, 1), (3, -3, 3), (-4, 4, 5))


@dataclass(frozen=True, eq=False)
class Stage:
    """Networks that see the same part of a scan, whose answers are averaged, and their cubes."""

    networks: Sequence[UNet3D]
    cube: CubeSettings

    def see(
        self,
        scan: Volume,
        box: Box | None = None,
        level: float = 0.0,
        shifts: Sequence[tuple[int, int, int]] = SHIFTS[:1],
    ) -> StageOutput:
        """The scan's cube, and what each network says of it, moved by each of `shifts`."""
        cube = to_cube(scan, None, self.cube, box, level)
        answers = [probabilities(one, cube, by) for one in self.networks for by in shifts]
        return StageOutput(cube, np.stack(answers))


@dataclass(frozen=True, eq=False)
class Segmenter:
    """One or two looks; without the second, the first finds the tumours too.

    With `tta` (test-time augmentation) each network is asked of each of `SHIFTS`, and the answers
    are averaged: four times the work.
    """

    body: Stage
    liver: Stage | None = None
    tta: bool = False
    rules: PostprocessSettings = PostprocessSettings()

    @classmethod
    def load(cls, *weights: str | Path) -> "Segmenter":
        """The segmenter in weight files; networks for the same look are averaged.

        Raises `LiverlibError` as `load_networks` does, and where none of the networks takes the
        first look, or those of one look learned from unlike cubes.
        """
        looks: dict[str, list[tuple[UNet3D, CubeSettings]]] = {}
        for path in weights:
            for network, about in load_networks(path):
                cube = from_dict(CubeSettings, about["cube"])
                look = "liver" if cube.crop == "liver" else "body"
                looks.setdefault(look, []).append((network.to(best_device()), cube))
        named = ", ".join(map(str, weights))
        if "body" not in looks:
            raise LiverlibError(
                f"{named}: only for the second look. Name weights of the first too."
            )
        if any(len({cube for _, cube in look}) > 1 for look in looks.values()):
            raise LiverlibError(
                f"{named}: made for unlike cubes. Average weights of like runs only."
            )
        return cls(
            **{name: Stage([one for one, _ in look], look[0][1]) for name, look in looks.items()}
        )

    def segment(self, scan: Volume) -> Volume:
        """The scan's mask on its own grid: 0 background, 1 liver, 2 tumour."""
        return self.predict(scan).mask()

    def predict(self, scan: Volume) -> Prediction:
        """What the looks say of a scan: a mask, and how sure it is."""
        shifts = SHIFTS if self.tta else SHIFTS[:1]
        looks = [self.body.see(scan, shifts=shifts)]
        cube, shares = looks[0].cube, keep(looks[0].mean)  # the second looks at the largest piece
        if self.liver and (box := roi_box(cube, shares, scan.grid.spacing)):
            low, high = self.body.cube.window
            median = np.median(cube.image[shares[0] >= 0.5])
            level = float(np.rint(low + median * (high - low) / 255))
            looks.append(self.liver.see(scan, box, level, shifts))
        return Prediction(scan.grid, scan.name, looks, self.rules)


@torch.inference_mode()
def probabilities(
    network: UNet3D, cube: Cube, shift: tuple[int, int, int] = SHIFTS[0]
) -> np.ndarray:
    """What a network says of a cube: (2, S, S, S) float32, of liver or tumour, and of tumour.

    It is shown the cube moved by `shift` voxels, round its edges, and its answer is moved back.
    """
    device, axes = next(network.parameters()).device, (-3, -2, -1)
    image = torch.from_numpy(cube.image)[None, None].to(device).float() / 255
    with mixed_precision(device, image.shape[-1] // network.divisor):
        logits = network(image.roll(shift, axes))[0].float()
    _, liver, tumour = logits.roll([-n for n in shift], axes).softmax(0)
    return torch.stack([liver + tumour, tumour]).cpu().numpy()
