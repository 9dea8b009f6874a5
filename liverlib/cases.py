"""Finding the cases in a folder, checking that images and labels pair up, splitting by patient."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from liverlib import LiverlibError
from liverlib.scan import Volume, read_label, read_scan, volume_name

LAYOUTS = """\
  MSD       imagesTr/liver_3.nii.gz        labelsTr/liver_3.nii.gz   (imagesTs/ has no labels)
  nnU-Net   imagesTr/liver_3_0000.nii.gz   labelsTr/liver_3.nii.gz
  LiTS      volume-3.nii[.gz]              segmentation-3.nii[.gz]   (in any subfolder)"""


@dataclass(frozen=True)
class Case:
    """One patient's scan and, where there is one, its label."""

    name: str
    image: Path
    label: Path | None = None
    patient: str = ""

    def read(self) -> tuple[Volume, Volume | None]:
        """The scan and its label, on one grid; raises as `read_scan` and `read_label` do."""
        scan = read_scan(self.image)
        return scan, read_label(self.label, scan) if self.label else None


def find_cases(folder: str | Path) -> list[Case]:
    """The cases of a dataset, sorted by name with numbers in order; labelled and unlabelled ones.

    Raises `LiverlibError` where nothing is found, and for an image without its label or a label
    without its image. Files that start with a dot, such as macOS' ``._`` ones, are passed over.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the dataset.")
    cases = _split_folders(folder) or _lits(folder)
    if not cases:
        raise LiverlibError(f"{folder}: no cases found. Looked for these layouts:\n{LAYOUTS}")
    return sorted(cases, key=lambda case: _natural(case.name))


def labelled(cases: Iterable[Case]) -> list[Case]:
    """Those with a label; raises `LiverlibError` where there is none."""
    found = [case for case in cases if case.label]
    if not found:
        raise LiverlibError("none of the cases has a label. Training and scoring need labels.")
    return found


def split(
    cases: Sequence[Case], validation: int, test: int, seed: int = 0
) -> dict[str, list[Case]]:
    """Cases for "train", "validation" and "test"; no patient is in two of them.

    The same cases and seed always give the same split, in whatever order they come. Raises
    `LiverlibError` where nothing would be left to train on.
    """
    patients = sorted({case.patient or case.name for case in cases}, key=_natural)
    random.Random(seed).shuffle(patients)
    if len(patients) <= validation + test:
        raise LiverlibError(
            f"{len(patients)} patients cannot give {validation} to validate, {test} to test and "
            "some to train on. Add cases, or ask for fewer."
        )
    parts = {
        "test": set(patients[:test]),
        "validation": set(patients[test : test + validation]),
        "train": set(patients[test + validation :]),
    }
    return {
        part: [case for case in cases if (case.patient or case.name) in parts[part]]
        for part in ("train", "validation", "test")
    }


def _split_folders(folder: Path) -> list[Case]:
    """MSD and nnU-Net: images and labels in folders of their own, under equal names."""
    images = {re.sub(r"_0000$", "", name): path for name, path in volumes(folder / "imagesTr")}
    labels = dict(volumes(folder / "labelsTr"))
    cases = _paired(images, labels)
    for name, path in volumes(folder / "imagesTs"):
        name = re.sub(r"_0000$", "", name)
        cases.append(Case(name, path, None, name))
    return cases


def _lits(folder: Path) -> list[Case]:
    """LiTS: ``volume-3`` beside ``segmentation-3``, anywhere below the folder."""
    images, labels = {}, {}
    for name, path in volumes(folder, deep=True):
        if match := re.fullmatch(r"(volume|segmentation)-(\d+)", name):
            found = images if match[1] == "volume" else labels
            key = f"volume-{match[2]}"
            if key in found:
                raise LiverlibError(f"{folder}: holds {name} twice: {found[key]} and {path}.")
            found[key] = path
    return _paired(images, labels)


def _paired(images: dict[str, Path], labels: dict[str, Path]) -> list[Case]:
    for present, absent, what in ((images, labels, "label"), (labels, images, "image")):
        if absent_names := sorted(set(present) - set(absent), key=_natural):
            path = present[absent_names[0]]
            more = f" ({len(absent_names) - 1} more)" if len(absent_names) > 1 else ""
            raise LiverlibError(
                f"{path}: has no {what} of the same name{more}. Add it, or move this file away "
                "(scans without labels belong into imagesTs/)."
            )
    return [Case(name, images[name], labels[name], name) for name in images]


def volumes(folder: Path, deep: bool = False) -> list[tuple[str, Path]]:
    """Name and path of each NIfTI file in a folder, numbers in order; dotfiles are passed over."""
    paths = folder.rglob("*.nii*") if deep else folder.glob("*.nii*")
    kept = [p for p in paths if p.name.endswith((".nii", ".nii.gz")) and p.name[0] != "."]
    return [(volume_name(path), path) for path in sorted(kept, key=lambda p: _natural(str(p)))]


def _natural(name: str) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
