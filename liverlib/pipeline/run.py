"""Where things are kept, and each stage's "use what is there and still valid, else make it".

A `Run` is what ``make run``, the command line and the notebooks share: asked for its cases, cubes,
training, scores or report, it makes what is missing and leaves alone what is there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liverlib.core.errors import LiverlibError
from liverlib.core.files import is_newer, read_json, write_json
from liverlib.core.settings import digest, to_dict
from liverlib.data.cases import Case, find_cases, labelled, present
from liverlib.data.splits import split_by
from liverlib.io.nifti import read_label
from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cache import contents, prepare
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings
from liverlib.synthesis.phantom.phantom import PHANTOM_VERSION

from .paths import home, phantoms
from .presets import RunSettings, default_settings

if TYPE_CHECKING:
    from liverlib.inference.segmenter import Segmenter
    from liverlib.models.unet import UNet3D
    from liverlib.view.viewer.page import SliceBrowser

STAGES = ("body", "liver")  # the part of a scan that each sees


class Run:
    """One way through: cases → cubes → training → scores → report, in ``results/<name>/``.

    `data` is a folder of labelled scans; without one the cases are phantoms. With `weights` (a
    file, such as `SHIPPED`) these are scored, and nothing is trained. Without a `name` the run is
    named after its data and settings. Raises `LiverlibError` where a run of that name
    exists with other data or settings.
    """

    def __init__(
        self,
        settings: RunSettings | None = None,
        data: str | Path | None = None,
        name: str | None = None,
        weights: Path | None = None,
    ) -> None:
        self.settings, self.weights = settings or default_settings(), weights
        self.data = Path(data).resolve() if data else None
        self.seconds: dict[str, float] = {}
        kind = self.data.name if self.data else "phantoms"
        if weights:
            kind = f"{kind}-by-{weights.stem}"
        self.folder = home() / "results" / (name or f"{kind}-{digest(self._described)[:6]}")

    @cached_property
    def cases(self) -> list[Case]:
        """Every case of the dataset, the unlabelled ones too."""
        with self._timed("cases"):
            return find_cases(self.data) if self.data else phantoms(self.settings.phantom)

    @cached_property
    def parts(self) -> dict[str, list[Case]]:
        """The labelled cases to train on, to validate with, and to test."""
        return split_by(labelled(self.cases), self.settings.split)

    def cubes(self, part: str, look: str = "body") -> list[Path]:
        """The cubes that a look has of one of `parts`; those of all are made at once, so that a
        broken file is met before the training and not after it."""
        cases = [case for part in self.parts.values() for case in part]
        with self._timed("cubes"):
            paths = prepare(cases, self.cube(look), self._cubes)
        names = {case.name for case in self.parts[part]}
        return [path for case, path in zip(cases, paths, strict=True) if case.name in names]

    def rendered(self, look: str) -> "Rendered | None":
        """What a look learns from in place of cubes, where the settings name anatomies."""
        from liverlib.core.device import best_device
        from liverlib.synthesis.generator import SyntheticScans
        from liverlib.synthesis.label_maps import write_label_maps

        anatomy = self.settings.anatomy
        if not anatomy.count:
            return None
        paths = write_label_maps(home() / "data" / "anatomies", anatomy)
        settings = getattr(self.settings, look)
        return SyntheticScans(paths, anatomy.spacing, self.cube(look), settings, best_device())

    def cube(self, look: str) -> CubeSettings:
        """How a scan becomes the cube that a look sees."""
        first = self.settings.cube
        return first if look == "body" else replace(first, crop=look, window=ROI_WINDOW)

    @property
    def looks(self) -> list[str]:
        """The looks that this run takes, in their order: "body" and, usually, "liver"."""
        return [look for look in STAGES if getattr(self.settings, look).epochs]

    def train(
        self, look: str = "body", on_epoch: Callable[[list[dict]], Any] = lambda history: None
    ) -> list[dict]:
        """The history of one look's training, which goes on where it was stopped."""
        from liverlib.core.device import main_first  # torch is imported when it is needed
        from liverlib.training.history import finished
        from liverlib.training.loop import train

        settings = getattr(self.settings, look)
        if rows := finished(self.folder / look, settings.epochs):
            self._claim()
            return rows
        with main_first():
            cubes = self.rendered(look) or self.cubes("train", look), self.cubes("validation", look)
            self._claim()
        about = {"data": self.source, **self._described, "cube": to_dict(self.cube(look))}
        with self._timed("training"):
            return train(*cubes, self.folder / look, settings, about, on_epoch, self._start(look))

    def train_all(self) -> list[dict]:
        """The histories of all looks, one after the other; also gathers their networks and rows
        into the run's own ``weights.safetensors`` and ``history.csv``."""
        from liverlib.core.device import is_main
        from liverlib.models.weights import load_networks, save_networks
        from liverlib.training.history import write_history

        rows = [
            {"look": n, **row} for n, look in enumerate(self.looks, 1) for row in self.train(look)
        ]
        weights = self.folder / "weights.safetensors"
        parts = [self.folder / look / "weights.safetensors" for look in self.looks]
        stale = not weights.is_file() or any(is_newer(part, weights) for part in parts)
        if stale and is_main():
            write_history(self.folder / "history.csv", rows)
            save_networks(weights, [one for part in parts for one in load_networks(part)])
        return rows

    def segmenter(self) -> "Segmenter":
        """The trained networks, trained first where they are not."""
        from liverlib.inference.segmenter import Segmenter

        if not self.weights:
            self.train_all()
        return Segmenter.load(self.weights or self.folder / "weights.safetensors")

    def histories(self) -> dict[str, list[dict]]:
        """The history of each look, by its name in words."""
        rows = self.train_all()
        names = ("first look", "second look")[: len(self.looks)]
        return {name: [r for r in rows if r["look"] == n] for n, name in enumerate(names, 1)}

    def score(self) -> dict:
        """The content of ``metrics.json``: every test case scored on its own grid.

        Leaves each case's mask, overlay picture and film beside it. Raises `LiverlibError` where
        only the cubes of a test case are there.
        """
        from .scoring import score_cases  # matplotlib and scipy are imported when needed

        path = self.folder / "metrics.json"
        weights = self.weights or self.folder / "weights.safetensors"
        cases = present(self.parts["test"])  # to be said before the training and not after it
        segmenter = self.segmenter()
        if path.is_file() and not is_newer(weights, path):
            return read_json(path)
        with self._timed("scoring"):
            scored = score_cases(cases, segmenter, self.folder)
        about = {"data": self.source, "made_up": self.data is None, "seconds": self.seconds}
        write_json(path, about | scored)
        return read_json(path)

    def browser(self, name: str) -> "SliceBrowser":
        """The slice browser of one scored case: its scan, its label, and the mask drawn for it."""
        from liverlib.view.viewer.page import show

        case = next(case for case in self.parts["test"] if case.name == name)
        scan, label = case.read()
        mask = read_label(self.folder / "masks" / f"{name}.nii.gz", scan)
        return show(scan, label, mask, title=name, size=128)

    def report(self) -> Path:
        """``report.html``, one file that shows the whole run; its slice browser the middle case."""
        from liverlib.view import charts, figures
        from liverlib.view.report.run_report import run_report

        cases = sorted(self.score()["cases"], key=lambda case: case["tumour_dice"])
        if not self.weights:
            figures.save(charts.curves(self.histories()), self.folder / "losses.png")
        middle = self.browser(cases[len(cases) // 2]["name"])
        return run_report(self.folder, extra=middle._repr_html_())

    def _start(self, look: str) -> "UNet3D | None":
        """The network that a look's training starts from, where the settings name weights."""
        from liverlib.models.weights import load_networks

        if not self.settings.start:
            return None
        path = PRETRAINED if self.settings.start == "shipped" else Path(self.settings.start)
        for network, about in load_networks(path):
            if (about["cube"]["crop"] == "liver") == (look == "liver"):
                return network
        raise LiverlibError(f"{path}: holds no network of the {look} look. Start from others.")

    @property
    def _cubes(self) -> Path:
        return home() / "data" / "cubes"

    @property
    def source(self) -> str:
        """What the cases are, in words."""
        return str(self.data) if self.data else "made-up CTs (phantoms)"

    @cached_property
    def _described(self) -> dict:
        """What decides the results, and so the run's name; files by their sizes and times, or by
        their content where that is known, so that fetching a scan makes no other run."""
        described = {**to_dict(self.settings), "phantom_version": PHANTOM_VERSION}
        if self.settings.anatomy.count:
            from liverlib.synthesis import generator, label_maps

            described |= {
                "anatomies": label_maps.LABEL_MAP_VERSION,
                "rendered": generator.GENERATOR_VERSION,
            }
        if self.data:
            known = [contents(case, self._cubes) for case in self.cases if case.sha256]
            files = [file for case in self.cases if not case.sha256 for file in case.files]
            stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
            described |= {"phantom": None, "drawing": None, "files": digest([*known, *stats])}
        return described

    def _claim(self) -> None:
        """Writes ``settings.json``, or makes sure that the one there says the same."""
        content = {
            "data": self.source,
            **self._described,
            "cases": {part: [case.name for case in cases] for part, cases in self.parts.items()},
        }
        path = self.folder / "settings.json"
        if path.is_file() and read_json(path) != content:
            raise LiverlibError(
                f"{self.folder}: a run of this name exists, with other data or settings. "
                "Choose another name, or delete that folder."
            )
        write_json(path, content)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds that a block takes to those of its stage."""
        started = time.monotonic()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - started
