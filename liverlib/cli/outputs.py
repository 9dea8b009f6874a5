"""What `segment` writes, and whether it may: nothing of the user's is written over.

A mask's header (NIfTI's description, DICOM's image comments) says that liverlib wrote it, what it
was made with, and what it held. So a mask need not be made twice, and one that was corrected by
hand is not lost.
"""

import argparse
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.files import is_newer
from liverlib.core.settings import digest
from liverlib.core.text import NOT_MEDICAL
from liverlib.io.formats import masks as formats
from liverlib.io.formats.label_tables import itk_snap_table
from liverlib.io.formats.masks import FORMATS, companions, format_of
from liverlib.io.nifti import volume_name
from liverlib.io.provenance import files_below, sha256_of
from liverlib.io.scan import scan_name

MAPS = {1: "liver", 2: "tumour"}  # of probability: the least class, and the file's name
WARNING = NOT_MEDICAL.partition(":")[0]  # a description has 79 characters
_NOTE = re.compile(rf"liverlib \S+ (?:mask (\w+) (\w+)|probability of \w+); {WARNING}")


@dataclass(frozen=True)
class Job:
    """A scan, its mask, and what else is asked for: maps of probability, files of a report."""

    scan: Path
    mask: Path
    others: tuple[Path, ...] = ()


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``, which replaces what is there."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there, whoever wrote them"
    )


def plan(scans: Sequence[Path], options: argparse.Namespace) -> list[Job]:
    """What the options ask to be written for each scan.

    Raises `LiverlibError` for an output that does not fit the scans, for two scans of a name, where
    a format's library is missing, and where the report's folder is a file.
    """
    if options.report and options.report.exists() and not options.report.is_dir():
        raise LiverlibError(f"{options.report}: is no folder. Name one for the reports.")
    jobs = []
    for scan, mask in zip(scans, _masks(scans, options.output, options.format), strict=True):
        others = companions(mask)
        others += [map_path(mask, name) for name in MAPS.values()] if options.probabilities else []
        others += [preview_path(mask)] if options.preview else []
        others += [table_path(mask)] if options.itk_snap else []
        others += report_paths(options.report, scan) if options.report else []
        jobs.append(Job(scan, mask, tuple(others)))
    for kind in {format_of(job.mask) for job in jobs}:
        formats.require_library(kind)
    masks = {job.mask for job in jobs}
    if taken := sorted(masks.intersection(path for job in jobs for path in job.others)):
        raise LiverlibError(
            f"{taken[0]}: is the mask of one scan and belongs to another's too. Segment each into "
            "a folder of its own."
        )
    return jobs


def map_path(mask: Path, name: str) -> Path:
    """A map of probability, in a folder beside the mask's, as masks are scored by folders."""
    return mask.parent / "probabilities" / f"{_stem(mask)}_{name}.nii.gz"


def preview_path(mask: Path) -> Path:
    """The picture of a mask, in a folder beside the mask's."""
    return mask.parent / "previews" / f"{_stem(mask)}.png"


def sheet_path(jobs: Sequence[Job]) -> Path:
    """The contact sheet of several masks' previews, beside the masks."""
    return jobs[0].mask.parent / "contact_sheet.png"


def table_path(mask: Path) -> Path:
    """ITK-SNAP's table of labels, one for all masks of a folder."""
    return mask.parent / "itk-snap.label"


def report_paths(folder: Path, scan: Path) -> list[Path]:
    """The files of the scan's report."""
    return [folder / f"{scan_name(scan)}.{kind}" for kind in ("html", "csv", "json")]


def refuse_inputs(jobs: Sequence[Job], inputs: Sequence[Path], named: Sequence[Path]) -> None:
    """Raises `LiverlibError` for an output that is one of the inputs, be it through a link.

    What lies among a folder's scans, or below a DICOM folder, is refused too: the next time it
    would be taken for a scan, or for a part of one.

    Args:
        jobs: what is to be written.
        inputs: what is read: files, and DICOM folders.
        named: what the user named: scans, and folders of them.
    """
    read = {_identity(file): file for path in inputs for file in files_below(path)}
    folders = {_identity(path) for path in (*inputs, *named) if path.is_dir()}
    scans = {_identity(path) for path in inputs if path.is_dir()}
    for job in jobs:
        for path in (job.mask, *job.others):
            above = {_identity(part) for part in path.absolute().parents if part.is_dir()}
            if above & scans:
                raise LiverlibError(
                    f"{path}: lies in a scan's own folder, and would be read with it. Name another."
                )
            if path.exists() and (file := read.get(_identity(path))):
                raise LiverlibError(
                    f"{path}: is an input ({file}) and would be lost. Name another output."
                )
        folder = job.mask.parent
        volume = format_of(job.mask) in ("nii", "nii.gz", "seg.nrrd")
        if volume and folder.is_dir() and _identity(folder) in folders:
            raise LiverlibError(
                f"{folder}: is the folder of the scans, where masks would be taken for scans. "
                "Name another folder."
            )


def refusal(path: Path, overwrite: bool = False) -> str:
    """Why a file may not be written; empty where it may.

    With `overwrite` it may replace any file, but nothing else, such as a folder or a pipe.
    """
    if path.exists() and not path.is_file():
        return f"{path}: is no file but a folder, a pipe or a device. Name a file."
    if overwrite or not os.path.lexists(path) or _is_own(path):
        return ""
    return (
        f"{path}: is there, and is not as liverlib wrote it. It is kept: move it away, name "
        "another output, or replace it (--overwrite)."
    )


def made_with(files: Sequence[Path], *options: object) -> str:
    """A digest of all that a mask and its report depend on; files count by their content."""
    contents = [sha256_of(path) for path in files]
    return digest(__version__, contents, *options)


def is_done(job: Job, made: str) -> bool:
    """Whether the mask was made so before, and all else after it; a report with this very mask.

    It may have been corrected by hand since then. A mask without lesions has no surfaces of them.
    """
    match, absent = _note(job.mask), set(companions(job.mask))
    return bool(match and match[1] == made) and all(
        path.is_file() and not is_newer(job.mask, path) and _tells_of(path, made)
        for path in job.others
        if path not in absent or path.exists()
    )


def mask_note(made: str, content: Iterable[bytes]) -> str:
    """What the header of a mask that was made so says; `content` is what it holds."""
    return f"liverlib {__version__} mask {made} {_digits(content)}; {WARNING}"


def map_note(name: str) -> str:
    """The description in the header of a map of probability."""
    return f"liverlib {__version__} probability of {name}; {WARNING}"


def _masks(scans: Sequence[Path], output: Path, kind: str | None) -> list[Path]:
    """The path of each scan's mask: a file for one scan, or else a folder of files named alike."""
    ending = format_of(output)
    if ending and len(scans) > 1:
        raise LiverlibError(f"{output}: one file for {len(scans)} scans. Name a folder.")
    if ending and kind not in (None, ending):
        raise LiverlibError(f"{output}: --format {kind} writes .{kind}. Name it so, or a folder.")
    if not ending and len(scans) == 1 and output.suffix and not output.is_dir():
        raise LiverlibError(
            f"{output}: a mask is written as {', '.join(f'.{name}' for name in FORMATS)}. "
            "Name it so."
        )
    if "dcm" in (ending, kind) and (files := [scan for scan in scans if not scan.is_dir()]):
        raise LiverlibError(
            f"{files[0]}: no DICOM folder, so its mask cannot be .dcm. "
            "Name one that ends in .nii.gz."
        )
    if ending:
        return [output]
    names = [volume_name(os.path.abspath(scan)) or "scan" for scan in scans]
    masks = [output / f"{name}.{kind or FORMATS[0]}" for name in names]
    if twice := {mask for mask in masks if masks.count(mask) > 1}:
        raise LiverlibError(
            f"{min(twice)}: two scans of that name. Segment each into a folder of its own."
        )
    return masks


def _tells_of(path: Path, made: str) -> bool:
    """Whether a report is of a mask made so, not of another scan's; true of other files."""
    return path.suffix != ".json" or f'"{made}"' in path.read_text("utf-8", "replace")


def _stem(mask: Path) -> str:
    """A mask's name without the ending of its format."""
    return mask.name[: -len(f".{format_of(mask)}")]


def _identity(path: Path) -> tuple[int, int]:
    """What two names of one file or folder have in common."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _digits(content: Iterable[bytes]) -> str:
    """Twelve hexadecimal digits that change with any byte."""
    sha256 = hashlib.sha256()
    for part in content:
        sha256.update(part)
    return sha256.hexdigest()[:12]


def _note(path: Path) -> re.Match[str] | None:
    """What liverlib wrote into the header of a file, if it did."""
    try:
        return _NOTE.match(formats.read_note(path)) if path.is_file() else None
    except Exception:  # whatever a stranger's file holds, it is not liverlib's
        return None


def _is_own(path: Path) -> bool:
    """Whether liverlib wrote a file, and nobody changed it since."""
    try:
        if match := _note(path):
            content = formats.read_content(path) if match[2] else None
            return content is None or match[2] == _digits(content)
        if path.suffix == ".png":
            from liverlib.view.preview import is_preview  # matplotlib is imported when needed

            return is_preview(path)
        text = path.read_text("utf-8")
        if path.suffix == ".label":
            return text == itk_snap_table()
        return path.suffix in (".html", ".csv", ".json") and NOT_MEDICAL in text
    except Exception:  # nor is it here
        return False
