"""``liverlib segment`` and ``liverlib lesions``."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.io.nifti import read_label, volume_name, write_volume
from liverlib.io.scan import find_scans, read_scan
from liverlib.io.volume import Volume

from .options import add_series, short

if TYPE_CHECKING:
    from liverlib.evaluation.lesion_table import LesionTable
    from liverlib.inference.prediction import Prediction


def add_segment(parser: argparse.ArgumentParser) -> None:
    """The arguments of `segment`."""
    parser.add_argument(
        "scans", type=Path, nargs="+", help="NIfTI files, folders of them, or DICOM folders"
    )
    output = "the mask to write, .nii.gz (or .dcm for a DICOM folder); of several, the folder"
    parser.add_argument("-o", "--output", type=Path, required=True, help=output)
    parser.add_argument(
        "--weights", type=Path, nargs="+", help="several are averaged (default: pretrained)"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="also a page, CSV and JSON of its lesions, there"
    )
    for flag, meaning in {
        "--probabilities": "also maps of the probability of liver and tumour, in probabilities/",
        "--tta": "test-time augmentation: the mean over four shifts, at four times the work",
        "--all-pieces": "keep every piece of liver (default: only the largest)",
        "--tumours-anywhere": "keep tumours outside that piece too",
    }.items():
        parser.add_argument(flag, action="store_true", help=meaning)
    parser.add_argument(
        "--min-lesion-probability", type=float, default=0.7, metavar="P",
        help="mean probability that a lesion needs to stay one (default: 0.7)",
    )  # fmt: skip
    add_series(parser)


def segment(options: argparse.Namespace) -> None:
    """The mask of each scan, on the scan's own grid."""
    scans = [scan for path in options.scans for scan in find_scans(path)]
    outputs = _outputs(scans, options.output)
    from liverlib.inference.postprocessing import PostprocessSettings
    from liverlib.inference.segmenter import Segmenter  # torch is imported when it is needed
    from liverlib.models.weights import PRETRAINED

    weights = options.weights or [PRETRAINED]
    settings = PostprocessSettings(
        not options.all_pieces, not options.tumours_anywhere, options.min_lesion_probability
    )
    loaded = Segmenter.load(*weights)
    segmenter = dataclasses.replace(loaded, tta=options.tta, settings=settings)
    for path, output in zip(scans, outputs, strict=True):
        scan = read_scan(path, options.series)
        prediction = segmenter.predict(scan)
        _write_mask(prediction.mask, output, path, options.series)
        if options.probabilities:
            _write_probabilities(prediction, output)
        if options.report:
            from liverlib.evaluation.lesion_table import measure_lesions

            table = measure_lesions(scan, prediction)
            _write_report(options.report, scan, prediction.mask, table)
    print(f"{settings}{'; averaged over shifts of the scan' if options.tta else ''}")
    print(f"weights {', '.join(str(short(path)) for path in weights)}. {NOT_MEDICAL}")


def add_lesions(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lesions`."""
    parser.add_argument("scan", type=Path, help="a NIfTI file or a DICOM folder")
    parser.add_argument("mask", type=Path, help="its mask: 0 background, 1 liver, 2 tumour")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    add_series(parser)


def lesions(options: argparse.Namespace) -> None:
    """The lesions of a mask, measured: a page with the slices, CSV and JSON."""
    from liverlib.evaluation.lesion_table import measure_lesions  # scipy, when it is needed

    scan = read_scan(options.scan, options.series)
    mask = read_label(options.mask, scan)
    table = measure_lesions(scan, mask)
    print(NOT_MEDICAL)
    _write_report(options.output, scan, mask, table)


def _outputs(scans: list[Path], output: Path) -> list[Path]:
    """The path of each scan's mask: a file for one scan, or else a folder of files named alike."""
    if output.name.endswith((".nii", ".nii.gz")):
        if len(scans) > 1:
            raise LiverlibError(f"{output}: one file for {len(scans)} scans. Name a folder.")
        return [output]
    if output.suffix == ".dcm" and len(scans) == 1 and scans[0].is_dir():
        return [output]
    if len(scans) == 1 and output.suffix:
        raise LiverlibError(
            f"{output}: a mask is written as .nii or .nii.gz, that of a DICOM folder as .dcm too. "
            "Name it so."
        )
    masks = [output / f"{volume_name(scan.resolve())}.nii.gz" for scan in scans]
    if twice := {mask for mask in masks if masks.count(mask) > 1}:
        raise LiverlibError(f"{min(twice)}: two scans of that name. Segment them one by one.")
    return masks


def _write_mask(mask: Volume, path: Path, scan: Path, series: str | None) -> None:
    if path.suffix == ".dcm":
        from liverlib.io.dicom_seg import write_seg  # highdicom is imported when it is needed

        write_seg(path, mask, scan, series)
        print(f"{short(path)}: segments 1 liver (with its tumours), 2 tumour")
    else:
        write_volume(path, mask.voxels, mask.grid)
        print(f"{short(path)}: 0 background, 1 liver, 2 tumour")


def _write_probabilities(prediction: "Prediction", mask: Path) -> None:
    """Bytes in 1/255, in a folder beside the mask's, as masks are scored by folders."""
    stem = mask.parent / "probabilities" / volume_name(mask).removesuffix(".dcm")
    for least, name in ((1, "liver"), (2, "tumour")):
        path = stem.with_name(f"{stem.name}_{name}.nii.gz")
        write_volume(path, prediction.probability(least), prediction.grid, slope=1 / 255)
        print(f"{short(path)}: 0 to 1")


def _write_report(folder: Path, scan: Volume, mask: Volume, table: "LesionTable") -> None:
    from liverlib.view.report.scan_report import write_scan_report

    print("\n".join(str(short(path)) for path in write_scan_report(folder, scan, mask, table)))
