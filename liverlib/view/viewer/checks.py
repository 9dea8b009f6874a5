"""What can be shown: finite scans, classes that are known, all on one grid."""

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Volume, check_grid


def check_volumes(scan: Volume, label: Volume | None, mask: Volume | None) -> None:
    """Raises `LiverlibError` for what cannot be shown: NaN, other grids, unknown classes."""
    if not np.isfinite(scan.voxels).all():
        raise LiverlibError(f"{scan.name}: holds NaN or infinite voxels. Replace them by -1024.")
    for name, volume in (("label", label), ("mask", mask)):
        if volume is None:
            continue
        check_grid(volume, scan, f"{name} {volume.name}")
        classes = volume.voxels
        unknown = classes[(classes != 0) & (classes != 1) & (classes != 2)]
        if unknown.size:
            raise LiverlibError(
                f"{name} {volume.name}: holds {np.unique(unknown)[:5].tolist()}; expected "
                "0 background, 1 liver, 2 tumour. Rename them: read_label(…, classes=…)."
            )


def check_second(scan: Volume, second: Volume) -> None:
    """Raises `LiverlibError` for a second scan that holds NaN or lies on another grid."""
    check_volumes(second, None, None)
    if not second.grid.matches(scan.grid):
        raise LiverlibError(
            f"second {second.name}: lies on another grid than the scan {scan.name}. Resample it "
            "onto the scan first."
        )
