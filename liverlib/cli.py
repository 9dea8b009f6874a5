"""The command ``liverlib``: a thin front door, with one argument for each field of the settings."""

import argparse
import dataclasses
import sys
import time
import typing
from pathlib import Path

from liverlib import NOT_MEDICAL, LiverlibError, __version__
from liverlib.cache import folder_of, kept, prepare, prune
from liverlib.cases import find_dataset, labelled
from liverlib.files import read_json
from liverlib.presets import RunSettings, default_settings
from liverlib.scan import read_label, volume_name, write_volume
from liverlib.workspace import LOOKS, Run, home, newest_weights

EXAMPLES = """\
examples:
  liverlib run                                   phantoms → cubes → training → scores → report
  liverlib run --data my_scans --run first       the same on a folder of your own labelled scans
  liverlib run --liver.epochs 30 --cube.size 96  any field of any stage's settings
  liverlib prepare my_scans --shard 2/8          an eighth of the cubes, for job arrays
  liverlib download --cases 10                   ten real cases of MSD's Task03_Liver
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
    prepared = command(_prepare, "phantom cube", data=False)
    prepared.add_argument("data", type=Path, nargs="?", help="labelled scans (default: phantoms)")
    prepared.add_argument("--workers", type=int, help="processes (default: one a processor)")
    prepared.add_argument(
        "--shard", type=_shard, default=slice(None), metavar="I/N", help="every Nth case, from I"
    )
    prepared.add_argument("--strict", action="store_true", help="stop at the first bad case")
    cache = command(_cache, data=False)
    cache.add_argument("--prune", type=float, metavar="DAYS", help="remove what was not used since")
    command(_phantoms, "phantom", data=False)
    download = command(_download, "cube", data=False)
    download.add_argument(
        "--cases", nargs="+", default=["10"], help="how many, names, all, or labels (default: 10)"
    )
    download.add_argument("--url", help="a mirror, a tar on disk, or a folder (default: MSD's)")
    download.add_argument("--to", type=Path, metavar="DIR", help="default: data/Task03_Liver")
    download.add_argument(
        "--into-cubes", action="store_true", help="keep only the cubes: 13 MB a case"
    )
    check = command(_check, data=False)
    check.add_argument("data", type=Path, help="a dataset in any of the layouts")
    segment = command(_segment, data=False)
    segment.add_argument(
        "scans", type=Path, nargs="+", help="NIfTI files, folders of them, or DICOM folders"
    )
    segment.add_argument(
        "-o", "--output", type=Path, required=True, help="the mask to write; of several, the folder"
    )
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


def _started(options: argparse.Namespace) -> Run:
    """The run that the arguments describe; says what was found in a folder of the user's."""
    if options.data:
        print(find_dataset(options.data))
    return Run(_settings(options), options.data, getattr(options, "run", None))


def _run(options: argparse.Namespace) -> None:
    """The whole way: cases, cubes, training, scores, report."""
    run = _started(options)
    report = run.report()
    print("\n".join(summary_lines(run)))
    print(f"report    {_short(report)}")


def _train(options: argparse.Namespace) -> None:
    """Only as far as the trained weights."""
    run = _started(options)
    history = run.train(options.look) if options.look else run.train_all()
    folder = run.folder / (options.look or "")
    print(f"{len(history)} epochs: {_short(folder / 'weights.safetensors')}")


def _prepare(options: argparse.Namespace) -> None:
    """Only as far as the cached cubes, of every labelled case."""
    run = _started(options)
    cases, folder = labelled(run.cases)[options.shard], home() / "data" / "cubes"
    for settings in map(run.cube, run.looks):
        paths = prepare(cases, settings, folder, options.workers, options.strict)
        size = sum(path.stat().st_size for path in paths) / 1e6
        where = _short(folder_of(settings, folder))
        print(f"{len(paths)} cubes of the {settings.crop}, {size:.0f} MB: {where}")


def _cache(options: argparse.Namespace) -> None:
    """What the cache of cubes holds; with --prune, less of it."""
    folder = home() / "data" / "cubes"
    if options.prune is not None:
        print(f"freed {prune(folder, options.prune) / 1e6:.0f} MB")
    found = kept(folder)
    for one in found:
        used = time.strftime("%Y-%m-%d", time.localtime(one.used))
        print(f"{one.folder.name}  {len(one.cubes):5} cubes  {one.size / 1e6:7.0f} MB  used {used}")
        if (note := one.folder / "settings.json").is_file():
            print(f"    {read_json(note)}")
    total = sum(one.size for one in found) / 1e6
    count = sum(len(one.cubes) for one in found) or "no"
    print(f"{_short(folder)}: {count} cubes, {total:.0f} MB. Safe to delete.")


def _phantoms(options: argparse.Namespace) -> None:
    """Only the made-up CTs, as an MSD dataset."""
    cases = Run(_settings(options)).cases
    print(f"{len(cases)} phantoms: {_short(cases[0].image.parents[1])}")


def _download(options: argparse.Namespace) -> None:
    """Some cases of MSD's Task03_Liver, or all: real CTs with labels, CC BY-SA 4.0."""
    from liverlib import download  # with what reaches the web

    cases = options.cases[0] if len(options.cases) == 1 else options.cases
    url, to = options.url or download.TASK03, options.to or home() / "data" / "Task03_Liver"
    if options.into_cubes:
        run, folder = Run(_settings(options)), home() / "data" / "cubes"
        kinds = [run.cube(look) for look in run.looks]
        print(f"{len(download.fetch_cubes(cases, url, to, kinds, folder))} cubes: {_short(folder)}")
    else:
        to = download.fetch(cases, url, to)
        print(f"labels: {_short(to / 'labels')}" if cases == "labels" else find_dataset(to))
    print(download.LICENCE)


def _check(options: argparse.Namespace) -> None:
    """What a dataset holds, and everything in it that looks wrong, with a plot."""
    from liverlib import plots  # matplotlib, only here
    from liverlib.check import examine, fingerprint

    print(dataset := find_dataset(options.data))
    rows = examine(dataset.cases)
    print("", fingerprint(rows), "", sep="\n")
    place = home() / "results" / f"check-{options.data.resolve().name}.png"
    print(f"plot  {_short(plots.save(plots.fingerprint(rows), place))}")


def _segment(options: argparse.Namespace) -> None:
    """The mask of each scan, on the scan's own grid."""
    from liverlib.dicom import find_scans, read_any

    scans = [scan for one in options.scans for scan in find_scans(one)]
    outputs = _masks(scans, options.output)
    weights = options.weights or [newest_weights()]
    from liverlib.segment import Segmenter  # torch is imported when it is needed

    segmenter = Segmenter.load(*weights)
    for path, output in zip(scans, outputs, strict=True):
        scan = read_any(path)
        write_volume(output, segmenter.segment(scan).voxels, scan.grid)
        print(f"{_short(output)}: 0 background, 1 liver, 2 tumour")
    print(f"weights {', '.join(str(_short(path)) for path in weights)}. {NOT_MEDICAL}")


def _masks(scans: list[Path], output: Path) -> list[Path]:
    """Where each scan's mask goes: a file for one scan, or else a folder of files named alike."""
    if output.name.endswith((".nii", ".nii.gz")):
        if len(scans) > 1:
            raise LiverlibError(f"{output}: one file for {len(scans)} scans. Name a folder.")
        return [output]
    if len(scans) == 1 and output.suffix:
        raise LiverlibError(f"{output}: a mask is written as .nii or .nii.gz. Name it so.")
    masks = [output / f"{volume_name(scan.resolve())}.nii.gz" for scan in scans]
    if twice := {mask for mask in masks if masks.count(mask) > 1}:
        raise LiverlibError(f"{min(twice)}: two scans of that name. Segment them one by one.")
    return masks


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


def _shard(text: str) -> slice:
    """ "2/8": the second of eight shares of the cases."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError("say which of how many: 1/4, 2/4, 3/4 or 4/4")
    return slice(int(number) - 1, None, int(count))


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise argparse.ArgumentTypeError("say yes or no")
    return text.lower() in ("yes", "true")


if __name__ == "__main__":
    sys.exit(main())
