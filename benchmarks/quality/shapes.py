"""Livers and gallbladders of the label maps beside those of people, percentile by percentile.

The people: 111 livers of LiTS and 3D-IRCADb-01, measured on the masks that readers drew (Bilic et
al., Medical Image Analysis 84, 2023; Soler et al., IRCAD 2010); left lobes in the 19 of IRCADb,
gallbladders in five of these. Resected livers are left out of ours; deformation comes on top.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.ndimage import binary_dilation, distance_transform_edt

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report

from liverlib.core.arrays import content_box
from liverlib.pipeline.paths import data_folder
from liverlib.synthesis.label_maps import ORGANS, LabelMapSettings, write_label_maps

PERCENTILES = (5, 25, 50, 75, 95)
PEOPLE = {  # in PERCENTILES
    "liver, ml": (1172, 1393, 1604, 1863, 2250),
    "left to right, mm": (177, 195, 209, 226, 257),
    "front to back, mm": (143, 165, 187, 201, 222),
    "head to feet, mm": (138, 151, 164, 182, 204),
    "volume / box of its extents": (0.20, 0.24, 0.25, 0.28, 0.31),
    "reaches left of the spine's middle, mm": (41, 54, 65, 71, 117),
    "volume left of the spine's middle, %": (3.8, 5.6, 11.1, 12.1, 17.4),
    "reaches right of the spine's middle, mm": (124, 130, 137, 144, 156),
    "gallbladder, ml": (10.4, 10.7, 21.6, 25.2, 40.8),
    "gallbladder's surface within 3 mm of liver": (0.19, 0.40, 0.51, 0.51, 0.65),
}
SMALLEST_ML, NEAR_MM = 700, 3.0  # what is smaller was resected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=60)
    options = parser.parse_args()
    settings = LabelMapSettings(count=options.maps)
    paths = write_label_maps(data_folder() / "label_maps", settings)
    livers = [measures(load_file(path), settings.spacing) for path in paths]
    livers = [liver for liver in livers if liver["liver, ml"] > SMALLEST_ML]
    with Report(__file__) as report:
        report.text(f"{len(livers)} label maps. In each cell: people, label maps.")
        report.columns("", *(f"{percent} %" for percent in PERCENTILES))
        for name, people in PEOPLE.items():
            values = [liver[name] for liver in livers if name in liver]
            cells = zip(people, np.percentile(values, PERCENTILES), strict=True)
            digits = 2 if people[-1] < 1 else 0 if people[0] > 20 else 1
            report.row(name, *(f"{a}, {b:.{digits}f}" for a, b in cells))


def measures(label_map: dict[str, np.ndarray], spacing: float) -> dict[str, float]:
    """The measures of one label map, by the names in `PEOPLE`; no gallbladder, none of these."""
    hu, _, is_liver, organ = label_map["table"].T
    tissue = label_map["tissue"]
    liver, voxel_ml = is_liver[tissue] > 0, spacing**3 / 1000
    box = content_box(liver)
    extent = np.array([side.stop - side.start for side in box]) * spacing
    columns = np.arange(len(tissue)) * spacing - _spine(hu[tissue] * (organ < 0)[tissue]) * spacing
    inside = np.repeat(columns, liver.sum((1, 2)))
    found = {
        "liver, ml": liver.sum() * voxel_ml,
        **dict(zip(list(PEOPLE)[1:4], extent, strict=True)),
        "volume / box of its extents": liver.sum() * spacing**3 / extent.prod(),
        "reaches left of the spine's middle, mm": -inside[0],
        "volume left of the spine's middle, %": 100 * (inside < 0).mean(),
        "reaches right of the spine's middle, mm": inside[-1],
    }
    bile = (organ == ORGANS.index("bile"))[tissue]
    if bile.any():
        found["gallbladder, ml"] = bile.sum() * voxel_ml
        near = tuple(slice(max(s.start - 6, 0), s.stop + 6) for s in content_box(bile))
        distance = distance_transform_edt(~liver[near], sampling=spacing)
        shell = binary_dilation(bile[near]) & ~bile[near]
        found["gallbladder's surface within 3 mm of liver"] = (distance[shell] <= NEAR_MM).mean()
    return found


def _spine(hu: np.ndarray) -> float:
    """The column of the spine's middle: the median of the bone in the middle third."""
    bone = hu[:, : hu.shape[1] // 2] > 80
    third = len(hu) // 3
    return third + float(np.median(np.nonzero(bone[third : 2 * third])[0]))


if __name__ == "__main__":
    main()
