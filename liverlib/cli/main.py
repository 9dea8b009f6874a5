"""The command ``liverlib``: each of its commands stands beside its own arguments."""

import argparse
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from liverlib import __version__
from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.core.text import NOT_MEDICAL

from . import data, evaluate, export, segment, train
from .start import completion, demo, notebooks, where

EXAMPLES = """\
examples:
  liverlib demo                                  a first result, from a synthetic CT
  liverlib run                                   phantoms → cubes → training → scores → report
  liverlib run --data my_scans --run first       the same on a folder of your own labelled scans
  liverlib run --roi.epochs 30 --cube.size 96    any field of any settings
  liverlib prepare my_scans --shard 2/8          an eighth of the cubes, for job arrays
  liverlib download --cases 10                   ten real cases of MSD's Task03_Liver
  liverlib segment scan.nii.gz -o mask.nii.gz    with the pretrained weights
  liverlib evaluate --reference labels --predicted masks -o scores

exit codes:
  0 done    1 some of several scans or masks failed: they are named, the others are done
  2 a mistake that you can mend: the message names the file and what to do
  3 a mask that is not to be used was not written: the reasons are told
  130 stopped with Ctrl-C
"""
COMMANDS: dict[str, tuple[Callable, Callable]] = {  # what runs, and what adds its arguments
    "demo": (demo.demo, demo.add_demo),
    "notebooks": (notebooks.notebooks, notebooks.add_notebooks),
    "run": (train.run, train.add_run),
    "train": (train.train, train.add_train),
    "prepare": (data.prepare, data.add_prepare),
    "cache": (data.cache, data.add_cache),
    "phantoms": (data.phantoms, data.add_phantoms),
    "download": (data.download, data.add_download),
    "check": (data.check, data.add_check),
    "segment": (segment.segment, segment.add_segment),
    "lesions": (segment.lesions, segment.add_lesions),
    "evaluate": (evaluate.evaluate, evaluate.add_evaluate),
    "export": (export.export, export.add_export),
    "where": (where.where, where.add_where),
    "completion": (completion.completion, completion.add_completion),
}
GROUPS = {  # the commands by what one wants, as --help lists them
    "to see what it does": "demo notebooks",
    "to segment scans": "segment lesions evaluate export",
    "to train networks": "run train",
    "to get and prepare data": "download check phantoms prepare cache",
    "to look after this program": "where completion",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns the exit code.

    0: done. 1: some of several scans or masks failed, the others are done. 2: the user can mend
    something, and it is told what. 3: a mask that is not to be used was not written. 130: stopped.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files are any bytes, terminals are not UTF-8
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        if getattr(options, "device", "auto") != "auto":
            from liverlib.core.device import use_device  # torch is imported when it is needed

            use_device(options.device)
        code = options.command(options) or 0
        sys.stdout.flush()
        return code
    except LiverlibError as error:
        print(f"liverlib: {error}", file=sys.stderr)
        return 1 if isinstance(error, SomeFailed) else 2
    except BrokenPipeError:  # whoever read the output has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nliverlib: stopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liverlib",
        description="3D segmentation of the liver and its tumours from CT. " + NOT_MEDICAL,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"liverlib {__version__}")
    commands = parser.add_subparsers(
        required=True, title="commands", description=_listed(), metavar="COMMAND",
        help="its options: liverlib COMMAND --help",
    )  # fmt: skip
    for name, (function, add_arguments) in COMMANDS.items():
        command = commands.add_parser(name, description=function.__doc__)
        add_arguments(command)
        command.set_defaults(command=function, parser=parser)
    return parser


def _listed() -> str:
    """The commands in their groups, each with its sentence."""
    lines = []
    for title, names in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {name:11} {COMMANDS[name][0].__doc__}" for name in names.split()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
