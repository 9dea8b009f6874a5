"""A run: each step's "use what is there and still valid, else make it".

It is what ``make run``, the command line and the notebooks share: asked for its cases, cubes,
training, scores or report, it makes what is missing and leaves alone what is there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.core.files import is_newer, read_json, write_json
from liverlib.core.settings import digest, to_dict
from liverlib.data.cases import Case, find_cases, labelled, present
from liverlib.data.splits import split_by
from liverlib.io.nifti import read_label
from liverlib.preprocessing.cache import contents, prepare, stat_of
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings
from liverlib.synthesis.phantom.phantom import PHANTOM_VERSION

from .paths import data_folder, phantoms, results, weights_digests
from .presets import STAGES, RunSettings, default_settings

if TYPE_CHECKING:
    from liverlib.evaluation.summary import Summary
    from liverlib.inference.segmenter import Segmenter
    from liverlib.training.history import History
    from liverlib.training.sampler import BatchSource
    from liverlib.view.viewer.page import SliceBrowser


class Run:
    """One way through: cases → cubes → training → scores → report, in ``results/<name>/``.

    `data` is a folder of labelled scans; without one the cases are phantoms. With `weights` (a
    file, such as `PRETRAINED`) these are scored, and nothing is trained. Without a `name` the run
    is named after its data and settings. Raises `LiverlibError` where a run of that name
    exists with other data or settings.

    >>> Run(data="data/Task03_Liver", name="first").stages
    ['coarse', 'roi']
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
        kind += f"-by-{weights.stem}" if weights else ""
        self.folder = results(name or f"{kind}-{digest(self._described)[:6]}")

    @cached_property
    def cases(self) -> list[Case]:
        """Every case of the dataset, the unlabelled ones too."""
        with self._timed("cases"):
            return find_cases(self.data) if self.data else phantoms(self.settings.phantom)

    @cached_property
    def parts(self) -> dict[str, list[Case]]:
        """The labelled cases to train on, to validate with, and to test."""
        return split_by(labelled(self.cases), self.settings.split)

    @property
    def stages(self) -> list[str]:
        """The stages of this run, in their order: "coarse" and, usually, "roi"."""
        return [stage for stage in STAGES if getattr(self.settings, stage).epochs]

    def cube(self, stage: str) -> CubeSettings:
        """How a scan becomes the cube that a stage sees."""
        coarse = self.settings.cube
        return coarse if stage == "coarse" else replace(coarse, crop="liver", window=ROI_WINDOW)

    def cubes(self, part: str, stage: str = "coarse") -> list[Path]:
        """A stage's cubes of one of `parts`; made of all, so that a broken file is met at once."""
        cases = [case for part in self.parts.values() for case in part]
        with self._timed("cubes"):
            try:
                paths = prepare(cases, self.cube(stage), self._cubes)
            except SomeFailed as error:  # a run needs all
                raise LiverlibError(str(error)) from error
        return [path for case, path in zip(cases, paths, strict=True) if case in self.parts[part]]

    def batches(self, stage: str) -> "BatchSource":
        """What a stage learns from: cubes, or synthetic scans where label maps are asked for."""
        from .inputs import patches, synthetic  # torch is imported when it is needed

        if self.settings.synthesis.count:
            return synthetic(self.settings, stage, self.cube(stage))
        return patches(self.settings, stage, self.cubes("train", stage))

    def train(
        self, stage: str = "coarse", on_epoch: Callable[["History"], Any] = lambda history: None
    ) -> "History":
        """The history of one stage's training, which goes on where it was stopped."""
        from liverlib.core.device import main_first
        from liverlib.training.history import finished
        from liverlib.training.loop import train

        from .checks import check_sizes
        from .inputs import initial_network

        settings, folder = getattr(self.settings, stage), self.folder / stage
        if rows := finished(folder, settings.epochs):
            self._claim()
            return rows
        check_sizes(self.settings)
        with main_first():
            self._check_cases()
            source, validation = self.batches(stage), self.cubes("validation", stage)
            self._claim()
        about = {"data": self.source, **self._described, "cube": to_dict(self.cube(stage))}
        with self._timed("training"):
            init = initial_network(self.settings.init, stage)
            return train(source, validation, folder, settings, about, on_epoch, init)

    def train_all(self) -> "History":
        """The histories of all stages, one after the other; also gathers their networks and rows
        into the run's own ``weights.safetensors`` and ``history.csv``."""
        from liverlib.core.device import is_main
        from liverlib.models.weights import load_networks, save_networks
        from liverlib.training.history import write_history

        rows = [
            {"stage": n, **row}
            for n, stage in enumerate(self.stages, 1)
            for row in self.train(stage)
        ]
        weights = self.folder / "weights.safetensors"
        parts = [self.folder / stage / "weights.safetensors" for stage in self.stages]
        stale = not weights.is_file() or any(is_newer(part, weights) for part in parts)
        if stale and is_main():
            write_history(self.folder / "history.csv", rows)
            save_networks(weights, [network for part in parts for network in load_networks(part)])
        return rows

    def segmenter(self) -> "Segmenter":
        """The trained networks, trained first where they are not."""
        from liverlib.inference.segmenter import Segmenter

        self._claim() if self.weights else self.train_all()
        return Segmenter.load(self.weights or self.folder / "weights.safetensors")

    def histories(self) -> dict[str, "History"]:
        """The history of each stage, by its name in words."""
        rows = self.train_all()
        names = ("coarse stage", "ROI stage")[: len(self.stages)]
        return {name: [r for r in rows if r["stage"] == n] for n, name in enumerate(names, 1)}

    def score(self) -> "Summary":
        """Every test case scored on its own grid, as ``metrics.json`` keeps it.

        Leaves each case's mask, overlay picture and film beside it. Raises `LiverlibError` where
        only the cubes of a test case are there.
        """
        from liverlib.evaluation.summary import Summary
        from liverlib.inference.segmenter import files_of

        from .scoring import machine, score_cases  # matplotlib is imported when it is needed

        path = self.folder / "metrics.json"
        weights = self.weights or self.folder / "weights.safetensors"
        cases = present(self.parts["test"])  # to be said before the training and not after it
        segmenter = self.segmenter()
        if not path.is_file() or any(is_newer(file, path) for file in files_of(weights)):
            with self._timed("scoring"):
                summary = score_cases(cases, segmenter, self.folder)
            about = {"data": self.source, "phantoms": self.data is None, "seconds": self.seconds}
            write_json(path, summary.to_dict() | about | machine())
        return Summary.from_dict(read_json(path), path)

    def browser(self, name: str) -> "SliceBrowser":
        """The slice browser of one scored case: its scan, its label, and its predicted mask."""
        from liverlib.view.viewer.page import show

        case = next(case for case in self.parts["test"] if case.name == name)
        scan, label = case.read()
        mask = read_label(self.folder / "masks" / f"{name}.nii.gz", scan)
        return show(scan, label, mask, title=name, size=128)

    def report(self) -> Path:
        """``report.html``, one file that shows the whole run; its slice browser the middle case."""
        from liverlib.view import charts, figures
        from liverlib.view.report.run_report import run_report

        cases = sorted(self.score().cases, key=lambda case: (not case.has_tumour, case.tumour.dice))
        if not self.weights:
            figures.save(charts.curves(self.histories()), self.folder / "losses.png")
        middle = self.browser(cases[len(cases) // 2].name)
        return run_report(self.folder, extra=middle._repr_html_())

    @property
    def source(self) -> str:
        """What the cases are, in words."""
        return str(self.data) if self.data else "phantoms (synthetic CT)"

    @property
    def _cubes(self) -> Path:
        return data_folder() / "cubes"

    @cached_property
    def _described(self) -> dict:
        """What decides the results, and so the run's name; files by their sizes and times, or by
        their content where that is known, so that fetching a scan makes no other run."""
        described = {**to_dict(self.settings), "phantom_version": PHANTOM_VERSION}
        described |= weights_digests(self.weights, self.settings.init)
        if self.settings.synthesis.count:
            from liverlib.synthesis.generator import GENERATOR_VERSION
            from liverlib.synthesis.label_maps import LABEL_MAP_VERSION

            described |= {
                "label_map_version": LABEL_MAP_VERSION,
                "generator_version": GENERATOR_VERSION,
            }
        if self.data:
            cases = [case for case in self.cases if case.label]
            known = [contents(case, self._cubes) for case in cases if case.sha256]
            files = [file for case in cases if not case.sha256 for file in case.files]
            stats = [(str(file), *stat_of(file)[:2]) for file in files]
            files_digest = digest([*known, *stats])
            described |= {"phantom": None, "phantom_version": None, "files": files_digest}
        return described

    def _check_cases(self) -> None:
        """Says once what looks wrong in the user's data; phantoms are as they should be."""
        from .checks import check_cases

        if self.data and "check" not in self.seconds:
            with self._timed("check"):
                check_cases(self.parts, self._cubes, data_folder() / "checks", self.data)

    def _claim(self) -> None:
        """Writes ``settings.json``, or makes sure that the one there says the same."""
        from .checks import named_cases

        cases = named_cases(self.parts, self.cases, self._cubes)
        content = {"data": self.source, **self._described, **cases}
        path = self.folder / "settings.json"
        if path.is_file() and read_json(path) != content:
            raise LiverlibError(
                f"{self.folder}: a run of this name exists, with other data or settings. "
                "Choose another name, or delete that folder."
            )
        write_json(path, content)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        """Adds the seconds that a block takes to those of its step."""
        started = time.monotonic()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - started
