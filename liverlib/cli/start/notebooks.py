"""``liverlib notebooks``."""

import argparse
import filecmp
import os
import shutil
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.pipeline import paths

from ..options import short
from ..outputs import add_overwrite


def add_notebooks(parser: argparse.ArgumentParser) -> None:
    """The arguments of `notebooks`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="where they are copied to")
    add_overwrite(parser)


def notebooks(options: argparse.Namespace) -> None:
    """Copies the notebooks, with their pictures inside, into a folder of yours."""
    copies = {file: options.folder / file.name for file in paths.notebooks()}
    for file, copy in copies.items():
        taken = os.path.lexists(copy) and not (copy.is_file() and filecmp.cmp(file, copy, False))
        if taken and not (options.overwrite and copy.is_file()):
            raise LiverlibError(
                f"{copy}: is there, and is not the notebook as liverlib has it. Name another "
                "folder, or replace it (--overwrite)."
            )
    for file, copy in copies.items():
        with atomic(copy) as temporary:
            shutil.copyfile(file, temporary)
    print(f"open      jupyter lab {short(options.folder)}  (pip install jupyterlab)")
    print(f"notebooks {short(options.folder)}")
