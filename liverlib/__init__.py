"""liverlib: the liver and its tumours from CT, in 3D, from the file to the picture.

>>> import liverlib as ll
>>> scan = ll.read_scan("scan.nii.gz")
>>> prediction = ll.Segmenter.load().predict(scan)
>>> ll.show(scan, mask=prediction.mask)

Importing the package costs nothing: each public name is imported when it is first used, and only
those that train or apply a network bring torch with them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # for type checkers and editors; a test holds it to the names below
    from .core.errors import LiverlibError
    from .core.text import NOT_MEDICAL, format_value, table
    from .data.cases import Case, find_cases, find_dataset, labelled
    from .data.fingerprint import describe, examine, fingerprint
    from .data.splits import split
    from .evaluation.case import CaseResult, score_volumes
    from .evaluation.folder import evaluate
    from .evaluation.lesion_table import find_lesions, measure_lesions
    from .evaluation.overlap import dice
    from .evaluation.summary import Summary
    from .evaluation.surface_distance import surface_distances
    from .inference.prediction import Prediction
    from .inference.segmenter import Segmenter
    from .io.formats.masks import write_mask
    from .io.nifti import read_label, write_volume
    from .io.scan import read_scan
    from .io.volume import Grid, Volume
    from .models.unet import UNet3D
    from .models.weights import PRETRAINED, load_networks
    from .pipeline.presets import PRESETS, RunSettings
    from .pipeline.run import Run
    from .preprocessing.cube import Cube, CubeSettings, to_cube
    from .synthesis.generator import SyntheticScans
    from .synthesis.phantom.phantom import make_phantom
    from .training.loop import train
    from .training.sampler import PatchSampler
    from .training.settings import TrainSettings
    from .view import charts, figures, slices, teaching
    from .view.report.scan_report import write_scan_report
    from .view.viewer.page import browse, edit, show

_NAMES = {  # where each public name is defined; what stands alone is a module
    "core.errors": "LiverlibError",
    "core.text": "NOT_MEDICAL format_value table",
    "data.cases": "Case find_cases find_dataset labelled",
    "data.fingerprint": "describe examine fingerprint",
    "data.splits": "split",
    "evaluation.case": "CaseResult score_volumes",
    "evaluation.folder": "evaluate",
    "evaluation.lesion_table": "find_lesions measure_lesions",
    "evaluation.overlap": "dice",
    "evaluation.summary": "Summary",
    "evaluation.surface_distance": "surface_distances",
    "inference.prediction": "Prediction",
    "inference.segmenter": "Segmenter",
    "io.formats.masks": "write_mask",
    "io.nifti": "read_label write_volume",
    "io.scan": "read_scan",
    "io.volume": "Grid Volume",
    "models.unet": "UNet3D",
    "models.weights": "PRETRAINED load_networks",
    "pipeline.presets": "PRESETS RunSettings",
    "pipeline.run": "Run",
    "preprocessing.cube": "Cube CubeSettings to_cube",
    "synthesis.generator": "SyntheticScans",
    "synthesis.phantom.phantom": "make_phantom",
    "training.loop": "train",
    "training.sampler": "PatchSampler",
    "training.settings": "TrainSettings",
    "view.report.scan_report": "write_scan_report",
    "view.viewer.page": "browse edit show",
}
_MODULES = {name: f"view.{name}" for name in ("charts", "figures", "slices", "teaching")}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(["__version__", *_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    """PEP 562: imports a public name where it is first asked for."""
    if name in _MODULES:
        value = import_module(f".{_MODULES[name]}", __name__)
    elif name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
