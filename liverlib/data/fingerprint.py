"""The fingerprint of a dataset, and everything in it that looks wrong, before days of training.

A suspicion is not an error: it refuses nothing, it says what a person should look at.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from liverlib.core.arrays import find_pieces
from liverlib.core.errors import LiverlibError
from liverlib.core.parallel import in_processes
from liverlib.core.text import table
from liverlib.io.nifti import read_header, read_label
from liverlib.io.volume import Grid, Volume

from . import lits
from .cases import Case, present

PERCENTILES = (0.5, 50.0, 99.5)  # of the liver with its tumours, as in nnU-Net's fingerprint
LIVER_HU, LIVER_ML = (0, 250), (500, 5000)  # usual ranges
TITLES = {  # of the measures in a fingerprint
    "spacing": "mm from slice to slice",
    "shape": "slices",
    "liver_ml": "liver, ml",
    "tumours": "tumours",
    "tumour_ml": "tumours, ml",
    "burden": "tumour / liver",
}
Row = dict[str, Any]  # of a table of cases
NO_LIVER = "its label holds no liver"
MIRRORED = "the liver lies on the patient's left: mirrored?"


def describe(case: Case) -> Row:
    """A row of a table of cases: shape, spacing in mm, orientation, liver and tumours.

    "tumours" counts connected tumours, and "burden" is tumour / liver. Volumes in ml are NaN where
    the spacing is unknown. Without a label, liver and tumours are NaN. Raises `LiverlibError` as
    `present` and `read_label` do.

    Args:
        case: with its files; only the label is read, or else the scan's header.

    >>> print(table([describe(case) for case in cases]))
    """
    present([case])
    if case.label is None:
        return _row(case.name, read_header(case.image), None)
    label = read_label(case.label)
    return _row(case.name, label.grid, label.voxels)


def examine(cases: Sequence[Case], workers: int | None = None) -> list[Row]:
    """A row for each case, for `fingerprint`: that of `describe`, and what looks wrong.

    It adds "hu", the `PERCENTILES` of liver and tumours, "range", the least and the most of the
    scan in HU, and "suspicions", a list of texts. A case that cannot be read has its name and one
    suspicion.

    Args:
        cases: of a dataset; they are compared, too.
        workers: number of processes; None for one a processor.

    >>> suspicions = [row["suspicions"] for row in examine(cases)]
    """
    rows = list(in_processes(examine_case, [(case,) for case in cases], workers, "check"))
    rows = compared(cases, rows)
    for row in rows:
        row.pop("digest", None)
    return rows


def fingerprint(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `examine` as text: least, middle and most of each measure, and all suspicions.

    Args:
        rows: what `examine` returns for the cases of a dataset.

    >>> print(fingerprint(examine(find_cases("data/Task03_Liver"))))
    """
    read = [row for row in rows if "shape" in row]
    axes = Counter(row["orientation"] for row in read)
    text = [table([_spread(title, key, read) for key, title in TITLES.items()]), ""]
    text += ["axes     " + ", ".join(f"{name} {count}" for name, count in axes.most_common())]
    hu = np.array([row["hu"] for row in read if np.isfinite(row["hu"]).all()])
    if hu.size:
        low, middle, high = np.median(hu, axis=0)
        text.append(f"liver    {low:.0f} to {high:.0f} HU, {middle:.0f} in the middle (medians)")
    counts = [row["tumours"] for row in read if row["tumours"] == row["tumours"]]
    none = f"none in {counts.count(0)} of {len(counts)} labelled cases"
    text += [f"tumours  {none}", "", *suspicion_lines(rows)]
    return "\n".join(text)


def suspicion_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The suspicions of all rows, one a line; cases with the same suspicion share the line."""
    by_text: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for text in row["suspicions"]:
            by_text[text].append(row["name"])
    if not by_text:
        return ["nothing looks wrong"]
    return [f"? {listed(names)}: {text}" for text, names in by_text.items()]


def _row(name: str, grid: Grid, classes: np.ndarray | None) -> Row:
    """The row of `describe`; `classes` are the label's voxels."""
    row: Row = {
        "name": name,
        "shape": grid.shape,
        "spacing": tuple(grid.spacing.round(2).tolist()),
        "orientation": grid.orientation,
    }
    if classes is None:
        return row | dict.fromkeys(("liver_ml", "tumours", "tumour_ml", "burden"), np.nan)
    liver, tumour = int((classes >= 1).sum()), int((classes == 2).sum())
    return row | {
        "liver_ml": liver * grid.voxel_ml,
        "tumours": len(find_pieces(classes, 2).sizes),
        "tumour_ml": tumour * grid.voxel_ml,
        "burden": tumour / liver if liver else float("nan"),
    }


def _spread(title: str, key: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    """Least, middle and most of a measure, of spacing and shape along the last axis."""
    values = [row[key][2] if isinstance(row[key], tuple) else row[key] for row in rows]
    known = [value for value in map(float, values) if np.isfinite(value)]
    spread = np.quantile(known, (0, 0.5, 1)) if known else [np.nan] * 3
    named = dict(zip(("least", "middle", "most"), map(float, spread), strict=True))
    return {"": title} | named | {"cases": len(known)}


def examine_case(case: Case) -> Row:
    """The row of one case alone, with a digest of its voxels for `compared`."""
    try:
        scan, label = case.read()
    except (LiverlibError, OSError, MemoryError) as error:
        return {"name": case.name, "suspicions": [str(error) or "not enough memory to read it"]}
    if label is None:
        row, liver = _row(case.name, scan.grid, None), np.empty(0)
    else:
        row, liver = _row(case.name, label.grid, label.voxels), scan.voxels[label.voxels >= 1]
    subsampled = np.rint(scan.voxels[::2, ::2, ::2]).astype(np.int32)
    row |= {
        "hu": tuple(np.percentile(liver, PERCENTILES)) if liver.size else (np.nan,) * 3,
        "range": (float(scan.voxels.min()), float(scan.voxels.max())),
        "digest": hashlib.blake2b(subsampled.tobytes()).hexdigest(),
    }
    of_label = _of_label(row, scan, label) if label is not None else []
    return row | {"suspicions": [*_of_scan(row, scan), *of_label, *_of_lits(row, scan)]}


def _of_scan(row: Row, scan: Volume) -> Iterator[str]:
    """Suspicions about the scan: spacing, shape, Hounsfield units."""
    if not scan.grid.spacing_known:
        yield "its spacing is not to be believed (an identity affine): no mm, no ml"
    elif not (scan.grid.spacing.min() >= 0.3 and scan.grid.spacing.max() <= 8):
        yield "its spacing is unusual: below 0.3 or above 8 mm"
    if scan.grid.sheared:
        yield "its voxels are sheared, as by a tilted gantry: mm and ml are off"
    if scan.grid.ambiguous:
        yield "its sform and qform differ: the sform is used, other programs may take the qform"
    if len(set(row["shape"])) == 1:
        yield "as many voxels along every axis: resized? Scores on it compare with nobody's"
    low, high = row["range"]
    if low > -500:
        yield "no air, nothing below -500 HU: cropped, rescaled, or not in Hounsfield units?"
    if low < -3100 or high > 4100:
        yield "values below -3100 or above 4100 HU: padding, metal, or a wrong slope"


def _of_label(row: Row, scan: Volume, label: Volume) -> Iterator[str]:
    """Suspicions about the liver: intensity, volume, position."""
    liver = np.argwhere(label.voxels[::2, ::2] >= 1)
    if not liver.size:
        yield NO_LIVER
        return
    if not LIVER_HU[0] <= row["hu"][1] <= LIVER_HU[1]:
        yield f"the liver's median is not {LIVER_HU[0]} to {LIVER_HU[1]} HU: rescaled?"
    if np.isfinite(row["liver_ml"]) and not LIVER_ML[0] <= row["liver_ml"] <= LIVER_ML[1]:
        yield f"the liver is not {LIVER_ML[0]} to {LIVER_ML[1]} ml"
    if liver[:, 2].min() == 0 or liver[:, 2].max() == row["shape"][2] - 1:
        yield "the liver reaches the first or last slice: cut off"
    body = np.argwhere(scan.voxels[::4, ::4, ::4] > -300)
    if body.size and 2 * liver[:, 0].mean() < 4 * body[:, 0].mean() - 0.02 * row["shape"][0]:
        yield MIRRORED


def _of_lits(row: Row, scan: Volume) -> Iterator[str]:
    """Suspicions where a case of LiTS differs from what is known about it."""
    if (number := lits.case_number(row["name"])) is None:
        return
    if lits.tumour_free(row["name"]) and row["tumours"] > 0:
        yield "LiTS has no tumour here, this label has: another labelling, or another case?"
    if not lits.tumour_free(row["name"]) and row["tumours"] == 0:
        yield "LiTS has tumours here, this label has none: another labelling, or another case?"
    if number in lits.FALSE_IDENTITY and scan.grid.spacing_known:
        yield "LiTS has a false identity affine here, this file another: corrected, or resampled?"


def compared(cases: Sequence[Case], rows: Sequence[Row]) -> list[Row]:
    """The rows of `examine_case`, with what only a comparison shows: copies, same patients."""
    by_voxels: dict[str, list[str]] = defaultdict(list)
    by_patient: dict[str, list[str]] = defaultdict(list)
    for case, row in zip(cases, rows, strict=True):
        by_voxels[row.get("digest", case.name)].append(case.name)
        by_patient[case.patient or case.name].append(case.name)
    more_rows = []
    for case, row in zip(cases, rows, strict=True):
        copies = by_voxels[row.get("digest", case.name)]
        scans = by_patient[case.patient or case.name]
        more = [
            *([f"the same voxels in {listed(copies)}"] if len(copies) > 1 else []),
            *([f"the same patient in {listed(scans)}: kept on one side"] if scans[1:] else []),
        ]
        more_rows.append(row | {"suspicions": [*row["suspicions"], *more]})
    return more_rows


def listed(names: Sequence[str], most: int = 6) -> str:
    """The names in one line, at most so many of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
