"""The networks as ONNX, and all that a script needs to make a mask with them."""

import logging
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.io.volume import CLASSES
from liverlib.models.unet import UNet3D
from liverlib.preprocessing.boxes import MARGIN_MM
from liverlib.preprocessing.cube import CubeSettings

from ..postprocessing import DEFAULTS
from ..quality.calibration import Calibration
from ..segmenter import networks_by_stage

SCRIPT = Path(__file__).with_name("segment.py")
Networks = dict[str, tuple[UNet3D, CubeSettings]]  # by stage


class Probabilities(nn.Module):
    """A network whose output is (1, 2, S, S, S): of liver or tumour, and of tumour."""

    def __init__(self, network: UNet3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        _, liver, tumour = self.network(image).softmax(1).unbind(1)
        return torch.stack([liver + tumour, tumour], 1)


def both_stages(weights: str | Path) -> Networks:
    """The coarse and the ROI network in a weight file.

    Raises `LiverlibError` as `networks_by_stage` does, and where it is not one network for each.
    """
    stages: Networks = {}
    networks = networks_by_stage(weights)
    for name, network, cube in networks:
        if cube.method == "area" and cube.crop != "all":
            stages[name] = network.float(), cube
    if len(stages) < 2 or len(networks) > 2:
        raise LiverlibError(
            f"{weights}: exporting takes one network for the body and one for the liver, both on "
            "cubes averaged by area. Name a weights.safetensors of a whole run."
        )
    return stages


def config_of(stages: Networks, weights: str | Path | None = None) -> dict[str, Any]:
    """What the script must know beside the networks; the contrasts are those of the weights."""
    calibration = Calibration.of(weights) if weights else None
    contrasts = calibration.contrasts if calibration else ()
    cubes = {name: {"size": cube.size, "window": cube.window} for name, (_, cube) in stages.items()}
    return {
        "note": NOT_MEDICAL,
        "liverlib": __version__,
        "classes": {str(value): name for value, name in CLASSES.items()},
        "margin_mm": MARGIN_MM,
        "least_lesion": DEFAULTS.min_lesion_probability,
        "contrasts": [asdict(contrast) for contrast in contrasts],
        **cubes,
    }


def write_onnx_folder(folder: str | Path, weights: str | Path) -> list[Path]:
    """Writes coarse.onnx, roi.onnx, config.json and segment.py; their paths.

    Raises `LiverlibError` as `both_stages` does, without onnx and onnxscript, and where the folder
    cannot be written.
    """
    folder, stages = Path(folder), both_stages(weights)
    paths = [folder / name for name in ("coarse.onnx", "roi.onnx", "config.json", "segment.py")]
    for path, stage in zip(paths, ("coarse", "roi"), strict=False):
        _write_onnx(path, *stages[stage])
    write_json(paths[2], config_of(stages, weights))
    copy_files({paths[3]: SCRIPT})
    return paths


def copy_files(sources: dict[Path, Path]) -> None:
    """Copies files, each to the path that is its key."""
    for path, source in sources.items():
        with atomic(path) as temporary:
            shutil.copyfile(source, temporary)


def files_in(folder: Path) -> Sequence[Path]:
    """What a folder holds already; nothing where it is not there."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _write_onnx(path: Path, network: UNet3D, cube: CubeSettings) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise LiverlibError(
            "exporting ONNX needs onnx and onnxscript: pip install onnx onnxscript."
        ) from error
    image = torch.zeros(1, 1, cube.size, cube.size, cube.size)
    model = Probabilities(network).cpu().eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it speaks of torchvision
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (image,), temporary, input_names=["image"], output_names=["probabilities"],
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
