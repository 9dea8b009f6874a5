"""Scans with labels that several benchmarks share: large, hard, changed, or the user's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from liverlib.core.settings import digest
from liverlib.data.cases import Case, find_cases, labelled
from liverlib.io.nifti import read_label, volume_name
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume
from liverlib.pipeline.paths import data_folder
from liverlib.synthesis.phantom import body
from liverlib.synthesis.phantom.body import PHASES, LiverAnatomy
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import (
    PhantomKind,
    PhantomSettings,
    make_phantom,
    make_phantom_of,
)

HARD = PhantomSettings(cases=12, unlabelled=0, seed=77, size=192, tumour_free=0.4)
ALIKE = ("muscle", "spleen", "bowel_wall", "heart", "vena_cava", "pancreas")  # get the liver's HU
KINDS = {  # each with one thing that patients have and usual phantoms lack
    "arterial, bright tumours": PhantomKind(PHASES.index("arterial"), bright_tumours=True),
    "gallbladders": PhantomKind(liver=LiverAnatomy(gallbladder=True, hilum=True)),
    "left lobe to the spleen": PhantomKind(liver=LiverAnatomy(left_reach=60, caudate=20)),
    "large caudate lobe": PhantomKind(liver=LiverAnatomy(caudate=45)),
    "5 mm slices": PhantomKind(slice_mm=5),
    "no contrast medium": PhantomKind(PHASES.index("non-contrast")),
    "small tumours": PhantomKind(tumour_mm=(5, 10)),
}
OF_A_KIND = PhantomSettings(cases=12, unlabelled=0, seed=88, size=192, tumour_free=0.4)
NOISE = 20.0  # HU, the standard deviation in the noisy ones
DARKER, STREAKS = 35.0, 10.0  # HU, at most, between arms; and the streaks' standard deviation

Pair = tuple[Volume, Volume]  # a scan and its label
Triple = tuple[Volume, Volume, Volume]  # and the lumen of its gallbladder


def write_case(folder: Path, slices: int, kinds: Sequence[str] = (".nii.gz",)) -> list[Case]:
    """A phantom at 512×512 pixels with noise of its own, stored by nibabel in each format."""
    scan, label = make_phantom(3)
    random = np.random.default_rng(slices)
    shape = 512, 512, slices
    x, y, z = (np.arange(n) * m // n for n, m in zip(shape, scan.voxels.shape, strict=True))
    x, y = x[::-1], y[::-1]  # stored from left to right and from front to back, as DICOM is
    hu, classes = np.empty(shape, np.int16, order="F"), np.empty(shape, np.uint8, order="F")
    for n, source in enumerate(z):
        noise = 12 * random.standard_normal((512, 512), np.float32)
        hu[:, :, n] = scan.voxels[:, :, source][np.ix_(x, y)] + noise.astype(np.int16)
        classes[:, :, n] = label.voxels[:, :, source][np.ix_(x, y)]
    affine, cases = np.diag([-0.75, -0.75, 240 / slices, 1]), []
    for kind in kinds:
        case = Case(f"{slices}{kind}", *(folder / f"{name}-{slices}{kind}" for name in "sl"))
        nib.Nifti1Image(hu, affine).to_filename(case.image)
        nib.Nifti1Image(classes, affine).to_filename(case.label)
        cases.append(case)
    return cases


def hard_phantoms(settings: PhantomSettings = HARD) -> list[Case]:
    """Phantoms in which organs beside the liver, and the muscles, have its HU."""
    folder = data_folder() / f"hard phantoms {digest(settings, ALIKE)}" / "Task03_Liver"
    with patch.dict(body.TISSUE_HU, dict.fromkeys(ALIKE, body.TISSUE_HU["liver"])):
        write_phantoms(folder, settings, workers=1)  # in this process, where the patch holds
    return labelled(find_cases(folder))


def phantoms_of(kind: str, settings: PhantomSettings = OF_A_KIND) -> list[Triple]:
    """Phantoms of one of `KINDS`."""
    cases = range(settings.cases)
    return [make_phantom_of(KINDS[kind], index, settings) for index in cases]


def with_dark_band(scan: Volume, label: Volume) -> Pair:
    """The scan with a dark band through its liver from side to side: 15 HU deep, its edges soft."""
    middle = label.voxels.nonzero()[1].mean()
    distance = (np.arange(scan.voxels.shape[1]) - middle) * scan.grid.spacing[1]  # mm
    band = 15 * np.exp(-((distance / 20) ** 2))
    hu = np.rint(scan.voxels - band[:, None]).astype(scan.voxels.dtype)
    return replace(scan, voxels=hu), label


def between_arms(scan: Volume, label: Volume, seed: int) -> Pair:
    """The scan as if arms lay beside the liver's back: broadly darker there, streaked sideways."""
    back = np.percentile(label.voxels.nonzero()[1], 15)
    distance = (np.arange(scan.voxels.shape[1]) - back) * scan.grid.spacing[1]  # mm
    band = np.exp(-((distance / 45) ** 2))[:, None]
    lines = np.random.default_rng(seed).normal(0, 1, scan.voxels.shape[1:])  # alike along x
    lines = gaussian_filter(lines, [1.5 / mm for mm in scan.grid.spacing[1:]])
    return _with_hu(scan, scan.voxels + band * (STREAKS * lines / lines.std() - DARKER)), label


def noisy(scan: Volume, label: Volume, seed: int) -> Pair:
    """The scan with more noise."""
    noise = np.random.default_rng(seed).normal(0, NOISE, scan.voxels.shape)
    return _with_hu(scan, scan.voxels + noise), label


def _with_hu(scan: Volume, hu: np.ndarray) -> Volume:
    hu = np.clip(np.rint(hu), -1024, 3071).astype(scan.voxels.dtype)
    return replace(scan, voxels=hu)


def read_pair(scan: Path, label: Path) -> Pair:
    """A scan of any kind and its label."""
    volume = read_scan(scan)
    return volume, read_label(label, like=volume)


def named(pairs: Sequence[Sequence[Path]]) -> dict[str, Sequence[Path]]:
    """Scans and labels by the name of the scan's folder, and of its file where it holds several."""
    folders = [scan.parent.name for scan, _ in pairs]
    return {
        folder if folders.count(folder) == 1 else f"{folder}_{volume_name(pair[0])}": pair
        for folder, pair in zip(folders, pairs, strict=True)
    }
