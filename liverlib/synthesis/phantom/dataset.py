"""Phantoms on disk, laid out as MSD Task03_Liver is."""

from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.core.parallel import in_processes
from liverlib.core.settings import to_dict
from liverlib.io.nifti import write_volume

from .phantom import PHANTOM_VERSION, PhantomSettings, make_phantom, phantom_name


def write_phantoms(
    folder: str | Path,
    settings: PhantomSettings = PhantomSettings(),
    workers: int | None = None,
) -> Path:
    """Writes the phantoms side by side in processes; returns the folder.

    Finished cases are kept. `dataset.json` comes last, so its presence means complete. Raises
    `LiverlibError` where the folder holds phantoms of other settings, or another dataset.
    """
    folder = Path(folder)
    _claim(folder, settings)
    indices = range(settings.cases + settings.unlabelled)
    missing = [
        (folder, i, settings) for i in indices if not _paths(folder, i, settings)[-1].exists()
    ]
    for _ in in_processes(write_phantom, missing, workers, "phantoms"):
        pass
    content = _description(settings)
    if not (folder / "dataset.json").exists() or read_json(folder / "dataset.json") != content:
        write_json(folder / "dataset.json", content)
    return folder


def write_phantom(folder: Path, index: int, settings: PhantomSettings) -> None:
    """Writes one phantom; its label last, so that a label means a complete case."""
    volumes = make_phantom(index, settings)
    for path, volume in zip(_paths(folder, index, settings), volumes, strict=False):
        write_volume(path, volume.voxels, volume.grid)


def _paths(folder: Path, index: int, settings: PhantomSettings) -> list[Path]:
    """The files of a case: its scan and, where it is labelled, its label."""
    file = f"{phantom_name(index)}.nii.gz"
    if index >= settings.cases:
        return [folder / "imagesTs" / file]
    return [folder / "imagesTr" / file, folder / "labelsTr" / file]


def _claim(folder: Path, settings: PhantomSettings) -> None:
    """Notes the settings in the folder, or checks that they are noted there."""
    note, content = folder / "phantoms.json", {"version": PHANTOM_VERSION, **to_dict(settings)}
    if note.exists():
        noted = read_json(note)
        if not isinstance(noted, dict) or noted.get("version") != PHANTOM_VERSION:
            raise LiverlibError(
                f"{folder}: its phantoms were written by another version of liverlib "
                f"({note.name} says so). Delete this folder, and they are made anew."
            )
        if noted != content:
            raise LiverlibError(
                f"{folder}: holds phantoms of other settings ({note.name}). "
                "Choose another folder, or delete this one."
            )
    elif (folder / "dataset.json").exists():
        raise LiverlibError(f"{folder}: holds another dataset. Choose another folder.")
    else:
        write_json(note, content)


def _description(settings: PhantomSettings) -> dict:
    """The content of `dataset.json`, in MSD's words."""
    files = [f"{phantom_name(i)}.nii.gz" for i in range(settings.cases + settings.unlabelled)]
    training, test = files[: settings.cases], files[settings.cases :]
    return {
        "name": "Liver phantoms",
        "description": "Synthetic abdominal CTs with liver and tumours, laid out as MSD Task03",
        "reference": "liverlib.synthesis.phantom",
        "licence": "CC0-1.0",
        "release": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "numTraining": len(training),
        "numTest": len(test),
        "training": [
            {"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in training
        ],
        "test": [f"./imagesTs/{file}" for file in test],
    }
