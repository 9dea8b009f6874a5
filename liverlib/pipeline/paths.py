"""Where things are kept: ``data/`` and ``results/``, and the phantoms that lie there."""

import os
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import digest
from liverlib.data.cases import Case, find_cases
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import PHANTOM_VERSION, PhantomSettings

from .presets import default_settings


def home() -> Path:
    """What holds ``data/`` and ``results/``: LIVERLIB_HOME, the checkout, or this folder."""
    if chosen := os.environ.get("LIVERLIB_HOME"):
        return Path(chosen)
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def results(name: str) -> Path:
    """The folder of a run; raises `LiverlibError` for a name that would lie elsewhere."""
    if Path(name).name != name or name == ".." or len(os.fsencode(name)) > 255:
        raise LiverlibError(f"{name[:60]}: not a run's name. Choose a short one, without folders.")
    return home() / "results" / name


def phantoms(settings: PhantomSettings | None = None, workers: int | None = None) -> list[Case]:
    """The cases of the phantom dataset with these settings, made where they are missing."""
    settings = settings or default_settings().phantom
    folder = home() / "data" / "phantoms" / digest(settings, PHANTOM_VERSION) / "Task03_Liver"
    return find_cases(write_phantoms(folder, settings, workers))
