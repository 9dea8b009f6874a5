"""Does a finer ROI stage, or the fine stage, find more small lesions, and what does that cost?

Phantoms of 384 pixels, about a millimetre each, hold tumours of 5 to 10 mm. The ROI stage's cube
gets more voxels along each edge, with the weights as they are: the network is fully convolutional.
The fine stage is a network of its own, that learned from patches of cubes of 256.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report

from liverlib.core.parallel import in_processes
from liverlib.evaluation.lesion_matching import match_lesions
from liverlib.evaluation.overlap import dice
from liverlib.inference.segmenter import Segmenter
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cube import to_cube
from liverlib.synthesis.phantom.phantom import PhantomKind, PhantomSettings, make_phantom_of

SIZES = (128, 160, 192, 256)
SMALL = PhantomKind(tumour_mm=(5, 10), slice_mm=1.25)
SETTINGS = PhantomSettings(seed=99, size=384, tumour_free=0.0)
LEAST_IOU = 0.1


@dataclass(frozen=True)
class Result:
    """One phantom, segmented with one size of the ROI stage's cube."""

    shown: float  # tumour Dice of the label, brought to the cube and back
    tumour: float  # tumour Dice
    found: int
    missed: int
    false: int
    seconds: float  # of all stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="?", default=PRETRAINED)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="of the ROI's cube")
    options = parser.parse_args()
    segmenter = Segmenter.load(options.weights)
    segmenters = {f"{size}": with_size(segmenter, size) for size in options.sizes}
    segmenters["128, and the fine stage"] = replace(segmenter, contrasts=())
    segmenters["128, changed contrasts and the fine stage"] = segmenter
    results: dict[str, list[Result]] = {name: [] for name in segmenters}
    calls = [(SMALL, n, SETTINGS) for n in range(options.cases)]
    with Report(__file__) as report:
        for scan, label, _ in in_processes(make_phantom_of, calls, title="phantoms"):
            for name, each in results.items():
                each.append(segmented(segmenters[name], scan, label))
        report.text(
            f"{options.cases} phantoms. Found: at an IoU above {LEAST_IOU}. Shown: the tumour Dice "
            "of the label itself, brought to the cube and back. Seconds: of all stages, median."
        )
        report.table([row(name, each) for name, each in results.items()])


def with_size(segmenter: Segmenter, size: int) -> Segmenter:
    """Two stages, with so many voxels along each edge of the ROI stage's cube."""
    cube = replace(segmenter.roi.cube, size=size)
    roi = replace(segmenter.roi, cube=cube)
    return replace(segmenter, roi=roi, fine=None, contrasts=())


def segmented(segmenter: Segmenter, scan: Volume, label: Volume) -> Result:
    """The result of a segmenter on a phantom."""
    start = time.perf_counter()
    mask = segmenter.predict(scan).mask.voxels == 2
    seconds = time.perf_counter() - start
    cube = to_cube(scan, label, segmenter.roi.cube)
    shown = cube.to_grid(cube.soft_labels.astype(np.float32) / 255) == 2
    reference = label.voxels == 2
    counts = match_lesions(reference, mask).counts(LEAST_IOU)
    return Result(
        dice(reference, shown), dice(reference, mask), counts.tp, counts.fn, counts.fp, seconds
    )


def row(name: str, results: Sequence[Result]) -> dict[str, str]:
    """A row of the table."""
    found, missed, false = (
        sum(getattr(result, name) for result in results) for name in ("found", "missed", "false")
    )
    return {
        "voxels along an edge": name,
        "shown": f"{np.mean([result.shown for result in results]):.3f}",
        "tumour Dice": f"{np.mean([result.tumour for result in results]):.3f}",
        "found": f"{found} of {found + missed}",
        "false": f"{false}",
        "seconds": f"{np.median([result.seconds for result in results]):.1f}",
    }


if __name__ == "__main__":
    main()
