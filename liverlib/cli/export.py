"""``liverlib export``."""

import argparse
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL

from .options import short


def add_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    kind = parser.add_mutually_exclusive_group(required=True)
    for flag, meaning in {
        "--onnx": "both networks as ONNX, and a script that needs numpy, nibabel and onnxruntime",
        "--monai": "a bundle for `python -m monai.bundle run`",
        "--hugging-face": "what --onnx writes, the weights, and a model card with its header",
    }.items():
        kind.add_argument(flag, action="store_true", help=meaning)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", type=Path, help="of a whole run (default: pretrained)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def export(options: argparse.Namespace) -> None:
    """The networks for use without liverlib: ONNX, a MONAI bundle, Hugging Face's layout."""
    from liverlib.inference.export import bundle, hub, onnx_folder  # torch, when it is needed
    from liverlib.models.weights import PRETRAINED

    folder, weights = options.output, options.weights or PRETRAINED
    if folder.exists() and not folder.is_dir():
        raise LiverlibError(f"{folder}: is no folder. Name another.")
    if onnx_folder.files_in(folder) and not options.overwrite:
        raise LiverlibError(f"{folder}: holds files. Name another folder, or use --overwrite.")
    if options.onnx:
        write = onnx_folder.write_onnx_folder
    else:
        write = bundle.write_bundle if options.monai else hub.write_hub_folder
    print("\n".join([*(str(short(path)) for path in write(folder, weights)), NOT_MEDICAL]))
    print(f"results   {short(folder)}")
