"""Real scans beside synthetic ones, as the ROI stage sees them: grey values and noise in numbers.

For each scan: the percent of the liver's voxels, and of all voxels of the cube, in each 5 HU from
the liver's median, and the noise power spectrum in the liver (`liverlib.synthesis.appearance`).
Writes them to benchmarks/results/appearance.csv, which notebook 08 shows beside synthetic CT. The
table holds numbers alone: no voxel can be got back from it. The label names the liver.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import RESULTS, Report
from scans import named, read_pair

from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.appearance import Appearance, cube_appearance, write_appearances

CUBE = CubeSettings(crop="liver", window=ROI_WINDOW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", type=Path, nargs=2, action="append", required=True,
                        metavar=("SCAN", "LABEL"))  # fmt: skip
    parser.add_argument("--output", type=Path, default=RESULTS / "appearance.csv")
    options = parser.parse_args()
    measured = {}
    with Report(__file__) as report:
        report.columns("scan", "liver, standard deviation in HU", "lowest frequency, HU²",
                       "a quarter cycle a voxel, HU²", "highest, HU²")  # fmt: skip
        for name, pair in named(options.pair).items():
            measured[name] = measure(*pair)
            power = measured[name]["noise"][0]
            chosen = (f"{power[n]:.0f}" for n in (0, len(power) // 2 - 1, -1))
            spread = deviation(*measured[name]["liver"])
            report.row(name, f"{spread:.0f}", *chosen)
    write_appearances(options.output, measured)


def measure(scan: Path, label: Path) -> Appearance:
    """The appearance of the ROI stage's cube of a scan."""
    cube = to_cube(*read_pair(scan, label), CUBE)
    assert cube.soft_labels is not None
    return cube_appearance(cube.image, cube.soft_labels, ROI_WINDOW)


def deviation(percent: np.ndarray, middles: np.ndarray) -> float:
    """The standard deviation of a histogram."""
    mean = (percent * middles).sum() / percent.sum()
    return float(np.sqrt((percent * (middles - mean) ** 2).sum() / percent.sum()))


if __name__ == "__main__":
    main()
