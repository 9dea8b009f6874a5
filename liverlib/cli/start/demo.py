"""``liverlib demo``."""

import argparse
import os
import sys
import webbrowser
from functools import partial

from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.pipeline.paths import results

from .. import outputs
from ..options import short

PHANTOM = 7  # the case that `demo` makes: its tumour is found, which others' are not


def add_demo(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("--no-browser", action="store_true", help="only say where the report is")
    outputs.add_overwrite(parser)


def demo(options: argparse.Namespace) -> None:
    """A first result: one synthetic CT, segmented, and its report in the browser."""
    from liverlib.evaluation.lesion_table import measure_lesions  # torch, when it is needed
    from liverlib.evaluation.overlap import dice
    from liverlib.inference.segmenter import Segmenter
    from liverlib.io.formats.masks import write_mask
    from liverlib.io.nifti import write_volume
    from liverlib.synthesis.phantom.phantom import make_phantom
    from liverlib.view.report.scan_report import write_scan_report

    folder = results("demo")
    path = folder / "mask.nii.gz"
    if refusal := outputs.refusal(path, options.overwrite):  # it was corrected by hand
        raise LiverlibError(refusal)
    scan, label = make_phantom(PHANTOM)
    prediction = Segmenter.load().predict(scan)
    mask = prediction.mask
    for name, volume in {"scan": scan, "reference": label}.items():
        write_volume(folder / f"{name}.nii.gz", volume)
    write_mask(path, mask, partial(outputs.mask_note, "demo"))
    page, *_ = write_scan_report(folder, scan, mask, measure_lesions(scan, prediction))
    liver, tumour = (dice(label.voxels >= least, mask.voxels >= least) for least in (1, 2))
    print(f"Dice of this phantom: {liver:.3f} liver, {tumour:.3f} tumour. Others' may be lower.")
    print("next      liverlib segment scan.nii.gz -o mask.nii.gz --report report")
    print(NOT_MEDICAL)
    if not options.no_browser and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    print(f"report    {short(page)}")


def _has_screen() -> bool:
    """Whether a browser gets a window; in a terminal alone a browser of text would take it."""
    windows = not sys.platform.startswith("linux")
    return windows or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
