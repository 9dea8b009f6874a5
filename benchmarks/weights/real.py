"""Scores weights on labelled real scans: all measures on their own grids, and the worst cases.

`python benchmarks/real.py DATA` takes a folder in any of the layouts (MSD, nnU-Net, LiTS);
`--pair SCAN LABEL`, as often as needed, takes single ones, a DICOM folder too.
`--weights FILE …` scores others than liverlib's own. Masks, the table as CSV and JSON, and the
pictures go to a folder (`-o`). These scans are for scoring: weights that were chosen by them have
no score left.
"""

import argparse
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.text import table
from liverlib.data.cases import find_cases, labelled
from liverlib.evaluation.case import CaseEvaluation, evaluate_case
from liverlib.evaluation.summary import summarise_cases
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, volume_name, write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED
from liverlib.view import figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="a folder of labelled scans")
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[])
    parser.add_argument("--weights", type=Path, nargs="+", default=[PRETRAINED])
    parser.add_argument("--first", action="store_true", help="the first look alone")
    parser.add_argument("--tta", action="store_true", help="averaged over shifts")
    parser.add_argument("--pictures", type=int, default=5, help="of so many worst cases")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/real"))
    options = parser.parse_args()
    pairs = named(options.pair)
    if options.data:
        cases = labelled(find_cases(options.data))
        pairs |= {case.name: (case.image, case.label) for case in cases}
    if not pairs:
        raise SystemExit("Name a folder of labelled scans, or pairs.")
    looks = Segmenter.load(*options.weights)
    segmenter = Segmenter(looks.body, None if options.first else looks.liver, options.tta)
    found = []
    for name, pair in pairs.items():
        try:
            found.append(scored(name, *pair, segmenter, options.output))
        except LiverlibError as error:
            print(f"left out: {error}")
    if not found:
        raise SystemExit(2)
    found.sort(key=lambda one: (one.score.tumour_dice + one.score.liver_dice, one.name))
    for one in found[: options.pictures]:
        draw(one.name, *pairs[one.name], options.output)
    print(table([row(one) for one in found]))
    print()
    evaluation = summarise_cases(found)
    print(evaluation)
    print(f"\nmasks, tables and pictures: {evaluation.save(options.output)}")


def named(pairs: list[tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    """Pairs by the folder of the scan, and by its file too where several lie in one."""
    folders = [scan.parent.name for scan, _ in pairs]
    return {
        folder if folders.count(folder) == 1 else f"{folder}_{volume_name(scan)}": (scan, label)
        for folder, (scan, label) in zip(folders, pairs, strict=True)
    }


def scored(
    name: str, scan: Path, label: Path, segmenter: Segmenter, folder: Path
) -> CaseEvaluation:
    """One scan's mask, written and held against its label."""
    mask = segmenter.segment(read_scan(scan))
    path = folder / "masks" / f"{name}.nii.gz"
    write_volume(path, mask.voxels, mask.grid)
    return evaluate_case(name, label, path)


def draw(name: str, scan: Path, label: Path, folder: Path) -> None:
    """Truth, prediction and difference of one case as a picture."""
    volume = read_scan(scan)
    truth = read_label(label, like=volume)
    mask = read_label(folder / "masks" / f"{name}.nii.gz", like=volume)
    figures.save(figures.overlay(volume, truth, mask), folder / "overlays" / f"{name}.png")


def row(one: CaseEvaluation) -> dict:
    """A row of the table."""
    score = one.score
    return {
        "case": one.name,
        "liver Dice": f"{score.liver_dice:.3f}",
        "tumour Dice": f"{score.tumour_dice:.3f}" if score.has_tumour else "",
        "liver ml": score.liver_ml,
        "liver ml drawn": score.predicted_liver_ml,
        "tumour ml": score.tumour_ml,
        "tumour ml drawn": score.predicted_tumour_ml,
        "lesions found": score.detected.found,
        "missed": score.detected.missed,
        "false": score.detected.false,
    }


if __name__ == "__main__":
    main()
