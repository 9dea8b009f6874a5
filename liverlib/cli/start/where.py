"""``liverlib where``."""

import argparse
from pathlib import Path

from liverlib.core.files import folder_size
from liverlib.pipeline import paths


def add_where(parser: argparse.ArgumentParser) -> None:
    """`where` has no arguments."""


def where(options: argparse.Namespace) -> None:
    """Lists the folders that liverlib uses, with their sizes."""
    folders = {"data": paths.data_folder(), "results": paths.home() / "results"}
    for name, folder in folders.items():
        parts = sorted(path for path in folder.glob("*") if path.is_dir())
        print(f"{name:9} {_megabytes(folder)}  {folder}")
        for part in parts:
            print(f"  {part.name:7} {_megabytes(part)}")
    package = paths.ROOT / "liverlib"
    print(f"package   {_megabytes(package)}  {package}")
    print("In data, phantoms, cubes, label_maps and Task03_Liver may be deleted: they are made or")
    print("downloaded again. All else is yours.")
    print("LIVERLIB_HOME=DIR keeps data and results in DIR.")


def _megabytes(folder: Path) -> str:
    return f"{folder_size(folder) / 1e6:8.1f} MB"
