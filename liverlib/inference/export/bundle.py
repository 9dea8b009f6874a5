"""A MONAI bundle: ``python -m monai.bundle run --config_file configs/inference.json`` in it.

Its scripts are copies of liverlib's own, which need torch, numpy and MONAI. The layout is MONAI's,
<https://docs.monai.io/en/stable/mb_specification.html>.
"""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from liverlib import __version__
from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.io.volume import CLASSES
from liverlib.models import unet

from .hub import model_card
from .onnx_folder import SCRIPT, Networks, both_stages, config_of, copy_files

MONAI_VERSION = "1.4.0"  # the least; what it was tested with stands in docs/handing-over.md


def write_bundle(folder: str | Path, weights: str | Path) -> list[Path]:
    """Writes configs, model, scripts and model card; their paths.

    Raises `LiverlibError` as `both_stages` does, and where the folder cannot be written.
    """
    folder, stages = Path(folder), both_stages(weights)
    metadata, inference, model, card, marker = (
        folder / name
        for name in (
            "configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md",
            "scripts/__init__.py",
        )
    )  # fmt: skip
    scripts = {
        folder / "scripts" / "segment.py": SCRIPT,
        folder / "scripts" / "transform.py": Path(__file__).with_name("transform.py"),
        folder / "scripts" / "unet.py": Path(unet.__file__),
    }
    copy_files(scripts)
    write_json(metadata, _metadata(stages))
    write_json(inference, _inference(stages, config_of(stages, weights)))
    for path, text in ((card, model_card(weights)), (marker, "")):
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    with atomic(model) as temporary:
        torch.save({name: net.state_dict() for name, (net, _) in stages.items()}, temporary)
    return [metadata, inference, model, card, marker, *scripts]


def _inference(stages: Networks, config: dict[str, Any]) -> dict[str, Any]:
    """How MONAI is to read scans, apply both networks, and write masks."""
    networks = {
        name: {"_target_": "scripts.unet.UNet3D", **network.shape}
        for name, (network, _) in stages.items()
    }
    transforms = {
        "preprocessing": [
            {"_target_": "LoadImaged", "keys": "image", "reader": "NibabelReader"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
        ],
        "postprocessing": [
            {
                "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing",
                "orig_keys": "image", "nearest_interp": True,
            },
            {
                "_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir",
                "output_postfix": "", "output_dtype": "$np.uint8", "separate_folder": False,
                "resample": False, "print_log": False,
            },
        ],
    }  # fmt: skip
    return {
        "imports": ["$import glob", "$import numpy as np", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/scans'",
        "output_dir": "$@bundle_root + '/masks'",
        "scans": "$sorted(glob.glob(@dataset_dir + '/*.nii*'))",
        "device": "$'cuda' if torch.cuda.is_available() else 'cpu'",
        "networks": networks,
        "weights": "$torch.load(@bundle_root + '/models/model.pt', weights_only=True)",
        "segmenter": {
            "_target_": "scripts.transform.SegmentLiver", "networks": "@networks",
            "weights": "@weights", "config": config, "device": "@device",
        },
        **{
            name: {"_target_": "Compose", "transforms": steps} for name, steps in transforms.items()
        },
        "run": [
            "$[@postprocessing(@segmenter(@preprocessing({'image': scan}))) for scan in @scans]"
        ],
    }  # fmt: skip


def _metadata(stages: Networks) -> dict[str, Any]:
    """What MONAI's model zoo asks to be said of a bundle."""
    size = stages["coarse"][1].size
    shared = {"num_channels": 1, "spatial_shape": ["*"] * 3, "is_patch_data": False}
    image = {
        "type": "image", "format": "hounsfield", "modality": "CT", "dtype": "float32",
        "value_range": [-1024, 3071], "channel_def": {"0": "image"}, **shared,
    }  # fmt: skip
    classes = {str(value): name for value, name in CLASSES.items()}
    pred = {
        "type": "image", "format": "segmentation", "dtype": "uint8", "value_range": [0, 2],
        "channel_def": classes, **shared,
    }  # fmt: skip
    return {
        "schema": (
            "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
            "meta_schema_20240725.json"
        ),
        "version": __version__,
        "changelog": {__version__: "exported"},
        "monai_version": MONAI_VERSION,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"nibabel": nib.__version__},
        "name": "Liver and liver tumours",
        "task": "Segmentation of the liver and its tumours in CT",
        "description": f"Two networks on cubes of {size} voxels an edge. {NOT_MEDICAL}",
        "authors": "liverlib",
        "copyright": "MIT",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }
