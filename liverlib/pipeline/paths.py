"""Where things are kept: data, results and notebooks, and the phantoms that lie there.

A checkout holds them all. An installed package keeps data in the user's cache, results in the
folder that it is called in. LIVERLIB_HOME names another folder for both.
"""

import os
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import digest
from liverlib.data.cases import Case, find_cases
from liverlib.io.provenance import sha256_of
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import PHANTOM_VERSION, PhantomSettings

from .presets import default_settings

ROOT = Path(__file__).resolve().parents[2]  # of a checkout, or else where packages are installed


def home() -> Path:
    """What holds ``results/``: LIVERLIB_HOME, the checkout, or this folder."""
    if chosen := os.environ.get("LIVERLIB_HOME"):
        return Path(chosen)
    return ROOT if _is_checkout() else Path.cwd()


def data_folder() -> Path:
    """What is made or downloaded: ``data/`` in `home`, or the user's cache once installed."""
    if os.environ.get("LIVERLIB_HOME") or _is_checkout():
        return home() / "data"
    from platformdirs import user_cache_path

    return user_cache_path("liverlib", appauthor=False)


def notebooks() -> list[Path]:
    """The project's notebooks: those of the checkout, or those in the package."""
    folder = ROOT / "notebooks" if _is_checkout() else ROOT / "liverlib" / "notebooks"
    return sorted(folder.glob("*.ipynb"))


def _is_checkout() -> bool:
    return (ROOT / "pyproject.toml").is_file()


def results(name: str) -> Path:
    """The folder of a run; raises `LiverlibError` for a name that would lie elsewhere."""
    if Path(name).name != name or name == ".." or len(os.fsencode(name)) > 255:
        raise LiverlibError(f"{name[:60]}: not a run's name. Choose a short one, without folders.")
    return home() / "results" / name


def phantoms(settings: PhantomSettings | None = None, workers: int | None = None) -> list[Case]:
    """The cases of the phantom dataset with these settings, made where they are missing."""
    settings = settings or default_settings().phantom
    folder = data_folder() / "phantoms" / digest(settings, PHANTOM_VERSION) / "Task03_Liver"
    return find_cases(write_phantoms(folder, settings, workers))


def weights_digests(weights: str | Path | None, init: str) -> dict[str, str]:
    """The SHA-256 of the files that predict (`weights`, and what lies beside it) and of `init`.

    "pretrained" names the weights that come with liverlib.
    """
    if not (weights or init):
        return {}
    from liverlib.inference.segmenter import files_of  # torch is imported when it is needed
    from liverlib.models.weights import PRETRAINED

    paths = {"init": PRETRAINED if init == "pretrained" else Path(init)} if init else {}
    if weights:
        paths["weights"], *beside = files_of(weights)
        paths |= {f"weights{path.suffixes[-2]}": path for path in beside}  # weights.fine
    return {f"{key}_sha256": sha256_of(path) for key, path in paths.items() if path.is_file()}
