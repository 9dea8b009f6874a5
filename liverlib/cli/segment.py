"""``liverlib segment`` and ``liverlib lesions``."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.core.verdict import Quality
from liverlib.io.formats.label_tables import write_itk_snap_table
from liverlib.io.formats.masks import FORMATS, format_of, write_mask
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.provenance import Provenance
from liverlib.io.scan import find_scans, read_scan, scan_name
from liverlib.io.volume import Volume

from . import outputs, telling
from .options import add_device, add_series, short
from .outputs import Job, add_overwrite

if TYPE_CHECKING:
    from liverlib.evaluation.lesion_table import LesionTable
    from liverlib.inference.prediction import Prediction
    from liverlib.inference.segmenter import Segmenter


def add_segment(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segment`."""
    parser.add_argument(
        "scans", type=Path, nargs="+", help="NIfTI files, folders of them, or DICOM folders"
    )
    output = "the mask to write, its format by its ending; of several scans, the folder"
    parser.add_argument("-o", "--output", type=Path, required=True, help=output)
    parser.add_argument(
        "--format", choices=FORMATS, help="of masks in a folder (default: nii.gz); dcm of DICOM"
    )
    parser.add_argument(
        "--weights", type=Path, nargs="+", help="several are averaged (default: pretrained)"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="also a page, CSV and JSON of its lesions, there"
    )
    for flag, meaning in {
        "--probabilities": "also maps of the probability of liver and tumour, in probabilities/",
        "--preview": "also a picture of three planes, in previews/; of several, a contact sheet",
        "--itk-snap": "also itk-snap.label, with names and colours for ITK-SNAP",
        "--tta": "test-time augmentation: the mean over four shifts, at four times the work",
        "--all-pieces": "keep every piece of liver (default: only the largest)",
        "--tumours-anywhere": "keep tumours outside that piece too",
        "--anyway": "write masks that are not to be used, too",
    }.items():
        parser.add_argument(flag, action="store_true", help=meaning)
    parser.add_argument(
        "--min-lesion-probability", type=float, default=0.98, metavar="P",
        help="probability that a lesion must reach to stay one (from 0 to 1; default: 0.98)",
    )  # fmt: skip
    for add in (add_overwrite, add_series, add_device):
        add(parser)


def segment(options: argparse.Namespace) -> int:
    """The mask of each scan, on the scan's own grid."""
    from liverlib.inference.postprocessing import PostprocessSettings
    from liverlib.inference.segmenter import files_of
    from liverlib.models.weights import PRETRAINED  # torch is imported when it is needed

    weights = options.weights or [PRETRAINED]
    options.files = files_of(*weights)
    settings = PostprocessSettings(
        not options.all_pieces, not options.tumours_anywhere, options.min_lesion_probability
    )
    scans = [scan for path in options.scans for scan in find_scans(path)]
    jobs = outputs.plan(scans, options)
    outputs.refuse_inputs(jobs, [*scans, *weights], options.scans)
    telling.tell_passed_over(options.scans, [job.mask.parent for job in jobs], options.report)

    @cache
    def made(scan: Path) -> str:
        how = settings, options.tta, options.series, options.anyway
        return outputs.made_with([scan, *options.files], *how)

    sheet = outputs.sheet_path(jobs) if options.preview and len(jobs) > 1 else None
    if sheet and (refusal := outputs.refusal(sheet, options.overwrite)):
        raise LiverlibError(refusal)
    todo, failures = _what_to_do(jobs, options.overwrite, made)
    qualities: dict[Path, Quality] = {}
    if todo:
        from liverlib.inference.segmenter import Segmenter

        loaded = Segmenter.load(*weights)
        segmenter = dataclasses.replace(loaded, tta=options.tta, settings=settings)
        try:
            for job in tqdm(todo, "scans", unit="scan", disable=len(todo) == 1):
                found = _segment_scan(segmenter, job, options, made(job.scan))
                if isinstance(found, str):
                    failures.append(found)
                else:
                    qualities[job.scan] = found
        except BaseException:
            telling.tell_failures(failures, len(jobs))
            raise
    if sheet:
        _write_sheet(jobs)
    if failures and len(jobs) == 1:
        raise LiverlibError(failures[0])
    print(telling.made_how(settings, options.tta))
    print(f"weights {', '.join(str(short(path)) for path in weights)}. {NOT_MEDICAL}")
    telling.tell_failures(failures, len(jobs))
    unused = telling.tell_qualities(qualities) and not options.anyway
    telling.tell_written(jobs, options.report)
    if failures:
        return 2 if len(failures) == len(jobs) else 1
    return 3 if unused else 0


def add_lesions(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lesions`."""
    parser.add_argument("scan", type=Path, help="a NIfTI file or a DICOM folder")
    parser.add_argument("mask", type=Path, help="its mask: 0 background, 1 liver, 2 tumour")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    add_overwrite(parser)
    add_series(parser)


def lesions(options: argparse.Namespace) -> None:
    """The lesions of a mask, measured: a page with the slices, CSV and JSON."""
    from liverlib.evaluation.lesion_table import measure_lesions  # scipy, when it is needed

    for path in outputs.report_paths(options.output, options.scan):
        if refusal := outputs.refusal(path, options.overwrite):
            raise LiverlibError(refusal)
    scan = read_scan(options.scan, options.series)
    scan = dataclasses.replace(scan, name=scan_name(options.scan))
    mask = read_label(options.mask, scan)
    print(NOT_MEDICAL)
    _write_report(options.output, scan, mask, measure_lesions(scan, mask))


def _what_to_do(
    jobs: Sequence[Job], overwrite: bool, made: Callable[[Path], str]
) -> tuple[list[Job], list[str]]:
    """The jobs to do, and why others may not be done; says how many are done."""
    todo, failures, done = [], [], 0
    for job in jobs:
        if not overwrite and job.mask.is_file() and outputs.is_done(job, made(job.scan)):
            done += 1
            continue
        refusals = (outputs.refusal(path, overwrite) for path in (job.mask, *job.others))
        if refusal := next(filter(None, refusals), None):
            failures.append(refusal)
        else:
            todo.append(job)
    if done:
        print(
            f"{done} of {len(jobs)} masks were there, made from these scans with these weights and "
            "options. They are kept (--overwrite makes them anew)."
        )
    return todo, failures


def _segment_scan(
    segmenter: "Segmenter", job: Job, options: argparse.Namespace, made: str
) -> Quality | str:
    """Segments a scan and writes what is asked for; its quality, or why it cannot be segmented.

    A mask that is not to be used is not written, unless it is asked for. Raises `LiverlibError`
    where a file cannot be written: that of the next scan could not either.
    """
    try:
        scan = read_scan(job.scan, options.series)
        scan = dataclasses.replace(scan, name=scan_name(job.scan))
        prediction = segmenter.predict(scan)
        quality = prediction.quality
        telling.tell_quality(scan.name, quality)
        if not (quality.usable or options.anyway):
            older = f"; {short(job.mask)} is an older one" if job.mask.exists() else ""
            tqdm.write(f"{scan.name}: no mask is written (--anyway writes it){older}")
            return quality
        mask, table = prediction.mask, None
        if options.report:
            from liverlib.evaluation.lesion_table import measure_lesions

            table = measure_lesions(scan, prediction)
    except LiverlibError as error:
        return str(error)
    except MemoryError:
        return f"{job.scan}: not enough memory. Crop it to the abdomen."
    try:
        _write_mask(mask, job, options.series, made, quality)
    except LiverlibError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return str(error)  # its format cannot hold this mask
    if options.probabilities:
        _write_probabilities(prediction, job.mask)
    if options.preview:
        _write_preview(outputs.preview_path(job.mask), scan, mask)
    if options.itk_snap:
        write_itk_snap_table(outputs.table_path(job.mask))
    if table:
        how = telling.made_how(segmenter.settings, segmenter.tta, options.series)
        origin = Provenance.of(job.scan, options.files, how, scan.grid.spacing_known, made)
        _write_report(options.report, scan, mask, table, quality, origin)
    return quality


def _write_mask(mask: Volume, job: Job, series: str | None, made: str, quality: Quality) -> None:
    note = partial(outputs.mask_note, made)
    write_mask(job.mask, mask, note, job.scan, series, quality.verdict)
    holds = {
        "dcm": "segments 1 liver (with its tumours), 2 tumour",
        "stl": "the liver's surface, in mm (LPS); its lesions' lie beside it",
        "glb": "surfaces of the liver and of each lesion",
    }.get(format_of(job.mask) or "", "0 background, 1 liver, 2 tumour")
    tqdm.write(f"{short(job.mask)}: {holds}")


def _write_preview(path: Path, scan: Volume, mask: Volume) -> None:
    from liverlib.view.preview import write_preview  # matplotlib is imported when it is needed

    write_preview(path, scan, mask)
    tqdm.write(f"{short(path)}: three planes")


def _write_sheet(jobs: Sequence[Job]) -> None:
    """The contact sheet of all previews that are there."""
    from liverlib.view.preview import write_contact_sheet

    paths = [path for job in jobs if (path := outputs.preview_path(job.mask)).is_file()]
    if paths:
        write_contact_sheet(outputs.sheet_path(jobs), paths)
        print(f"{short(outputs.sheet_path(jobs))}: {len(paths)} previews")


def _write_probabilities(prediction: "Prediction", mask: Path) -> None:
    """Bytes in 1/255."""
    for least, name in outputs.MAPS.items():
        path, voxels = outputs.map_path(mask, name), prediction.probability(least)
        note = outputs.map_note(name)
        write_volume(path, voxels, prediction.grid, slope=1 / 255, note=note)
        tqdm.write(f"{short(path)}: 0 to 1")


def _write_report(
    folder: Path,
    scan: Volume,
    mask: Volume,
    table: "LesionTable",
    quality: Quality | None = None,
    origin: Provenance | None = None,
) -> None:
    from liverlib.view.report.scan_report import write_scan_report

    paths = write_scan_report(folder, scan, mask, table, quality, origin)
    tqdm.write("\n".join(str(short(path)) for path in paths))
