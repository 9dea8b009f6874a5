"""Which wrong inputs are noticed, and whether the cause is named; and how often sound ones are not.

The kinds are those of tests/support/wrong_inputs.py, made from phantoms and, with `--scans`, from
scans of the user's own; where these have no label, the program's own mask tells where the liver is.
Sound are the kinds of phantoms that `calibrate.py` chooses by, and parts of livers. Where phantoms
are worsened on purpose, as in `quality.py`, a doubt may be right: so their true Dice is told.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
import numpy as np
from quality import phantom
from report import Report
from scans import KINDS as OF_PATIENTS
from scans import Pair
from wrong_inputs import KINDS

from liverlib.core.parallel import in_processes
from liverlib.core.verdict import AS_EXPECTED, NOT_TO_BE_USED, Quality
from liverlib.evaluation.overlap import dice
from liverlib.inference.segmenter import Segmenter
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom, make_phantom_of

SOUND = ("usual", "hard", "with a dark band", "between arms", "noisy", "cropped", *OF_PATIENTS)
WORSENED = ("very noisy", "blurred", "shifted", "streaks")
SETTINGS = PhantomSettings(seed=4048, size=128)
Judged = tuple[str, str, Quality]  # the scan, the kind, what is said of it


def main() -> None:
    options = arguments()
    sources: list[Path | int] = [*options.scans, *range(options.phantoms)]
    calls = [(options.weights, source) for source in sources]
    judged = [
        item for items in in_processes(spoil_all, calls, options.workers, "wrong") for item in items
    ]
    sound, worse = (
        list(in_processes(examine, of_kinds(options, kinds, count), options.workers, title))
        for title, kinds, count in (
            ("sound", SOUND, options.sound),
            ("worsened", WORSENED, options.worsened),
        )
    )
    with Report(__file__) as report:
        wrong = [item for item in judged if item[1]]
        report.text("Wrong inputs: noticed is what is not called as expected.")
        report.table(
            [row(kind, [item for item in wrong if item[1] == kind]) for kind in KINDS]
            + [row("all", wrong)]
        )
        report.text("The scans as they are:")
        report.table([as_it_is(name, quality) for name, kind, quality in judged if not kind])
        alarms = [item for item in sound if item[2].verdict != AS_EXPECTED]
        report.text(
            f"Sound phantoms that are not called as expected: {len(alarms)} of {len(sound)}."
        )
        if alarms:
            report.table([as_it_is(kind, quality, value) for _, kind, quality, value in alarms])
        report.text("Phantoms worsened on purpose:")
        report.table(
            [of_verdict(name, worse) for name in sorted({q.verdict for *_, q, _ in worse})]
        )


def of_kinds(
    options: argparse.Namespace, kinds: Sequence[str], count: int
) -> list[tuple[Path, str, int]]:
    return [(options.weights, kinds[n % len(kinds)], 1000 + n) for n in range(count)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=Path, nargs="*", default=[], help="sound liver CTs")
    parser.add_argument("--phantoms", type=int, default=8, help="that are spoilt")
    parser.add_argument("--sound", type=int, default=200, help="sound phantoms")
    parser.add_argument("--worsened", type=int, default=40, help="phantoms worsened on purpose")
    parser.add_argument("--weights", type=Path, default=PRETRAINED)
    parser.add_argument("--workers", type=int, help="processes (default: one a processor)")
    return parser.parse_args()


def spoil_all(weights: Path, source: Path | int) -> list[Judged]:
    """What is said of a scan as it is, and spoilt in every way."""
    segmenter = Segmenter.load(weights)
    if isinstance(source, int):
        scan, label = make_phantom(source, SETTINGS)
        liver, name = label.voxels, scan.name
    else:
        scan, name = read_scan(source), f"{source.resolve().parent.name}/{source.name}"
        liver = segmenter.predict(scan).mask.voxels
    return [(name, kind, segmenter.predict(each).quality) for kind, each in spoilt(scan, liver)]


def spoilt(scan: Volume, liver: np.ndarray) -> Iterator[tuple[str, Volume]]:
    yield "", scan
    for kind, how in KINDS.items():
        if (changed := how.spoil(scan, liver)) is not None:
            yield kind, changed


def examine(weights: Path, kind: str, n: int) -> tuple[str, str, Quality, float]:
    """What is said of a phantom, and the liver's true Dice."""
    scan, label = of_kind(kind, n)
    prediction = Segmenter.load(weights).predict(scan)
    value = dice(label.voxels > 0, prediction.mask.voxels > 0)
    return scan.name, kind, prediction.quality, value


def of_kind(kind: str, n: int) -> Pair:
    """The nth phantom of a kind."""
    if kind in OF_PATIENTS:
        scan, label, _ = make_phantom_of(OF_PATIENTS[kind], n, SETTINGS)
        return scan, label
    return phantom(kind, n)


def row(kind: str, items: Sequence[Judged]) -> dict[str, str]:
    """How many of a kind are noticed, named rightly, and refused."""
    noticed = [item for item in items if item[2].verdict != AS_EXPECTED]
    right = [item for item in noticed if causes(item[2]) & set(KINDS[item[1]].causes)]
    refused = [item for item in items if item[2].verdict == NOT_TO_BE_USED]
    missed = ", ".join(name for name, *_ in items if name not in {item[0] for item in noticed})
    return {
        "kind": kind,
        "noticed": f"{len(noticed)} of {len(items)}",
        "cause right": f"{len(right)} of {len(noticed)}",
        "not to be used": str(len(refused)),
        "missed": missed if kind != "all" else "",
    }


def causes(quality: Quality) -> set[str]:
    return {reason.cause for reason in quality.reasons if reason.verdict != AS_EXPECTED}


def as_it_is(name: str, quality: Quality, true: float | None = None) -> dict[str, str]:
    known = {} if true is None else {"true liver Dice": f"{true:.2f}"}
    reasons = " ".join(quality.details)
    return {"scan": name, **known, "said": quality.headline, "reasons": reasons}


def of_verdict(verdict: str, items: Sequence[tuple]) -> dict[str, str]:
    values = [value for *_, quality, value in items if quality.verdict == verdict]
    each = f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
    return {"said": verdict, "phantoms": str(len(values)), "true liver Dice": each}


if __name__ == "__main__":
    main()
