"""Google Colab: what must outlive a session goes to a mounted Drive, all else stays on its disk.

Sessions end without warning, so results are written on Drive as they are made, each epoch's
checkpoint too. Data are many files, at which Drive is slow, so they go there as one archive.
"""

import shutil
import tarfile
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic

from .paths import data_folder, home

DRIVE = Path("/content/drive")


def use_drive(folder: str = "MyDrive/liverlib") -> Path:
    """Mounts Drive, keeps ``results/`` there from now on, unpacks the data that `keep_data` kept.

    Returns the folder on Drive. May be called again at any time. Raises `LiverlibError` outside
    Colab, and where a run is here and on Drive: none is written over.
    """
    try:
        from google.colab import drive
    except ImportError as error:
        raise LiverlibError("this is not Colab: results stay on this machine anyway.") from error
    drive.mount(str(DRIVE))
    kept, here = DRIVE / folder, home() / "results"
    if not here.is_symlink():
        here.mkdir(parents=True, exist_ok=True)
        runs = [run.name for run in here.iterdir() if run.is_dir()]
        if twice := sorted(name for name in runs if (kept / "results" / name).exists()):
            raise LiverlibError(
                f"{here}: holds runs that Drive has too: {', '.join(twice)}. Delete those here, "
                "to go on with Drive's, or rename them."
            )
        shutil.copytree(here, kept / "results", dirs_exist_ok=True)
        shutil.rmtree(here)
        here.symlink_to(kept / "results", target_is_directory=True)
    if (kept / "data.tar").is_file():
        with tarfile.open(kept / "data.tar") as archive:
            missing = [file for file in archive if not (data_folder() / file.name).exists()]
            archive.extractall(data_folder(), missing, filter="data")
    return kept


def keep_data(folder: str = "MyDrive/liverlib") -> Path:
    """Writes ``data/`` to the mounted Drive, as one archive that `use_drive` unpacks; its path."""
    path = DRIVE / folder / "data.tar"
    with atomic(path) as temporary, tarfile.open(temporary, "w") as archive:
        for file in sorted(data_folder().iterdir()):
            archive.add(file, file.name)
    return path
