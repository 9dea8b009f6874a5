"""``liverlib evaluate``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.core.files import read_json
from liverlib.core.text import NOT_MEDICAL

from . import outputs
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
    outputs.add_overwrite(parser)
    add_workers(parser)


def evaluate(options: argparse.Namespace) -> None:
    """Every measure of the masks in one folder against the references in another."""
    from liverlib.evaluation import folder  # scipy is imported when it is needed

    if options.output:
        _refuse_strangers(options.output, options.overwrite)
    chosen = options.as_lits_script, options.subset, options.workers
    try:
        summary = folder.evaluate(options.reference, options.predicted, *chosen)
    except SomeFailed as error:
        print(f"{error.done}\n{NOT_MEDICAL}")
        kept = f"; nothing is written to {short(options.output)}" if options.output else ""
        raise SomeFailed(
            f"{error}\nThe measures lack these{kept}. Mend them, or move these predictions away "
            "and score the others: --subset."
        ) from error
    print(f"{summary}\n{NOT_MEDICAL}")
    if options.output:
        print(f"results   {short(summary.save(options.output))}")


def _refuse_strangers(folder: Path, overwrite: bool) -> None:
    """Refuses a folder with files of the same names that are not as an evaluation wrote them."""
    values = folder / "evaluation.json"
    tables = [folder / name for name in ("measures.csv", "cases.csv")]
    own = _as_written(values, tables)
    for path in (values, *tables):
        if path not in own and (refusal := outputs.refusal(path, overwrite)):
            raise LiverlibError(refusal)


def _as_written(values: Path, tables: Sequence[Path]) -> list[Path]:
    """Those of the tables that hold what an evaluation of these values writes."""
    from liverlib.evaluation.summary import Summary

    if not values.is_file():
        return []
    try:
        with TemporaryDirectory() as folder:
            Summary.from_dict(read_json(values), values).save(folder)
            written = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    except LiverlibError:  # whoever wrote them
        return []
    return [path for path in tables if path.is_file() and path.read_bytes() == written[path.name]]
