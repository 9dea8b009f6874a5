"""``liverlib run`` and ``liverlib train``."""

import argparse

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import find_dataset
from liverlib.evaluation.summary import Summary
from liverlib.pipeline.presets import STAGES
from liverlib.pipeline.run import Run

from .options import add_recipe, settings_of, short


def add_run(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """The whole way: cases, cubes, training, scores, report."""
    from liverlib.core.device import is_main  # torch is imported when it is needed

    run = _started(options)
    run.train_all()
    if not is_main():
        return  # of several processes the first one scores
    report = run.report()
    print("\n".join(score_lines(run, run.score())))
    print(f"report    {short(report)}")


def add_train(parser: argparse.ArgumentParser) -> None:
    """The arguments of `train`."""
    add_recipe(parser)
    parser.add_argument("--stage", choices=STAGES, help="only this one (default: one by one)")
    parser.add_argument("--tensorboard", action="store_true", help="each epoch for TensorBoard too")


def train(options: argparse.Namespace) -> None:
    """Only as far as the trained weights."""
    from liverlib.core.device import is_main
    from liverlib.training.history import to_tensorboard

    run = _started(options)
    if options.stage and options.stage not in run.stages:
        raise LiverlibError(f"--stage {options.stage}: --{options.stage}.epochs is 0. Set it too.")
    for stage in [options.stage] if options.stage else run.stages:
        on_epoch = to_tensorboard(run.folder / stage) if options.tensorboard else len
        history = run.train(stage, on_epoch)
    if not is_main():  # of several processes the first one writes
        return
    if not options.stage:
        history = run.train_all()
    weights = run.folder / (options.stage or "") / "weights.safetensors"
    print(f"{len(history)} epochs: {short(weights)}")


def score_lines(run: Run, summary: Summary) -> list[str]:
    """The main scores of a run and the seconds of its steps, as a table of plain text."""
    lines = ["", f"scored on {run.source}, on each scan's own grid", ""]
    lines.append(f"{'class':9} {'Dice':>6}  {'95 % interval':14} cases")
    for name in ("liver", "tumour"):
        dice = summary.measure(name, "Dice")
        if dice.n:
            interval = f"{dice.low:.3f} – {dice.high:.3f}"
            lines.append(f"{name:9} {dice.value:6.3f}  {interval:14} {dice.n:5}")
    false = summary.empty["tumour"].only_predicted
    lines += [f"tumour predicted in {false} of {summary.tumour_free} cases without any", ""]
    lines += [f"{step:9} {seconds:6.0f} s" for step, seconds in run.seconds.items()]
    return [*lines, "", f"results   {short(run.folder)}"]


def _started(options: argparse.Namespace) -> Run:
    """The run that the arguments describe; says what was found in a folder of the user's."""
    if options.data:
        print(find_dataset(options.data))
    return Run(settings_of(options), options.data, options.run)
