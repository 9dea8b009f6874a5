"""The command ``liverlib``: a thin front door, with one argument for each field of the settings."""

import argparse
import dataclasses
import sys
import typing
from pathlib import Path

from liverlib import NOT_MEDICAL, LiverlibError, __version__
from liverlib.presets import RunSettings, default_settings
from liverlib.scan import read_label, read_scan, write_volume
from liverlib.workspace import LOOKS, Run, newest_weights

EXAMPLES = """\
examples:
  liverlib run                                   phantoms → cubes → training → scores → report
  liverlib run --data my_scans --run first       the same on a folder of your own labelled scans
  liverlib run --liver.epochs 30 --cube.size 96  any field of any stage's settings
  liverlib segment scan.nii.gz -o mask.nii.gz    with the weights of the latest run
  liverlib evaluate --reference labels --predicted masks -o scores
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns 0, or 2 after saying what the user can mend."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except LiverlibError as error:
        print(f"liverlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nliverlib: stopped. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liverlib",
        description="3D segmentation of the liver and its tumours from CT. " + NOT_MEDICAL,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"liverlib {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: typing.Callable, stages: str = "", data: bool = True):
        one = commands.add_parser(
            function.__name__[1:], help=function.__doc__, description=function.__doc__
        )
        if data:
            one.add_argument(
                "--data", type=Path, metavar="DIR", help="labelled scans (default: phantoms)"
            )
        _add_settings(one, stages.split())
        one.set_defaults(command=function)
        return one

    run = command(_run, "phantom cube split body liver")
    train = command(_train, "phantom cube split body liver")
    for one in (run, train):
        one.add_argument(
            "--run", metavar="NAME", help="folder below results/ (default: by settings)"
        )
        one.add_argument(
            "--preset", choices=["demo", "seed"], default="demo", help="a training recipe"
        )
    train.add_argument("--look", choices=LOOKS, help="only this one (default: one after the other)")
    command(_prepare, "phantom cube")
    command(_phantoms, "phantom", data=False)
    segment = command(_segment, data=False)
    segment.add_argument("scan", type=Path, help="a .nii or .nii.gz file")
    segment.add_argument("-o", "--output", type=Path, required=True, help="the mask to write")
    segment.add_argument(
        "--weights", type=Path, nargs="+", help="several are averaged (default: the latest run's)"
    )
    lesions = command(_lesions, data=False)
    lesions.add_argument("scan", type=Path, help="a NIfTI file or a DICOM folder")
    lesions.add_argument("mask", type=Path, help="its mask: 0 background, 1 liver, 2 tumour")
    lesions.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    evaluate = command(_evaluate, data=False)
    evaluate.add_argument("--reference", type=Path, required=True, metavar="DIR", help="the truth")
    evaluate.add_argument("--predicted", type=Path, required=True, metavar="DIR", help="the masks")
    evaluate.add_argument("-o", "--output", type=Path, metavar="DIR", help="for CSV and JSON")
    for flag, meaning in {
        "--as-lits-script": "also what the official scoring script would print, errors included",
        "--subset": "pass over references that have no prediction",
    }.items():
        evaluate.add_argument(flag, action="store_true", help=meaning)
    evaluate.add_argument("--workers", type=int, metavar="N", help="default: one a processor")
    return parser


def _add_settings(parser: argparse.ArgumentParser, stages: list[str]) -> None:
    """``--stage.field`` for each field of the stages' settings; what is not given stays default."""
    defaults = default_settings()
    for stage in stages:
        settings = getattr(defaults, stage)
        group = parser.add_argument_group(
            f"{stage} settings", type(settings).__doc__.splitlines()[0]
        )
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            many = isinstance(value, tuple)
            group.add_argument(
                f"--{stage}.{field.name}",
                type=_yes_or_no if isinstance(value, bool) else type(value[0] if many else value),
                nargs="+" if many else None,
                metavar=field.name.upper(),
                default=argparse.SUPPRESS,
                help=f"{field.metadata['help']} (default: {_shown(value)})".replace("%", "%%"),
            )


def _settings(options: argparse.Namespace) -> RunSettings:
    """The default settings of the preset, with what was given on the command line."""
    settings = default_settings(getattr(options, "preset", "demo"))
    for name, value in vars(options).items():
        if "." in name:
            stage, field = name.split(".")
            value = tuple(value) if isinstance(value, list) else value
            changed = dataclasses.replace(getattr(settings, stage), **{field: value})
            settings = dataclasses.replace(settings, **{stage: changed})
    return settings


def _run(options: argparse.Namespace) -> None:
    """The whole way: cases, cubes, training, scores, report."""
    run = Run(_settings(options), options.data, options.run)
    report = run.report()
    print("\n".join(summary_lines(run)))
    print(f"report    {_short(report)}")


def _train(options: argparse.Namespace) -> None:
    """Only as far as the trained weights."""
    run = Run(_settings(options), options.data, options.run)
    history = run.train(options.look) if options.look else run.train_all()
    folder = run.folder / (options.look or "")
    print(f"{len(history)} epochs: {_short(folder / 'weights.safetensors')}")


def _prepare(options: argparse.Namespace) -> None:
    """Only as far as the cached cubes, of every labelled case."""
    run = Run(_settings(options), options.data)
    paths = [path for part in run.parts for path in run.cubes(part)]
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{len(paths)} cubes, {size:.0f} MB: {_short(paths[0].parent)}")


def _phantoms(options: argparse.Namespace) -> None:
    """Only the made-up CTs, as an MSD dataset."""
    cases = Run(_settings(options)).cases
    print(f"{len(cases)} phantoms: {_short(cases[0].image.parents[1])}")


def _segment(options: argparse.Namespace) -> None:
    """The mask of one scan, on the scan's own grid."""
    if not options.output.name.endswith((".nii", ".nii.gz")):
        raise LiverlibError(f"{options.output}: a mask is written as .nii or .nii.gz. Name it so.")
    weights = options.weights or [newest_weights()]
    scan = read_scan(options.scan)
    from liverlib.segment import Segmenter  # torch is imported when it is needed

    mask = Segmenter.load(*weights).segment(scan)
    write_volume(options.output, mask.voxels, scan.grid)
    said = ", ".join(str(_short(path)) for path in weights)
    print(f"{_short(options.output)}: 0 background, 1 liver, 2 tumour; weights {said}")
    print(NOT_MEDICAL)


def _lesions(options: argparse.Namespace) -> None:
    """The lesions of a mask, measured: a page with the slices, CSV and JSON."""
    from liverlib.dicom import read_any
    from liverlib.lesions import measure_lesions  # scipy is imported when it is needed
    from liverlib.scan_report import write_scan_report

    scan = read_any(options.scan)
    mask = read_label(options.mask, scan)
    written = write_scan_report(options.output, scan, mask, measure_lesions(scan, mask))
    print("\n".join([NOT_MEDICAL, *(str(_short(path)) for path in written)]))


def _evaluate(options: argparse.Namespace) -> None:
    """Every measure of the masks in one folder against the references in another."""
    from liverlib.evaluate import evaluate  # scipy is imported when it is needed

    chosen = options.as_lits_script, options.subset, options.workers
    evaluation = evaluate(options.reference, options.predicted, *chosen)
    print(evaluation)
    if options.output:
        print(f"\nresults   {_short(evaluation.save(options.output))}")
    print(NOT_MEDICAL)


def summary_lines(run: Run) -> list[str]:
    """The scores of a run and the seconds of its stages, as a table of plain text."""
    metrics = run.score()
    summary = metrics["summary"]
    lines = ["", f"scored on {metrics['data']}, on each scan's own grid", ""]
    lines.append(f"{'class':9} {'Dice':>6}  {'95 % interval':14} cases")
    for name, key in (("liver", "liver_dice"), ("tumour", "tumour_dice")):
        one = summary[key]
        if one["n"]:
            interval = f"{one['low']:.3f} – {one['high']:.3f}"
            lines.append(f"{name:9} {one['mean']:6.3f}  {interval:14} {one['n']:5}")
    free, false = summary["tumour_free"], summary["tumour_free_with_false"]
    lines += [f"tumour drawn in {false} of {free} cases without any", ""]
    lines += [f"{stage:9} {seconds:6.0f} s" for stage, seconds in metrics["seconds"].items()]
    return [*lines, "", f"results   {_short(run.folder)}"]


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise argparse.ArgumentTypeError("say yes or no")
    return text.lower() in ("yes", "true")


if __name__ == "__main__":
    sys.exit(main())
