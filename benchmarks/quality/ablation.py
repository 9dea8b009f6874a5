"""Dice that each kind of synthetic variation brings: short trainings, each without one kind.

The ROI stage is trained, which decides what is liver and what tumour; the coarse stage is that of
the pretrained weights. With `--init` the trainings go on from weights, and the table says what is
lost where a kind is no longer seen. Scored are the test phantoms of `make run`; hard phantoms, in
which other organs have the liver's HU, as they are and with a dark band; and labelled real scans,
where there are any. `--trained NAME WEIGHTS …` scores ready weights, and their coarse stage alone.
The real scans choose no weights.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report
from scans import Pair, hard_phantoms, named, read_pair, with_dark_band
from scores import Score, last_state, score, summed

from liverlib.core.parallel import in_processes
from liverlib.inference.segmenter import Segmenter, Stage
from liverlib.pipeline import inputs
from liverlib.pipeline.presets import default_settings
from liverlib.pipeline.run import Run
from liverlib.synthesis import contrast, deformation, generator
from liverlib.synthesis.lesion_kinds import LesionKind
from liverlib.training.settings import ROI_DEFAULTS

Change = tuple[object, str, object]  # what takes the place of a function, or of a value
Groups = dict[str, list[Pair]]
ALL_ALIKE = LesionKind(contrast=-28, edge=2.5, fine=5)
WITHOUT: dict[str, list[Change]] = {
    "nothing": [],
    "other contrasts": [
        (contrast, "randomise_contrast", lambda *_: None),
        (contrast, "PHASE_ODDS", (0, 0, 1, 0)),
    ],
    "hard negatives": [
        (contrast, "hard_negatives", lambda *_: None),
        (generator, "hard_negatives_in_fat", lambda *_: []),
        (generator, "add_cysts", lambda *_: None),
        (generator, "add_perfusion_patches", lambda *_: None),
        (generator, "add_gallbladder", lambda *_: None),
    ],
    "deformation": [(deformation, "displacement_field", lambda _: torch.zeros(1, 3, 16, 16, 16))],
    "artefacts and noise": [
        (generator, "add_artefacts", lambda image, *_: image),
        (generator, "breathe", lambda *_: None),
    ],
    "kinds of tumours": [(LesionKind, "sample", lambda *_: ALL_ALIKE)],
    "232 of 240 label maps": [],
}


def main() -> None:
    options = arguments()
    runs = {kind: settings_without(kind, options) for kind in options.only}
    for _ in in_processes(train, list(runs.items()), None, "rows"):
        pass
    with Report(__file__) as report:
        start = f" from {options.init} on" if options.init else ""
        report.text(f"{options.steps} steps of the ROI stage{start}, where no weights are named.")
        report.text("Liver Dice, tumour Dice, ml of false tumour in a liver without any.")
        groups = scored_groups(options.pair)
        report.columns("", *groups)
        for name, segmenter in segmenters(runs, options.trained):
            report.row(name, *(text(segmenter, pairs) for pairs in groups.values()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--init", default="", help="weights to go on from: a file, or pretrained")
    parser.add_argument("--learning-rate", type=float, default=ROI_DEFAULTS.learning_rate)
    parser.add_argument("--only", nargs="*", choices=WITHOUT, default=list(WITHOUT))
    parser.add_argument("--trained", nargs="+", action="append", default=[], metavar="NAME WEIGHTS")
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[])
    return parser.parse_args()


def settings_without(kind: str, options: argparse.Namespace) -> Run:
    """The training without one kind of variation: the demo's, on synthetic scans as they are."""
    demo, synthesis = default_settings(), default_settings("pretrain").synthesis
    if "label maps" in kind:
        synthesis = replace(synthesis, count=8)
    steps, rate = max(1, options.steps // 2), options.learning_rate
    shorter = {"epochs": 2, "steps": steps, "learning_rate": rate}
    stage = replace(demo.roi, implants=0.0, augmented=False, **shorter)
    start = f"from {Path(options.init).stem} at {rate:g} " if options.init else ""
    name = f"ablation {options.steps} {start}without {kind}"
    return Run(replace(demo, synthesis=synthesis, roi=stage, init=options.init), name=name)


def train(kind: str, run: Run) -> None:
    """Trains an ROI stage without a kind of variation, where that is not done."""
    torch.set_num_threads(1)
    with changed(WITHOUT[kind]):
        run.train("roi")


@contextmanager
def changed(changes: list[Change]) -> Iterator[None]:
    """A block in which some functions are replaced."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(inputs, "MAX_WORKERS", 1))  # others would not see it
        for change in changes:
            stack.enter_context(patch.object(*change))
        yield


def scored_groups(pairs: list[list[Path]]) -> Groups:
    """The scans to score on, by kind; the user's own by name."""
    hard = [case.read() for case in hard_phantoms()]
    return {
        "phantoms": [case.read() for case in Run().parts["test"]],
        "hard": hard,
        "with a dark band": [with_dark_band(*pair) for pair in hard],
        **{name: [read_pair(*pair)] for name, pair in named(pairs).items()},
    }


def segmenters(runs: dict[str, Run], trained: list[list[str]]) -> Iterator[tuple[str, Segmenter]]:
    """The rows of the table: ready weights, with and without their ROI stage; the trainings."""
    for name, *weights in trained:
        loaded = Segmenter.load(*weights)
        yield f"{name}, coarse stage", Segmenter(loaded.coarse)
        yield name, loaded
    pretrained = Segmenter.load()
    for kind, run in runs.items():
        network, _ = last_state(run.folder / "roi")
        name = "everything" if kind == "nothing" else f"without {kind}"
        yield name, replace(pretrained, roi=Stage([network], run.cube("roi")))


def text(segmenter: Segmenter, pairs: list[Pair]) -> str:
    """A cell of the table: Dices, and false tumour, as far as they are known."""
    scores: list[Score] = [score(label, segmenter.predict(scan).mask) for scan, label in pairs]
    total = summed(scores)
    values = [f"{total[key]:.3f}" for key in ("liver", "tumour") if total[key] == total[key]]
    if total["false_ml"] == total["false_ml"]:
        values.append(f"{total['false_ml']:.0f} ml")
    return ", ".join(values)


if __name__ == "__main__":
    main()
