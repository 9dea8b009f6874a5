"""Seconds of training to a liver Dice of 0.90 and a tumour Dice of 0.50, liverlib beside others.

All learn from the same cubes (the liver's own, as in the ROI stage) of the same cases, and are
applied to the same held-out cubes, whole; a voxel is liver or tumour from a probability of ½. Each
entrant has a fresh process, and its own recipe (entrants.py, peers.py). Imports, set-up and
validation are not counted. liverlib trains as long as its settings say. The others train at least
as long, then until both targets are reached or the cap: eight times (the original) or three times
(its peers) what liverlib took to reach both. Where their learning rates fall, they fall over that.
"""

import argparse
import csv
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import peak_gb
from report import BENCHMARKS, RESULTS, Report

TARGETS = {"liver": 0.90, "tumour": 0.50}
EVERY = 20  # seconds of training between validations; twice as long as the last one took, if longer
PEERS = {  # edge of what it learns from, in cubes of 128³; the package that it needs
    "original": (128, "torch"),
    "MONAI UNet": (96, "monai"),
    "MONAI DynUNet": (96, "monai"),
    "nnU-Net's PlainConvUNet": (128, "nnunetv2"),
    "nnU-Net's PlainConvUNet, 64³": (64, "nnunetv2"),
    "MONAI UNet, liverlib's recipe": (64, "monai"),
}
COLUMNS = ("entrant", "s to liver 0.90", "s to tumour 0.50", "× liverlib",
           "Dices at liverlib's end", "Dices at its own end", "s trained", "steps",
           "peak GB")  # fmt: skip
Curve = list[dict[str, float]]  # a point at each validation


def main() -> None:
    options = arguments()
    if options.learn:
        return learn(**json.loads(options.learn))
    if options.quick:
        options.cases, options.size, options.steps = 12, 64, options.steps or 40
    cubes = dict(zip(("train", "held_out"), make_cubes(options), strict=True))
    with Report(__file__, "monai", "dynamic-network-architectures", "nnunetv2") as report:
        learned, held_out = map(len, cubes.values())
        report.text(f"{learned} cubes of {options.size}³ to train on, {held_out} held out")
        report.columns(*COLUMNS)
        curves = compare(report, cubes, options)
    if options.keep:
        write_curves(RESULTS / "curves.csv", curves)
        draw(BENCHMARKS.parent / "docs" / "time_to_quality.png", curves)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(PEERS), help="some of the others")
    parser.add_argument("--cases", type=int, default=64, help="phantoms; a quarter is held out")
    parser.add_argument("--size", type=int, default=128, help="edge of the cubes")
    parser.add_argument("--steps", type=int, default=0, help="of liverlib; 0: as it is set")
    parser.add_argument("--quick", action="store_true", help="small and short: does it run?")
    parser.add_argument("--keep", action="store_true", help="curves.csv and the picture in docs/")
    parser.add_argument("--learn", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(report: Report, cubes: dict, options: argparse.Namespace) -> dict[str, Curve]:
    """The rows of the table; returns the curves."""
    own = fresh(name="liverlib", steps=options.steps, **cubes)
    whole = own[-1]["seconds"]
    target = max(reached(own, which) for which in TARGETS)
    target = whole if target == float("inf") else target
    curves = {"liverlib": own}
    report.row("liverlib", *values(own, target, whole))
    for name in [name for name in PEERS if name in options.only]:
        if not importlib.util.find_spec(PEERS[name][1]):
            report.row(name, "not installed", *[""] * (len(COLUMNS) - 2))
            continue
        cap = max(whole, 1.05 * target * (8 if name == "original" else 3))
        patch = PEERS[name][0] * options.size // 128
        curves[name] = fresh(name=name, patch=patch, least=whole, cap=cap, **cubes)
        report.row(name, *values(curves[name], target, whole))
    return curves


def make_cubes(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Files to train on, and those of cases held out: what a run would validate with and test."""
    from liverlib.pipeline.presets import RunSettings
    from liverlib.pipeline.run import Run

    settings = RunSettings()
    phantom = replace(settings.phantom, cases=options.cases, size=96 if options.quick else 256)
    settings = replace(settings, phantom=phantom, cube=replace(settings.cube, size=options.size))
    parts = {part: Run(settings).cubes(part, "roi") for part in ("train", "validation", "test")}
    names = {part: list(map(str, paths)) for part, paths in parts.items()}
    return names["train"], names["validation"] + names["test"]


def fresh(**task: object) -> Curve:
    """The curve that a fresh process of this script makes; each point is shown as it comes."""
    command = [sys.executable, "-W", "ignore", __file__, "--learn", json.dumps(task)]
    curve = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("{"):
                curve.append(json.loads(line))
                print(f"{task['name']}: {line.strip()}", file=sys.stderr, flush=True)
    if process.returncode or not curve:
        sys.exit(f"{task['name']}: stopped with {process.returncode}")
    return curve


def learn(
    name: str,
    train: Sequence[str],
    held_out: Sequence[str],
    steps: int = 0,
    patch: int = 0,
    least: float = 0.0,
    cap: float = 0.0,
) -> None:
    """In a process of its own: trains, and prints a point of the curve at each validation."""
    from entrants import entrant

    from liverlib.training.loop import validate
    from liverlib.training.settings import ROI_DEFAULTS

    training = entrant(name, train, patch, steps)
    steps = training.steps
    seconds = validated = took = 0.0
    for n in itertools.count():
        started = time.perf_counter()
        loss = training.step(n, n / steps if steps else seconds / cap)
        seconds += time.perf_counter() - started
        over = n + 1 == steps if steps else seconds >= cap
        if not over and seconds - validated < max(EVERY, 2 * took):
            continue
        started, validated = time.perf_counter(), seconds
        training.network.eval()
        row = validate(training.network, held_out, ROI_DEFAULTS)
        training.network.train(not training.averaged)
        took = time.perf_counter() - started
        dices = {which: row[f"validation_{which}_dice"] for which in TARGETS}
        point = {"seconds": seconds, "step": n + 1, "loss": loss, **dices, "gb": peak_gb()}
        print(json.dumps(point), flush=True)
        done = all(dices[which] >= target for which, target in TARGETS.items())
        if over or (done and not steps and seconds >= least):
            return


def reached(curve: Curve, which: str) -> float:
    """Seconds of training at the first validation that met a target."""
    met = (point["seconds"] for point in curve if point[which] >= TARGETS[which])
    return next(met, float("inf"))


def values(curve: Curve, target: float, whole: float) -> list[str]:
    """A row's values; `target` and `whole` are liverlib's seconds to both targets, and in all."""
    last = curve[-1]
    until = [point for point in curve if point["seconds"] <= 1.02 * whole] or curve[:1]

    def text(seconds: float, unit: float = 1.0, form: str = ".0f") -> str:
        late = seconds == float("inf")
        return f"{'> ' * late}{(last['seconds'] if late else seconds) / unit:{form}}"

    times = {which: reached(curve, which) for which in TARGETS}
    dices = [f"{point['liver']:.3f}, {point['tumour']:.3f}" for point in (until[-1], last)]
    return [
        text(times["liver"]), text(times["tumour"]), text(max(times.values()), target, ".1f"),
        *dices, f"{last['seconds']:.0f}", f"{last['step']}", f"{last['gb']:.1f}",
    ]  # fmt: skip


def write_curves(path: Path, curves: dict[str, Curve]) -> None:
    """Every validation of every entrant as a row."""
    rows = [{"entrant": name, **point} for name, curve in curves.items() for point in curve]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def draw(path: Path, curves: dict[str, Curve]) -> None:
    """Dice over seconds of training, liver and tumour side by side, with the targets."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharex=True, layout="constrained")
    for axis, (which, target) in zip(axes, TARGETS.items(), strict=True):
        for name, curve in curves.items():
            points = [(point["seconds"], point[which]) for point in curve]
            axis.plot(*zip(*points, strict=True), marker=".", label=name)
        axis.axhline(target, color="grey", linestyle=":")
        axis.set(xscale="log", xlabel="seconds of training", ylabel=f"{which}: Dice", ylim=(0, 1))
    axes[0].legend(fontsize="small", loc="lower left")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
