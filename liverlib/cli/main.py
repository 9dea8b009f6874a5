"""The command ``liverlib``: its arguments, one for each field of the settings among them."""

import argparse
import dataclasses
import sys
import typing
from pathlib import Path

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.pipeline.presets import PRESETS, default_settings
from liverlib.pipeline.run import STAGES

from . import commands

EXAMPLES = """\
examples:
  liverlib run                                   phantoms → cubes → training → scores → report
  liverlib run --data my_scans --run first       the same on a folder of your own labelled scans
  liverlib run --liver.epochs 30 --cube.size 96  any field of any stage's settings
  liverlib prepare my_scans --shard 2/8          an eighth of the cubes, for job arrays
  liverlib download --cases 10                   ten real cases of MSD's Task03_Liver
  liverlib segment scan.nii.gz -o mask.nii.gz    with the weights that liverlib brings along
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
    known = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: typing.Callable, stages: str = "", data: bool = True):
        one = known.add_parser(
            function.__name__, help=function.__doc__, description=function.__doc__
        )
        if data:
            one.add_argument(
                "--data", type=Path, metavar="DIR", help="labelled scans (default: phantoms)"
            )
        _add_settings(one, stages.split())
        one.set_defaults(command=function)
        return one

    _add_training(command)
    _add_data(command)
    _add_masks(command)
    return parser


def _add_training(command: typing.Callable) -> None:
    run = command(commands.run, "phantom anatomy cube split body liver")
    train = command(commands.train, "phantom anatomy cube split body liver")
    for one in (run, train):
        one.add_argument(
            "--run", metavar="NAME", help="folder below results/ (default: by settings)"
        )
        one.add_argument(
            "--preset", choices=list(PRESETS), default="demo", help="a training recipe"
        )
        one.add_argument(
            "--start",
            default="",
            metavar="FILE",
            help="weights to start from, or: shipped",
        )
    train.add_argument(
        "--look", choices=STAGES, help="only this one (default: one after the other)"
    )
    train.add_argument("--tensorboard", action="store_true", help="each epoch for TensorBoard too")
    prepared = command(commands.prepare, "phantom cube", data=False)
    prepared.add_argument("data", type=Path, nargs="?", help="labelled scans (default: phantoms)")
    prepared.add_argument("--workers", type=int, help="processes (default: one a processor)")
    prepared.add_argument(
        "--shard", type=_shard, default=slice(None), metavar="I/N", help="every Nth case, from I"
    )
    prepared.add_argument("--strict", action="store_true", help="stop at the first bad case")
    cache = command(commands.cache, data=False)
    cache.add_argument("--prune", type=float, metavar="DAYS", help="remove what was not used since")
    command(commands.phantoms, "phantom", data=False)


def _add_data(command: typing.Callable) -> None:
    download = command(commands.download, "cube", data=False)
    download.add_argument(
        "--cases", nargs="+", default=["10"], help="how many, names, all, or labels (default: 10)"
    )
    download.add_argument("--url", help="a mirror, a tar on disk, or a folder (default: MSD's)")
    download.add_argument("--to", type=Path, metavar="DIR", help="default: data/Task03_Liver")
    download.add_argument(
        "--into-cubes", action="store_true", help="keep only the cubes: 7 MB a case"
    )
    check = command(commands.check, data=False)
    check.add_argument("data", type=Path, help="a dataset in any of the layouts")


def _add_masks(command: typing.Callable) -> None:
    segment = command(commands.segment, data=False)
    segment.add_argument(
        "scans", type=Path, nargs="+", help="NIfTI files, folders of them, or DICOM folders"
    )
    segment.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="the mask to write, .nii.gz (or .dcm for a DICOM folder); of several, the folder",
    )
    segment.add_argument(
        "--weights", type=Path, nargs="+", help="several are averaged (default: liverlib's own)"
    )
    segment.add_argument(
        "--report", type=Path, metavar="DIR", help="also a page, CSV and JSON of its lesions, there"
    )
    for flag, meaning in {
        "--probabilities": "also maps of how likely liver and tumour are, in probabilities/",
        "--tta": "test-time augmentation: the mean over four shifts, at four times the work",
        "--all-pieces": "keep every piece of liver (default: only the largest)",
        "--tumours-anywhere": "keep tumours outside that piece too",
    }.items():
        segment.add_argument(flag, action="store_true", help=meaning)
    sure = "mean probability that a lesion needs to stay one (default: 0.7)"
    segment.add_argument("--sure", type=float, default=0.7, metavar="P", help=sure)
    lesions = command(commands.lesions, data=False)
    for one in (segment, lesions):
        one.add_argument(
            "--series", help="number, description or UID, where a folder holds several"
        )
    lesions.add_argument("scan", type=Path, help="a NIfTI file or a DICOM folder")
    lesions.add_argument("mask", type=Path, help="its mask: 0 background, 1 liver, 2 tumour")
    lesions.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    evaluate = command(commands.evaluate, data=False)
    evaluate.add_argument("--reference", type=Path, required=True, metavar="DIR", help="the truth")
    evaluate.add_argument("--predicted", type=Path, required=True, metavar="DIR", help="the masks")
    evaluate.add_argument("-o", "--output", type=Path, metavar="DIR", help="for CSV and JSON")
    for flag, meaning in {
        "--as-lits-script": "also what the official scoring script would print, errors included",
        "--subset": "pass over references that have no prediction",
    }.items():
        evaluate.add_argument(flag, action="store_true", help=meaning)
    evaluate.add_argument("--workers", type=int, metavar="N", help="default: one a processor")


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
