"""Arguments that several commands share, one for each field of the settings among them."""

import argparse
import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import range_text
from liverlib.pipeline.presets import PRESETS, RunSettings, default_settings


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """``--name.field`` for each field of these settings of a run; the defaults are not set here."""
    defaults = default_settings()
    for name in names:
        settings = getattr(defaults, name)
        title = str(type(settings).__doc__).splitlines()[0]
        group = parser.add_argument_group(f"{name} settings", title)
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            many, limits = isinstance(value, tuple), range_text(field.metadata).strip()
            meaning = f"{field.metadata['help']} ({limits}; default: {_shown(value)})"
            group.add_argument(
                f"--{name}.{field.name}",
                type=_yes_or_no if isinstance(value, bool) else type(value[0] if many else value),
                nargs="+" if many else None,
                metavar=_metavar(field, value),
                default=argparse.SUPPRESS,
                help=meaning.replace("(; ", "(").replace("%", "%%"),
            )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """A run's data, name, preset and first weights, and all its settings."""
    add_data(parser)
    add_device(parser)
    parser.add_argument(
        "--run", metavar="NAME", help="folder below results/ (default: by settings)"
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="demo", help="a training recipe")
    parser.add_argument("--init", metavar="FILE", help="weights to start from, or: pretrained")
    add_settings(parser, "phantom", "synthesis", "cube", "split", "coarse", "roi")


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data``, a folder of labelled scans."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="labelled scans (default: phantoms)"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``, where to compute."""
    parser.add_argument(
        "--device", type=_device, default="auto", metavar="D",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto, a GPU where there is one)",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    """``--workers``, a number of processes."""
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="default: one a processor")


def add_series(parser: argparse.ArgumentParser) -> None:
    """``--series``, one of several in a DICOM folder."""
    parser.add_argument("--series", help="number, description or UID, where a folder holds several")


def settings_of(options: argparse.Namespace) -> RunSettings:
    """The settings of the preset, with what was given on the command line."""
    settings = default_settings(getattr(options, "preset", "demo"))
    given: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in vars(options).items():
        if name.startswith("phantom.") and getattr(options, "data", None):
            raise LiverlibError(f"--{name}: your scans take the place of phantoms. Leave one out.")
        if "." in name:
            group, field = name.split(".")
            given[group][field] = value
    parts: dict[str, Any] = {
        group: _replaced(f"--{group}.", getattr(settings, group), values)
        for group, values in given.items()
    }
    if getattr(options, "init", None) is not None:
        parts["init"] = options.init
    return _replaced("--", settings, parts)


def at_least(low: float, kind: type = int) -> Callable[[str], Any]:
    """The type of an argument that is a number from `low` on."""

    def number(text: str) -> Any:
        value = kind(text)
        if not low <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text}: must be a number from {low} on")
        return value

    return number


def short(path: Path) -> Path:
    """The path from here, where it lies below."""
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


def _replaced(prefix: str, settings: Any, values: dict[str, Any]) -> Any:
    """The settings with other values; what these do not allow is named as on the command line."""
    try:
        return dataclasses.replace(settings, **values)
    except LiverlibError as error:
        raise LiverlibError(f"{prefix}{error}") from error


def _metavar(field: dataclasses.Field, value: Any) -> str:
    """What ``--help`` shows after an option: its choices, or else its name in capitals."""
    choices = ("yes", "no") if isinstance(value, bool) else field.metadata["choices"]
    return f"{{{','.join(choices)}}}" if choices else field.name.upper()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?|mps", text):
        raise argparse.ArgumentTypeError("say auto, cpu, cuda, cuda:1 or mps")
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise argparse.ArgumentTypeError("say yes or no")
    return text.lower() in ("yes", "true")
