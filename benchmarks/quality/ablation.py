"""What each kind of variation brings: short trainings on drawn windows, each without one kind.

`python benchmarks/ablation.py [--steps 1500] [--start WEIGHTS] [--rate 3e-3] [--only NAME …]
[--trained NAME WEIGHTS …] [--pair SCAN LABEL]`. The second look, which decides what is liver and
what tumour, is trained, as many at a time as there are processors; the liver is found for all of
them by the first look of liverlib's own weights. With `--start` they do not begin at random, but go
on from weights, and the table says what is lost where a kind is no longer seen. Scored are the test
phantoms of `make run`; hard phantoms, in which other organs have the liver's HU, as they are and
shaded by a dark band; and labelled real scans, where there are any. `--trained` scores weights that
are there already, and their first look alone. No weights are chosen by the real scans; how readily
the shipped ones call a tumour was chosen on these hard phantoms, among others (`calibrate.py`).
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from real import named
from safetensors.torch import load_file

from liverlib.core.device import best_device
from liverlib.core.parallel import in_processes
from liverlib.core.settings import digest
from liverlib.core.text import table
from liverlib.data.cases import Case, find_cases, labelled
from liverlib.evaluation.case import CaseScore, score_case
from liverlib.evaluation.summary import summarise
from liverlib.inference.segmenter import Stage, Segmenter
from liverlib.io.nifti import read_label
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.pipeline.paths import home
from liverlib.pipeline.presets import PRESETS, RunSettings
from liverlib.pipeline.run import Run
from liverlib.synthesis import deformation, generator
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.lesions import Kind
from liverlib.synthesis.phantom import body
from liverlib.synthesis.phantom.phantom import PhantomSettings, write_dataset
from liverlib.training.settings import ROI_DEFAULTS

HARD = PhantomSettings(cases=12, unlabelled=0, seed=77, size=192, tumour_free=0.4)
ALIKE = ("muscle", "spleen", "gut", "heart", "cava", "pancreas")  # get the liver's HU there

Change = tuple[object, str, Callable]
ALL_ALIKE = Kind(
    contrast=-28, edge=2.5, fine=5, coarse=0, rim=0, width=1, dead=None, chalk=0, lobes=0, bulge=0
)
WITHOUT: dict[str, list[Change]] = {  # what takes the place of a function
    "": [],
    "other contrasts": [(generator, "other_contrast", lambda *_: None)],
    "look-alikes": [
        (generator, "look_alikes", lambda *_: None),
        (generator, "draw_cysts", lambda *_: None),
        (generator, "draw_patches", lambda *_: None),
        (generator, "draw_gallbladder", lambda *_: None),
        (SyntheticScans, "_stuffing", lambda *_: []),
    ],
    "bending": [(deformation, "_field", lambda random: torch.zeros(1, 3, 16, 16, 16))],
    "the scanner": [
        (generator, "scanned", lambda image, *_: image),
        (generator, "breathe", lambda *_: None),
    ],
    "kinds of tumours": [(Kind, "any", lambda *_: ALL_ALIKE)],
    "232 of 240 anatomies": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--start", default="", help="weights to go on from: a file, or shipped")
    parser.add_argument("--rate", type=float, default=ROI_DEFAULTS.learning_rate)
    parser.add_argument("--only", nargs="*", choices=WITHOUT, default=list(WITHOUT))
    parser.add_argument("--trained", nargs="+", action="append", default=[])
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[])
    options = parser.parse_args()
    shared = options.steps, options.rate, options.start
    runs = {kind: run(kind, *shared) for kind in options.only}
    for _ in in_processes(train, list(runs.items()), None, "rows"):
        pass
    rows = []
    for name, *weights in options.trained:
        looks = Segmenter.load(*weights)
        rows += [(f"{name}, first look", Segmenter(looks.body)), (name, looks)]
    first = Segmenter.load(PRETRAINED)
    for kind, trained in runs.items():
        name = f"without {kind}" if kind else "everything"
        rows.append((name, replace(first, liver=second_look(trained))))
    groups = {
        "phantoms": [case.read() for case in Run().parts["test"]],
        "hard": (hard := [case.read() for case in hard_phantoms()]),
        "shaded": [shaded(*pair) for pair in hard],
        **{name: [pair_of(*pair)] for name, pair in named(options.pair).items()},
    }
    begun = f" from {options.start} at {options.rate:g}" if options.start else ""
    print(f"{options.steps} steps of the second look{begun}, where no weights are named\n")
    print(table([scored(*row, groups) for row in rows]))


def run(kind: str, steps: int, rate: float, start: str) -> Run:
    """The training without one kind of variation: that of the demo, on drawn scans as they are."""
    body = PRESETS["shipped"].anatomy
    if "anatomies" in kind:
        body = replace(body, count=8)
    shorter = {"epochs": 2, "steps": max(1, steps // 2), "learning_rate": rate}
    look = replace(ROI_DEFAULTS, implants=0.0, augmented=False, **shorter)
    begun = f"on from {Path(start).stem} at {rate:g} " if start else ""
    name = f"ablation {steps} {begun}without {kind or 'nothing'}"
    return Run(RunSettings(anatomy=body, liver=look, start=start), name=name)


def train(kind: str, run: Run) -> None:
    """Trains a second look without a kind of variation, where that is not done."""
    torch.set_num_threads(1)
    with changed(WITHOUT[kind]):
        run.train("liver")


def second_look(run: Run) -> Stage:
    """What that training ended with."""
    network, _ = last_state(run.folder / "liver")
    return Stage([network], run.cube("liver"))


def last_state(folder: Path) -> tuple[UNet3D, dict]:
    """The network that a training ended with, whatever its validation said, and what is said of it.

    A handful of phantoms is few to choose an epoch by; the rate has fallen to nothing by then.
    """
    ((network, about),) = load_networks(folder / "weights.safetensors")
    last, average = load_file(folder / "last.safetensors"), "average."
    mean = {k.removeprefix(average): v for k, v in last.items() if k.startswith(average)}
    network.load_state_dict(mean)
    return network.to(best_device()), about


@contextmanager
def changed(changes: list[Change]) -> Iterator[None]:
    """With other functions in the place of some."""
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(patch.object(*change))
        yield


def hard_phantoms() -> list[Case]:
    """Phantoms in which organs beside the liver, and the muscles, have its HU."""
    folder = home() / "data" / f"hard phantoms {digest(HARD, ALIKE)}" / "Task03_Liver"
    with patch.dict(body.HU, dict.fromkeys(ALIKE, body.HU["liver"])):
        write_dataset(folder, HARD, workers=1)  # in this process, where the patch holds
    return labelled(find_cases(folder))


def shaded(scan: Volume, label: Volume) -> tuple[Volume, Volume]:
    """The scan with a dark band through its liver from side to side: 15 HU deep, its edges soft."""
    middle = label.voxels.nonzero()[1].mean()
    apart = (np.arange(scan.voxels.shape[1]) - middle) * scan.grid.spacing[1]  # mm
    band = 15 * np.exp(-((apart / 20) ** 2))
    hu = np.rint(scan.voxels - band[:, None]).astype(scan.voxels.dtype)
    return replace(scan, voxels=hu), label


def pair_of(scan: Path, label: Path) -> tuple[Volume, Volume]:
    """A scan and its label, of any kind."""
    volume = read_scan(scan)
    return volume, read_label(label, like=volume)


def scored(name: str, segmenter: Segmenter, groups: dict) -> dict:
    """A row of the table: liver Dice, tumour Dice, and millilitres of false tumour a case."""
    row = {"": name}
    for group, pairs in groups.items():
        found = summarise([score(label, segmenter.segment(scan)) for scan, label in pairs])
        liver, tumour = f"{found.liver_dice.mean:.3f}", f"{found.tumour_dice.mean:.3f}"
        text = [liver, tumour] if found.tumour_dice.n else [liver]
        if found.tumour_free:
            text.append(f"{found.false_tumour_ml:.0f} ml")
        row[group] = ", ".join(text)
    return row


def score(label: Volume, mask: Volume) -> CaseScore:
    """One mask against its label."""
    return score_case(label.voxels, mask.voxels, label.grid.spacing)


if __name__ == "__main__":
    main()
