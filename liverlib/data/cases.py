"""Finding the cases in a folder, and checking that images and labels pair up."""

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

LAYOUTS = """\
  MSD       imagesTr/liver_3.nii.gz        labelsTr/liver_3.nii.gz   (imagesTs/ has no labels)
  nnU-Net   imagesTr/liver_3_0000.nii.gz   labelsTr/liver_3.nii.gz
  LiTS      volume-3.nii[.gz]              segmentation-3.nii[.gz]   (in any subfolder)"""
STREAMED = "cubesTr"  # holds a note of each case that was streamed into cubes
_LITS_FILE = re.compile(r"(volume|segmentation)-(\d+)\.nii(\.gz)?")


@dataclass(frozen=True)
class Case:
    """One patient's scan and, where there is one, its label.

    Of a case that was streamed into cubes `sha256` says what scan and label held: it finds the
    cubes, and the files themselves need not be there.
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
        """Whether the case was streamed into cubes and its scan was not fetched since."""
        return bool(self.sha256) and not all(file.is_file() for file in self.files)

    def read(self) -> tuple[Volume, Volume | None]:
        """The scan and its label, on one grid; raises as `present`, `read_scan`, `read_label`."""
        present([self])
        scan = read_scan(self.image)
        return scan, read_label(self.label, scan) if self.label else None


@dataclass(frozen=True)
class Dataset:
    """The cases of a folder, by name with numbers in order, and the layout they were found in."""

    folder: Path
    layout: str
    cases: list[Case]

    def __str__(self) -> str:
        """What was found, in one line."""
        with_label = sum(case.label is not None for case in self.cases)
        without = len(self.cases) - with_label
        more = f", {without} without" if without else ""
        alone = sum(case.cubes_alone for case in self.cases)
        more += f", {alone} of them as cubes alone" if alone else ""
        place = os.path.relpath(self.folder)
        place = place if not place.startswith("..") else self.folder
        return f"{with_label} cases with a label{more}: {self.layout} layout in {place}"


def find_cases(folder: str | Path) -> list[Case]:
    """The cases of `find_dataset`."""
    return find_dataset(folder).cases


def find_dataset(folder: str | Path) -> Dataset:
    """The one dataset in a folder or below it, labelled and unlabelled cases.

    Raises `LiverlibError` where nothing is found, where more than one dataset is, and for an image
    without its label or a label without its image. Files and folders that start with a dot, such
    as macOS' ``._`` files, are passed over.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the dataset.")
    found = list(_candidates(folder))
    if not found:
        raise LiverlibError(
            f"{folder}: no cases found. Looked, here and below, for these layouts:\n{LAYOUTS}"
        )
    if len(found) > 1:
        listed = "\n".join(f"  {place} ({layout})" for layout, place, _ in found)
        raise LiverlibError(f"{folder}: holds more than one dataset. Name one of:\n{listed}")
    layout, place, files = found[0]
    layout, cases = _lits(files) if layout == "LiTS" else _split_folders(place)
    return Dataset(place, layout, sorted(cases, key=lambda case: natural_key(case.name)))


def labelled(cases: Iterable[Case]) -> list[Case]:
    """Those with a label; raises `LiverlibError` where there is none."""
    found = [case for case in cases if case.label]
    if not found:
        raise LiverlibError("none of the cases has a label. Training and scoring need labels.")
    return found


def present(cases: Iterable[Case]) -> list[Case]:
    """The cases, if all their files are to be had; raises `LiverlibError`, saying how to fetch
    the scans of those that were streamed into cubes."""
    cases = list(cases)
    if alone := [case for case in cases if case.cubes_alone]:
        names, folder = " ".join(case.name for case in alone), alone[0].image.parents[1]
        raise LiverlibError(
            f"{folder}: of {len(alone)} cases needed here it has the cubes alone. Fetch the scans "
            "(or, to make other cubes of them, add --into-cubes and those settings): "
            f"liverlib download --to {os.path.relpath(folder)} --cases {names}"
        )
    return cases


def _candidates(folder: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Layout, place and, for LiTS, the files of each dataset in the folder or below it."""
    loose = []
    for place, folders, files in os.walk(folder):
        if {"imagesTr", "imagesTs", STREAMED} & set(folders):
            yield "MSD or nnU-Net", Path(place), []
        inside = ("imagesTr", "imagesTs", "labelsTr", STREAMED)
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in inside)
        loose += [Path(place, name) for name in sorted(files) if _LITS_FILE.fullmatch(name)]
    if loose:
        yield "LiTS", Path(os.path.commonpath([path.parent for path in loose])), loose


def _split_folders(folder: Path) -> tuple[str, list[Case]]:
    """MSD and nnU-Net: images and labels in folders of their own, under equal names.

    The original project's ``Task03_Liver_rs`` is MSD's, unpacked and resized. LiTS' own names may
    stand in these folders too.
    """
    labels = _by_name(
        (re.sub("^segmentation-", "volume-", name), path)
        for name, path in nifti_files(folder / "labelsTr")
    )

    def named(part: str) -> dict[str, Path]:
        found = nifti_files(folder / part)
        return _by_name((n if n in labels else re.sub(r"_0000$", "", n), p) for n, p in found)

    images, unlabelled = named("imagesTr"), named("imagesTs")
    cases = _paired(*_come(folder, images, labels))
    noted = {case.name: case for case in streamed(folder)}
    cases = [
        replace(case, sha256=noted.pop(case.name).sha256) if case.name in noted else case
        for case in cases
    ] + list(noted.values())
    cases += [Case(name, path, None, lits.patient(name)) for name, path in unlabelled.items()]
    if any(volume_name(case.image) == f"{case.name}_0000" for case in cases):
        return "nnU-Net", cases
    return "MSD (resized: Task03_Liver_rs)" if folder.name == "Task03_Liver_rs" else "MSD", cases


def streamed(folder: Path) -> Iterator[Case]:
    """The cases that `note_streamed` noted in a folder."""
    for note in folder.glob(f"{STREAMED}/[!.]*.json"):
        noted = read_json(note)
        try:
            files = folder / noted["image"], folder / noted["label"]
            sha256 = tuple(map(str, noted["sha256"]))
        except (KeyError, TypeError) as error:
            raise LiverlibError(
                f"{note}: no note of a streamed case. Delete it, and stream the case again."
            ) from error
        yield Case(note.stem, *files, lits.patient(note.stem), sha256)


def note_streamed(folder: Path, name: str, files: Sequence[str], sha256: Sequence[str]) -> None:
    """Notes that a case has cubes, what its scan and label held, and where in `folder` they go."""
    noted = dict(zip(("image", "label"), files, strict=True)) | {"sha256": sha256}
    write_json(folder / STREAMED / f"{name}.json", noted)


def _come(folder: Path, *found: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Images and labels less those whose other half a download still holds: it was killed, or is
    about to give both their names."""
    coming = {re.sub(r"_0000$", "", volume_name(p)) for p in folder.glob(".download/*Tr/*.nii*")}
    alone = coming & (set(found[0]) ^ set(found[1]))
    return ({n: path for n, path in one.items() if n not in alone} for one in found)


def _lits(files: list[Path]) -> tuple[str, list[Case]]:
    """LiTS: ``volume-3`` beside ``segmentation-3``, anywhere below the folder."""
    found = {"volume": [], "segmentation": []}
    for path in files:
        kind, number, _ = _LITS_FILE.fullmatch(path.name).groups()
        found[kind].append((f"volume-{number}", path))
    return "LiTS", _paired(_by_name(found["volume"]), _by_name(found["segmentation"]))


def _by_name(volumes: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    found = {}
    for name, path in volumes:
        if name in found:
            raise LiverlibError(
                f"{path}: the same case is there twice; the other is {found[name]}. "
                "Keep one of them."
            )
        found[name] = path
    return found


def _paired(images: dict[str, Path], labels: dict[str, Path]) -> list[Case]:
    for present, absent, what in ((images, labels, "label"), (labels, images, "image")):
        if absent_names := sorted(set(present) - set(absent), key=natural_key):
            path = present[absent_names[0]]
            more = f" ({len(absent_names) - 1} more)" if len(absent_names) > 1 else ""
            raise LiverlibError(
                f"{path}: has no {what} of the same name{more}. Add it, or move this file away "
                "(scans without labels belong into imagesTs/)."
            )
    return [Case(name, images[name], labels[name], lits.patient(name)) for name in images]
