"""Finds the cases in a folder, and checks that every image has its label and the reverse."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.core.text import natural_key
from liverlib.io.nifti import nifti_files, read_label, volume_name
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume

from . import lits

DATASET_LAYOUTS = """\
  MSD       imagesTr/liver_3.nii.gz        labelsTr/liver_3.nii.gz   (imagesTs/ has no labels)
  nnU-Net   imagesTr/liver_3_0000.nii.gz   labelsTr/liver_3.nii.gz
  LiTS      volume-3.nii[.gz]              segmentation-3.nii[.gz]   (in any subfolder)"""
STREAMED = "cubesTr"  # the folder of notes, one for each case that was streamed into cubes
_LITS_FILE = re.compile(r"(volume|segmentation)-(\d+)\.nii(\.gz)?", re.IGNORECASE)
Named = dict[str, Path]  # files by the name of their case


@dataclass(frozen=True)
class Case:
    """A patient's scan, and its label if it has one.

    Args:
        name: unique in its dataset, such as "liver_3".
        image: the scan's NIfTI file.
        label: the label's, None for a case without.
        patient: equal for all scans of a person; where empty, the name serves.
        sha256: of scan and label, for a case that was streamed into cubes. The cubes are found by
            it, and the files themselves may be absent.

    >>> Case("liver_3", Path("scan.nii.gz")).label is None
    True
    """

    name: str
    image: Path
    label: Path | None = None
    patient: str = ""
    sha256: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Scan and label, or the scan alone."""
        return [self.image, self.label] if self.label else [self.image]

    @property
    def cubes_alone(self) -> bool:
        """Whether the case has cubes but no scan: it was streamed, and not downloaded since."""
        return bool(self.sha256) and not all(file.is_file() for file in self.files)

    def read(self) -> tuple[Volume, Volume | None]:
        """The scan and its label, on one grid; raises as `present`, `read_scan`, `read_label`."""
        present([self])
        scan = read_scan(self.image)
        return scan, read_label(self.label, scan) if self.label else None


@dataclass(frozen=True)
class Dataset:
    """The cases of a folder, sorted by name with numbers in order, and the folder's layout."""

    folder: Path
    layout: str
    cases: list[Case]

    def __str__(self) -> str:
        """Counts, layout and folder in one line."""
        with_label = sum(case.label is not None for case in self.cases)
        without = len(self.cases) - with_label
        more = f", {without} without" if without else ""
        alone = sum(case.cubes_alone for case in self.cases)
        more += f", {alone} of them as cubes alone" if alone else ""
        below = os.path.relpath(self.folder)
        folder = self.folder if below.startswith("..") else below
        return f"{with_label} cases with a label{more}: {self.layout} layout in {folder}"


def find_cases(folder: str | Path) -> list[Case]:
    """The cases of `find_dataset`; raises as it does.

    Args:
        folder: of a dataset in the layout of MSD, nnU-Net or LiTS, or a folder above it.

    >>> names = [case.name for case in find_cases("data/Task03_Liver")]
    """
    return find_dataset(folder).cases


def find_dataset(folder: str | Path) -> Dataset:
    """The only dataset in a folder or below it, with its labelled and unlabelled cases.

    Hidden files and folders, such as macOS' ``._`` files, are left out. Raises `LiverlibError`
    where there is no dataset or more than one, and for an image without its label or the reverse.

    Args:
        folder: of a dataset in the layout of MSD, nnU-Net or LiTS, or a folder above it.

    >>> print(find_dataset("data/Task03_Liver"))
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the dataset.")
    candidates = list(_candidates(folder))
    if not candidates:
        raise LiverlibError(
            f"{folder}: no cases found. Looked, here and below, for these layouts:\n"
            f"{DATASET_LAYOUTS}"
        )
    if len(candidates) > 1:
        listed = "\n".join(f"  {path} ({layout})" for layout, path, _ in candidates)
        raise LiverlibError(f"{folder}: holds more than one dataset. Name one of:\n{listed}")
    layout, path, files = candidates[0]
    layout, cases = _lits(files) if layout == "LiTS" else _split_folders(path)
    return Dataset(path, layout, sorted(cases, key=lambda case: natural_key(case.name)))


def labelled(cases: Iterable[Case]) -> list[Case]:
    """The cases that have a label; raises `LiverlibError` where none has.

    Args:
        cases: labelled and unlabelled ones.

    >>> scan, label = labelled(find_cases("data/Task03_Liver"))[0].read()
    """
    with_label = [case for case in cases if case.label]
    if not with_label:
        raise LiverlibError("none of the cases has a label. Training and scoring need labels.")
    return with_label


def present(cases: Iterable[Case]) -> list[Case]:
    """The cases, if all have their files; else a `LiverlibError` that says how to fetch them."""
    cases = list(cases)
    if alone := [case for case in cases if case.cubes_alone]:
        names, folder = " ".join(case.name for case in alone), alone[0].image.parents[1]
        raise LiverlibError(
            f"{folder}: of {len(alone)} cases needed here it has the cubes alone. Fetch the scans "
            "(or, to make other cubes of them, add --into-cubes and those settings): "
            f"liverlib download --to {os.path.relpath(folder)} --cases {names}"
        )
    return cases


def streamed(folder: Path) -> Iterator[Case]:
    """The cases that `note_streamed` noted in a folder; raises `LiverlibError` for a bad note."""
    for path in folder.glob(f"{STREAMED}/[!.]*.json"):
        note = read_json(path)
        try:
            image, label = folder / note["image"], folder / note["label"]
            sha256 = tuple(map(str, note["sha256"]))
        except (KeyError, TypeError) as error:
            raise LiverlibError(
                f"{path}: no note of a streamed case. Delete it, and stream the case again."
            ) from error
        yield Case(path.stem, image, label, lits.patient(path.stem), sha256)


def note_streamed(folder: Path, name: str, files: Sequence[str], sha256: Sequence[str]) -> None:
    """Notes in `folder` that a case has cubes: the paths of its files there, and their SHA-256."""
    note = dict(zip(("image", "label"), files, strict=True)) | {"sha256": sha256}
    write_json(folder / STREAMED / f"{name}.json", note)


def _candidates(folder: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Layout, folder and, for LiTS, the files of each dataset in the folder or below it."""
    loose, visited = list[Path](), set[str]()
    for path, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(path)) in visited:  # by another link, or the same again
            folders.clear()
            continue
        visited.add(real)
        if {"imagesTr", "imagesTs", STREAMED} & set(folders):
            yield "MSD or nnU-Net", Path(path), []
        inside = ("imagesTr", "imagesTs", "labelsTr", STREAMED)
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in inside)
        loose += [Path(path, name) for name in sorted(files) if _LITS_FILE.fullmatch(name)]
    if loose:
        yield "LiTS", Path(os.path.commonpath([path.parent for path in loose])), loose


def _split_folders(folder: Path) -> tuple[str, list[Case]]:
    """Layout and cases of MSD and nnU-Net: images and labels in folders of their own.

    The original project's ``Task03_Liver_rs`` is MSD's, unpacked and resized. Files may have the
    names of LiTS.
    """
    labels = _by_name(
        (re.sub("^segmentation-", "volume-", name), path)
        for name, path in nifti_files(folder / "labelsTr")
    )

    def images_in(part: str) -> Named:
        return _by_name(
            (name if name in labels else re.sub(r"_0000$", "", name), path)
            for name, path in nifti_files(folder / part)
        )

    images, unlabelled = images_in("imagesTr"), images_in("imagesTs")
    cases = _paired(*_without_unfinished(folder, images, labels))
    notes = {case.name: case for case in streamed(folder)}
    cases = [
        replace(case, sha256=notes.pop(case.name).sha256) if case.name in notes else case
        for case in cases
    ] + list(notes.values())
    names = unlabelled.keys() - images  # a labelled case has its name alone
    cases += [Case(name, unlabelled[name], None, lits.patient(name)) for name in names]
    if any(volume_name(case.image) == f"{case.name}_0000" for case in cases):
        return "nnU-Net", cases
    return "MSD (resized: Task03_Liver_rs)" if folder.name == "Task03_Liver_rs" else "MSD", cases


def _without_unfinished(folder: Path, images: Named, labels: Named) -> tuple[Named, Named]:
    """Images and labels without those whose other half is still in the download's hidden folder."""
    parts = folder.glob(".download/*Tr/*.nii*")
    unfinished = {re.sub(r"_0000$", "", volume_name(part)) for part in parts}
    for name in unfinished & (images.keys() ^ labels.keys()):
        (images if name in images else labels).pop(name)
    return images, labels


def _lits(files: list[Path]) -> tuple[str, list[Case]]:
    """Layout and cases of LiTS: ``volume-3`` and ``segmentation-3``, anywhere below the folder."""
    by_kind: dict[str, list[tuple[str, Path]]] = {"volume": [], "segmentation": []}
    for path in files:
        if match := _LITS_FILE.fullmatch(path.name):
            by_kind[match[1].lower()].append((f"volume-{match[2]}", path))
    return "LiTS", _paired(_by_name(by_kind["volume"]), _by_name(by_kind["segmentation"]))


def _by_name(volumes: Iterable[tuple[str, Path]]) -> Named:
    """The files by name; raises `LiverlibError` for a name that comes twice."""
    by_name: Named = {}
    for name, path in volumes:
        if name in by_name:
            raise LiverlibError(
                f"{path}: the same case is there twice; the other is {by_name[name]}. "
                "Keep one of them."
            )
        by_name[name] = path
    return by_name


def _paired(images: Named, labels: Named) -> list[Case]:
    """A case of each image and its label; raises `LiverlibError` where either is missing."""
    for files, others, missing in ((images, labels, "label"), (labels, images, "image")):
        if names := sorted(set(files) - set(others), key=natural_key):
            more = f" ({len(names) - 1} more)" if len(names) > 1 else ""
            raise LiverlibError(
                f"{files[names[0]]}: has no {missing} of the same name{more}. Add it, or move this "
                "file away (scans without labels belong into imagesTs/)."
            )
    return [Case(name, images[name], labels[name], lits.patient(name)) for name in images]
