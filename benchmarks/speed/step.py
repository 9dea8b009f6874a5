"""One training step: seconds a volume and memory, liverlib's beside the original network's.

A step is the network forward, its loss, the gradients and the optimiser, on one whole cube. Each is
measured in a fresh process, whose peak memory is told. The original runs in float32, as it did.
Then liverlib's alone from 64³ to 160³.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import fresh, peak_gb, timed
from report import Report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="of the cube beside the original's")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 96, 128, 160])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="with torch.compile as well")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, size, repeats = options.measure
        return measure(name, int(size), int(repeats))
    with Report(__file__) as report:
        compare(report, options.size, options.repeats, options.compile)
        report.columns("liverlib", "s a volume", "µs a voxel", "peak GB")
        for size in options.sizes:
            seconds, gb = fresh(__file__, "--measure", "liverlib", size, options.repeats)
            voxel = f"{1e6 * seconds / size**3:.3f}"
            report.row(f"{size}³", f"{seconds:.2f}", voxel, f"{gb:.2f}")


def compare(report: Report, size: int, repeats: int, with_compile: bool) -> None:
    """The table beside the original."""
    slow, large = fresh(__file__, "--measure", "original", size, 2)
    report.columns(
        f"one step, {size}³", "s a volume", "of the original's", "peak GB", "of the original's"
    )
    report.row("original", f"{slow:.2f}", "", f"{large:.2f}", "")
    for name in ["liverlib"] + ["liverlib, compiled"] * with_compile:
        seconds, gb = fresh(__file__, "--measure", name, size, repeats)
        parts = f"1/{slow / seconds:.1f}", f"1/{large / gb:.1f}"
        report.row(name, f"{seconds:.2f}", parts[0], f"{gb:.2f}", parts[1])


def measure(name: str, size: int, repeats: int) -> None:
    """In a process of its own: prints the median seconds of a step, and the peak memory in GB."""
    import torch
    from peers import original

    from liverlib.training.settings import ROI_DEFAULTS
    from liverlib.training.trainer import Trainer

    image = torch.rand(1, 1, size, size, size)
    soft_labels = torch.rand(1, 2, size, size, size).sort(dim=1, descending=True).values
    if name == "original":
        recipe, classes = original(size), (soft_labels >= 0.5).sum(1, keepdim=True)
        del soft_labels
        steps = [lambda: recipe.update(image, classes)] * (repeats + 1)
    else:
        settings = replace(ROI_DEFAULTS, batch=1, patch_size=0, compile=name.endswith("compiled"))
        trainer = Trainer(settings, size)
        steps = [lambda: trainer.update(image, soft_labels, 1e-3, 50)] * (repeats + 1)
    seconds = [timed(step) for step in steps]
    print(json.dumps([float(np.median(seconds[1:])), peak_gb()]))


if __name__ == "__main__":
    main()
