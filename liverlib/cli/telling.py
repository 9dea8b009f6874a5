"""What `segment` says on screen: what it passes over, what failed, what masks are worth."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Quality
from liverlib.io.scan import passed_over, scan_name

from .options import short
from .outputs import Job


def tell_quality(name: str, quality: Quality) -> None:
    """Prints the verdict on a scan's mask, and the reasons below it."""
    tqdm.write("\n  ".join([f"{name}: {quality.headline}", *quality.details]))


def tell_qualities(qualities: Mapping[Path, Quality]) -> bool:
    """Lists what of several scans is not as expected; whether any mask is not to be used."""
    named = {
        verdict: [scan for scan, quality in qualities.items() if quality.verdict == verdict]
        for verdict in (LOOK_CLOSELY, NOT_TO_BE_USED)
    }
    for verdict, scans in named.items() if len(qualities) > 1 else ():
        if scans:
            print(f"{verdict}: {', '.join(scan_name(scan) for scan in scans)}", file=sys.stderr)
    return bool(named[NOT_TO_BE_USED])


def made_how(settings: object, tta: bool, series: str | None = None) -> str:
    """The settings of a mask, in words."""
    named = f"; series {series}" if series else ""
    return f"{settings}{'; averaged over shifts of the scan' if tta else ''}{named}"


def tell_failures(failures: Sequence[str], scans: int) -> None:
    """Names the scans that failed, of so many."""
    if failures:
        listed = "\n  ".join([f"{len(failures)} of {scans} scans have no new mask:", *failures])
        print(f"liverlib: {listed}", file=sys.stderr)


def tell_written(jobs: Sequence[Job], report: Path | None) -> None:
    """Names where the masks are, a folder for several, and the folder of reports."""
    masks = [job.mask for job in jobs if job.mask.exists()]
    if masks:
        written = [masks[0] if len(jobs) == 1 else masks[0].parent, report]
        print(f"results   {', '.join(str(short(path)) for path in written if path)}")


def tell_passed_over(
    folders: Sequence[Path], masks: Sequence[Path] = (), report: Path | None = None
) -> None:
    """Names what folders hold that looks like a scan and is not read; of outputs nothing."""
    written = {path.resolve() for path in (*masks, report) if path}
    for folder in folders:
        paths = [path for path in passed_over(folder) if path.resolve() not in written]
        if names := [path.name for path in paths]:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            print(f"{folder}: passed over {', '.join(names[:5])}{more}.")
            print("Name such folders too; convert other formats to NIfTI first.")
