"""``liverlib evaluate``."""

import argparse
from pathlib import Path

from liverlib.core.text import NOT_MEDICAL

from .options import add_workers, short


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The arguments of `evaluate`."""
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR", help="the labels")
    parser.add_argument("--predicted", type=Path, required=True, metavar="DIR", help="the masks")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="for CSV and JSON")
    for flag, meaning in {
        "--as-lits-script": "also what the official scoring script would print, errors included",
        "--subset": "pass over references that have no prediction",
    }.items():
        parser.add_argument(flag, action="store_true", help=meaning)
    add_workers(parser)


def evaluate(options: argparse.Namespace) -> None:
    """Every measure of the masks in one folder against the references in another."""
    from liverlib.evaluation import folder  # scipy is imported when it is needed

    chosen = options.as_lits_script, options.subset, options.workers
    summary = folder.evaluate(options.reference, options.predicted, *chosen)
    print(summary)
    if options.output:
        print(f"\nresults   {short(summary.save(options.output))}")
    print(NOT_MEDICAL)
