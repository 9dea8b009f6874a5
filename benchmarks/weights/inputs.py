"""Which wrong inputs are noticed, and whether the cause is named; and how often sound ones are not.

The kinds are those of tests/support/wrong_inputs.py, made from phantoms and, with `--scans`, from
scans of the user's own; where these have no label, the program's own mask tells where the liver is.
Sound phantoms are usual and hard ones, changed as in `quality.py`.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
import numpy as np
from quality import KINDS as SOUND
from quality import phantom
from report import Report
from wrong_inputs import KINDS

from liverlib.core.parallel import in_processes
from liverlib.core.verdict import AS_EXPECTED, NOT_TO_BE_USED, Quality
from liverlib.inference.segmenter import Segmenter
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

WORSENED = ("mirrored", "upside down")  # of `quality.py`: these are wrong inputs
SETTINGS = PhantomSettings(seed=4048, size=128)
Judged = tuple[str, str, Quality]  # the scan, the kind, what is said of it


def main() -> None:
    options = arguments()
    sources: list[Path | int] = [*options.scans, *range(options.phantoms)]
    calls = [(options.weights, source) for source in sources]
    judged = [
        item for items in in_processes(spoil_all, calls, options.workers, "wrong") for item in items
    ]
    kinds = [kind for kind in SOUND if kind not in WORSENED]
    sound = [(options.weights, kinds[n % len(kinds)], 1000 + n) for n in range(options.sound)]
    passed = list(in_processes(examine_sound, sound, options.workers, "sound"))
    with Report(__file__) as report:
        wrong = [item for item in judged if item[1]]
        report.text("Wrong inputs: noticed is what is not called as expected.")
        report.table(
            [row(kind, [item for item in wrong if item[1] == kind]) for kind in KINDS]
            + [row("all", wrong)]
        )
        report.text("The scans as they are:")
        report.table([as_it_is(name, quality) for name, kind, quality in judged if not kind])
        alarms = [(kind, quality) for _, kind, quality in passed if quality.verdict != AS_EXPECTED]
        report.text(
            f"Sound phantoms that are not called as expected: {len(alarms)} of {len(passed)}."
        )
        if alarms:
            report.table([as_it_is(kind, quality) for kind, quality in alarms])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=Path, nargs="*", default=[], help="sound liver CTs")
    parser.add_argument("--phantoms", type=int, default=8, help="that are spoilt")
    parser.add_argument("--sound", type=int, default=200, help="sound phantoms")
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


def examine_sound(weights: Path, kind: str, n: int) -> Judged:
    """What is said of a sound phantom."""
    scan, _ = phantom(kind, n)
    return scan.name, kind, Segmenter.load(weights).predict(scan).quality


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


def as_it_is(name: str, quality: Quality) -> dict[str, str]:
    return {"scan": name, "said": quality.headline, "reasons": " ".join(quality.details)}


if __name__ == "__main__":
    main()
