"""``liverlib demo``, ``notebooks``, ``where`` and ``completion``."""

import argparse
import filecmp
import os
import shutil
import sys
import webbrowser
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, folder_size
from liverlib.core.text import NOT_MEDICAL
from liverlib.pipeline import paths

from .options import short
from .outputs import add_overwrite

PHANTOM = 7  # the case that `demo` makes: its tumour is found, which others' are not
SHELLS = ("bash", "zsh", "tcsh")


def add_demo(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("--no-browser", action="store_true", help="only say where the report is")


def demo(options: argparse.Namespace) -> None:
    """A first result: one synthetic CT, segmented, and its report in the browser."""
    from liverlib.evaluation.lesion_table import measure_lesions  # torch, when it is needed
    from liverlib.evaluation.overlap import dice
    from liverlib.inference.segmenter import Segmenter
    from liverlib.io.nifti import write_volume
    from liverlib.synthesis.phantom.phantom import make_phantom
    from liverlib.view.report.scan_report import write_scan_report

    folder = paths.results("demo")
    scan, label = make_phantom(PHANTOM)
    prediction = Segmenter.load().predict(scan)
    mask = prediction.mask
    for name, volume in {"scan": scan, "reference": label, "mask": mask}.items():
        write_volume(folder / f"{name}.nii.gz", volume)
    page, *_ = write_scan_report(folder, scan, mask, measure_lesions(scan, prediction))
    liver, tumour = (dice(label.voxels >= least, mask.voxels >= least) for least in (1, 2))
    print(f"Dice of this phantom: {liver:.3f} liver, {tumour:.3f} tumour. Others' may be lower.")
    print("next      liverlib segment scan.nii.gz -o mask.nii.gz --report report")
    print(NOT_MEDICAL)
    if not options.no_browser and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    print(f"report    {short(page)}")


def _has_screen() -> bool:
    """Whether a browser gets a window; in a terminal alone a browser of text would take it."""
    windows = not sys.platform.startswith("linux")
    return windows or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def add_notebooks(parser: argparse.ArgumentParser) -> None:
    """The arguments of `notebooks`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="where they are copied to")
    add_overwrite(parser)


def notebooks(options: argparse.Namespace) -> None:
    """Copies the notebooks, with their pictures inside, into a folder of yours."""
    copies = {file: options.folder / file.name for file in paths.notebooks()}
    for file, copy in copies.items():
        taken = os.path.lexists(copy) and not (copy.is_file() and filecmp.cmp(file, copy, False))
        if taken and not (options.overwrite and copy.is_file()):
            raise LiverlibError(
                f"{copy}: is there, and is not the notebook as liverlib has it. Name another "
                "folder, or replace it (--overwrite)."
            )
    for file, copy in copies.items():
        with atomic(copy) as temporary:
            shutil.copyfile(file, temporary)
    print(f"open      jupyter lab {short(options.folder)}  (pip install jupyterlab)")
    print(f"notebooks {short(options.folder)}")


def add_where(parser: argparse.ArgumentParser) -> None:
    """`where` has no arguments."""


def where(options: argparse.Namespace) -> None:
    """Lists the folders that liverlib uses, with their sizes."""
    folders = {"data": paths.data_folder(), "results": paths.home() / "results"}
    for name, folder in folders.items():
        parts = sorted(path for path in folder.glob("*") if path.is_dir())
        print(f"{name:9} {_megabytes(folder)}  {folder}")
        for part in parts:
            print(f"  {part.name:7} {_megabytes(part)}")
    package = paths.ROOT / "liverlib"
    print(f"package   {_megabytes(package)}  {package}")
    print("What lies in data may be deleted: it is made or downloaded again. Results are yours.")
    print("LIVERLIB_HOME=DIR keeps data and results in DIR.")


def _megabytes(folder: Path) -> str:
    return f"{folder_size(folder) / 1e6:8.1f} MB"


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The arguments of `completion`."""
    parser.add_argument(
        "shell", choices=SHELLS, help='for bash: eval "$(liverlib completion bash)"'
    )


def completion(options: argparse.Namespace) -> None:
    """Prints a script that completes commands, options and files in your shell."""
    try:
        import shtab
    except ImportError as error:
        raise LiverlibError("completion needs shtab: pip install shtab.") from error
    print(shtab.complete(_completed(options.parser), options.shell))


def _completed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser with what shtab asks for: a sentence for each command, and which values are files.

    These stand in argparse's own lists, which have no public names.
    """
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                action._choices_actions.append(
                    action._ChoicesPseudoAction(name, (), command.description)
                )
                _completed(command)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser
