"""Scores weights on labelled real scans: all measures on their own grids, and the worst cases.

Takes a folder in any of the layouts (MSD, nnU-Net, LiTS), or single scans with `--pair SCAN LABEL`,
as often as needed, DICOM folders too. Masks, tables as CSV and JSON, and the pictures go to a
folder (`-o`). These scans are for scoring: weights that were chosen by them have no score left.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report
from scans import named, read_pair

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import find_cases, labelled
from liverlib.evaluation.case import CaseResult, score_files
from liverlib.evaluation.summary import Summary, summarise
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED
from liverlib.view import figures


def main() -> None:
    options = arguments()
    pairs = dict(named(options.pair))
    if options.data:
        cases = labelled(find_cases(options.data))
        pairs |= {case.name: (case.image, case.label) for case in cases}
    if not pairs:
        raise SystemExit("Name a folder of labelled scans, or pairs.")
    loaded = Segmenter.load(*options.weights)
    segmenter = replace(loaded, roi=None if options.coarse else loaded.roi, tta=options.tta)
    with Report(__file__) as report:
        results = score_all(report, pairs, segmenter, options.output)
        results.sort(key=lambda case: (case.tumour.dice + case.liver.dice, case.name))
        for case in results[: options.pictures]:
            draw(case.name, *pairs[case.name], options.output)
        report.table([row(case) for case in results])
        summary = summarise(results)
        report.table(measures(summary))
    print(f"masks, tables and pictures: {summary.save(options.output)}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="a folder of labelled scans")
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[])
    parser.add_argument("--weights", type=Path, nargs="+", default=[PRETRAINED])
    parser.add_argument("--coarse", action="store_true", help="the coarse stage alone")
    parser.add_argument("--tta", action="store_true", help="averaged over shifts")
    parser.add_argument("--pictures", type=int, default=5, help="of so many worst cases")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/real"))
    return parser.parse_args()


def score_all(
    report: Report, pairs: dict[str, Sequence[Path]], segmenter: Segmenter, folder: Path
) -> list[CaseResult]:
    """The results of all pairs; those that cannot be read are reported and left out."""
    results = []
    for name, pair in pairs.items():
        try:
            results.append(score_pair(name, *pair, segmenter, folder))
        except LiverlibError as error:
            report.text(f"{name}: left out, as it cannot be read.")
            print(error)
    if not results:
        raise SystemExit(2)
    return results


def score_pair(
    name: str, scan: Path, label: Path, segmenter: Segmenter, folder: Path
) -> CaseResult:
    """A scan's mask, written and scored against its label."""
    mask = segmenter.predict(read_scan(scan)).mask
    path = folder / "masks" / f"{name}.nii.gz"
    write_volume(path, mask.voxels, mask.grid)
    return score_files(name, label, path)


def draw(name: str, scan: Path, label: Path, folder: Path) -> None:
    """Label, prediction and difference of one case as a picture."""
    volume, reference = read_pair(scan, label)
    mask = read_label(folder / "masks" / f"{name}.nii.gz", like=volume)
    figures.save(figures.overlay(volume, reference, mask), folder / "overlays" / f"{name}.png")


def row(case: CaseResult) -> dict[str, object]:
    """A row of the table of cases."""
    return {
        "case": case.name,
        "liver Dice": f"{case.liver.dice:.3f}",
        "tumour Dice": f"{case.tumour.dice:.3f}" if case.has_tumour else "",
        "liver ml, reference": f"{case.liver.reference_ml:.0f}",
        "predicted": f"{case.liver.predicted_ml:.0f}",
        "tumour ml, reference": f"{case.tumour.reference_ml:.1f}",
        "predicted ml": f"{case.tumour.predicted_ml:.1f}",
        "tp": case.iou_50.tp,
        "fn": case.iou_50.fn,
        "fp": case.iou_50.fp,
    }


def measures(summary: Summary) -> list[dict[str, object]]:
    """The rows of the table of measures over all cases."""
    return [
        {"of": m.of, "measure": m.measure, "value": f"{m.value:.3f}", "n": m.n}
        for m in summary.measures
        if m.n
    ]


if __name__ == "__main__":
    main()
