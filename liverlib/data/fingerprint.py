"""The fingerprint of a dataset, and everything in it that looks wrong, before days of training.

A suspicion is not an error: nothing is refused that reads. It is what a person should look at.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.core.parallel import in_processes
from liverlib.core.text import table
from liverlib.io.nifti import read_label
from liverlib.io.volume import Volume

from . import lits
from .cases import Case, present

PERCENTILES = (
    0.5,
    50.0,
    99.5,
)  # of the liver with its tumours, as nnU-Net's fingerprint takes them
LIVER_HU, LIVER_ML = (0, 250), (500, 5000)
FIGURES = {
    "spacing": "mm from slice to slice",
    "shape": "slices",
    "liver_ml": "liver, ml",
    "tumours": "tumours",
    "tumour_ml": "tumours, ml",
    "burden": "tumour / liver",
}


def examine(cases: Sequence[Case], workers: int | None = None) -> list[dict]:
    """One row a case: as `workspace.describe`, with the liver's HU, and "suspicions", in words.

    "hu" are `PERCENTILES` of the liver, tumours included; "range" is the whole scan's. A case that
    cannot be read has its name and the suspicion alone.
    """
    rows = list(in_processes(_examine, [(case,) for case in cases], workers, "check"))
    for row, more in zip(rows, _across(cases, rows), strict=True):
        row["suspicions"] += more
        row.pop("digest", None)
    return rows


def fingerprint(rows: Sequence[Mapping]) -> str:
    """The rows of `examine` as text: each figure's least, middle and most, axes, HU, suspicions."""
    read = [row for row in rows if "shape" in row]
    lines = []
    for key, title in FIGURES.items():
        values = [row[key][2] if isinstance(row[key], tuple) else row[key] for row in read]
        known = [value for value in map(float, values) if np.isfinite(value)]
        spread = np.quantile(known, (0, 0.5, 1)) if known else [np.nan] * 3
        names = dict(zip(("least", "middle", "most"), map(float, spread), strict=True))
        lines.append({"": title} | names | {"cases": len(known)})
    axes = Counter(row["orientation"] for row in read)
    free = sum(row["tumours"] == 0 for row in read)
    text = [table(lines), "", "axes     " + ", ".join(f"{a} {n}" for a, n in axes.most_common())]
    hu = np.array([row["hu"] for row in read if np.isfinite(row["hu"]).all()])
    if hu.size:
        low, middle, high = np.median(hu, axis=0)
        text.append(f"liver    {low:.0f} to {high:.0f} HU, {middle:.0f} in the middle (medians)")
    text += [f"tumours  none in {free} of {len(read)} cases", "", *suspicion_lines(rows)]
    return "\n".join(text)


def suspicion_lines(rows: Sequence[Mapping]) -> list[str]:
    """Every suspicion on a line; equal ones of several cases together."""
    by_text = defaultdict(list)
    for row in rows:
        for text in row["suspicions"]:
            by_text[text].append(row["name"])
    if not by_text:
        return ["nothing looks wrong"]
    return [f"? {_listed(names)}: {text}" for text, names in by_text.items()]


def _examine(case: Case) -> dict:
    try:
        scan, label = case.read()
        described = describe(case) if label is not None else _undescribed(case, scan)
    except LiverlibError as error:
        return {"name": case.name, "suspicions": [str(error)]}
    liver = scan.voxels[label.voxels >= 1] if label is not None else np.empty(0)
    thin = np.rint(scan.voxels[::2, ::2, ::2]).astype(np.int32)
    row = described | {
        "hu": tuple(np.percentile(liver, PERCENTILES)) if liver.size else (np.nan,) * 3,
        "range": (float(scan.voxels.min()), float(scan.voxels.max())),
        "digest": hashlib.blake2b(thin.tobytes()).hexdigest(),
    }
    about_label = _of_label(row, scan, label) if label is not None else []
    return row | {"suspicions": [*_of_scan(row, scan), *about_label, *_of_lits(row, scan)]}


def _undescribed(case: Case, scan: Volume) -> dict:
    unknown = dict.fromkeys(("liver_ml", "tumours", "tumour_ml", "burden"), np.nan)
    spacing = tuple(scan.grid.spacing.round(2).tolist())
    place = {"shape": scan.grid.shape, "spacing": spacing, "orientation": scan.grid.orientation}
    return {"name": case.name} | place | unknown


def _of_scan(row: Mapping, scan: Volume) -> Iterator[str]:
    if not scan.grid.spacing_known:
        yield "its spacing is not to be believed (an identity affine): no mm, no ml"
    elif not (scan.grid.spacing.min() >= 0.3 and scan.grid.spacing.max() <= 8):
        yield "its spacing is unusual: below 0.3 or above 8 mm"
    if len(set(row["shape"])) == 1:
        yield "as many voxels along every axis: resized? Scores on it compare with nobody's"
    low, high = row["range"]
    if low > -500:
        yield "no air, nothing below -500 HU: cropped, rescaled, or not in Hounsfield units?"
    if low < -3100 or high > 4100:
        yield "values below -3100 or above 4100 HU: padding, metal, or a wrong slope"


def _of_label(row: Mapping, scan: Volume, label: Volume) -> Iterator[str]:
    liver = np.argwhere(label.voxels[::2, ::2] >= 1)
    if not liver.size:
        yield "its label holds no liver"
        return
    if not LIVER_HU[0] <= row["hu"][1] <= LIVER_HU[1]:
        yield f"the liver's median is not {LIVER_HU[0]} to {LIVER_HU[1]} HU: rescaled?"
    if np.isfinite(row["liver_ml"]) and not LIVER_ML[0] <= row["liver_ml"] <= LIVER_ML[1]:
        yield f"the liver is not {LIVER_ML[0]} to {LIVER_ML[1]} ml"
    if liver[:, 2].min() == 0 or liver[:, 2].max() == row["shape"][2] - 1:
        yield "the liver reaches the first or last slice: cut off"
    body = np.argwhere(scan.voxels[::4, ::4, ::4] > -300)
    if body.size and 2 * liver[:, 0].mean() < 4 * body[:, 0].mean() - 0.02 * row["shape"][0]:
        yield "the liver lies on the patient's left: mirrored?"


def _of_lits(row: Mapping, scan: Volume) -> Iterator[str]:
    if (number := lits.number(row["name"])) is None:
        return
    if lits.tumour_free(row["name"]) and row["tumours"] > 0:
        yield "LiTS has no tumour here, this label has: another labelling, or another case?"
    if not lits.tumour_free(row["name"]) and row["tumours"] == 0:
        yield "LiTS has tumours here, this label has none: another labelling, or another case?"
    if number in lits.FALSE_IDENTITY and scan.grid.spacing_known:
        yield "LiTS has a false identity affine here, this file another: corrected, or resampled?"


def _across(cases: Sequence[Case], rows: Sequence[Mapping]) -> Iterator[list[str]]:
    """Suspicions that only show where cases are compared."""
    alike, people = defaultdict(list), defaultdict(list)
    for case, row in zip(cases, rows, strict=True):
        alike[row.get("digest", case.name)].append(case.name)
        people[case.patient or case.name].append(case.name)
    for case, row in zip(cases, rows, strict=True):
        same = alike[row.get("digest", case.name)]
        person = people[case.patient or case.name]
        yield [
            *([f"the same voxels in {_listed(same)}"] if len(same) > 1 else []),
            *([f"the same patient in {_listed(person)}: kept on one side"] if person[1:] else []),
        ]


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def describe(case: Case) -> dict:
    """One row of a table of cases: shape, spacing, orientation, liver and tumours.

    Lesions are connected tumours; millilitres are NaN where the spacing is not to be believed.
    """
    from liverlib.core.arrays import components

    present([case])
    label = read_label(case.label)
    grid, liver = label.grid, int((label.voxels >= 1).sum())
    tumour = int((label.voxels == 2).sum())
    return {
        "name": case.name,
        "shape": grid.shape,
        "spacing": tuple(grid.spacing.round(2).tolist()),
        "orientation": grid.orientation,
        "liver_ml": liver * grid.voxel_ml,
        "tumours": components(label.voxels == 2)[1],
        "tumour_ml": tumour * grid.voxel_ml,
        "burden": tumour / liver if liver else float("nan"),
    }
