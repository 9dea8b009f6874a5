"""The settings of a whole run, and presets of them: no torch, so that they cost no import."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from liverlib.core.settings import setting
from liverlib.data.splits import SplitSettings
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.label_maps import LabelMapSettings
from liverlib.synthesis.phantom.phantom import PhantomSettings
from liverlib.training.settings import ORIGINAL, ROI_DEFAULTS, TrainSettings


@dataclass(frozen=True)
class RunSettings:
    """The settings of every stage."""

    phantom: PhantomSettings = field(default_factory=PhantomSettings)
    anatomy: LabelMapSettings = field(default_factory=LabelMapSettings)
    cube: CubeSettings = field(default_factory=CubeSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    body: TrainSettings = field(default_factory=TrainSettings)  # the first look
    liver: TrainSettings = field(default_factory=lambda: ROI_DEFAULTS)
    start: str = setting("", "weights to start from: a file, or shipped; empty: at random")


LARGE = {"channels": (32, 64, 128, 256), "steps": 250, "batch": 4, "compiled": True}
LARGEST = {**LARGE, "channels": (32, 64, 128, 256, 320), "window": 128}
DRAWN = {"window": 0, "batch": 4, "epochs": 10, "steps": 540, "learning_rate": 2e-3,
         "warmup": 200, "implants": 0.0, "average": 0.999}  # fmt: skip


def _on_gpu(body: int, liver: int, **settings: Any) -> RunSettings:
    """Larger networks that learn for so many epochs in the first and the second look."""
    return RunSettings(
        body=replace(TrainSettings(), epochs=body, **settings),
        liver=replace(ROI_DEFAULTS, epochs=liver, **settings),
    )


PRESETS = {
    "demo": RunSettings(),  # phantoms, two cores, minutes
    "gpu": _on_gpu(20, 60, window=96, **LARGE),  # 131 cases, one GPU, an hour or less
    "best": _on_gpu(40, 200, **LARGEST),  # the same in hours
    "shipped": RunSettings(  # the weights in the package: minutes on a GPU, most of a day without
        anatomy=LabelMapSettings(count=240),
        body=replace(TrainSettings(), **DRAWN),
        liver=replace(ROI_DEFAULTS, channels=(24, 48, 96, 160), **DRAWN),
    ),
    "seed": RunSettings(body=ORIGINAL, liver=TrainSettings(epochs=0)),
}


def default_settings(preset: str = "demo") -> RunSettings:
    """The settings that ``make run`` starts from; small ones where LIVERLIB_FAST is set.

    The small ones go the same way with fewer, coarser phantoms and less training.
    """
    settings = PRESETS[preset]
    if not os.environ.get("LIVERLIB_FAST"):
        return settings
    return replace(
        settings,
        phantom=PhantomSettings(cases=12, size=96),
        anatomy=replace(settings.anatomy, count=min(settings.anatomy.count, 12)),
        cube=CubeSettings(size=64),
        body=_shorter(settings.body),
        liver=_shorter(settings.liver),
    )


def _shorter(train: TrainSettings) -> TrainSettings:
    return replace(
        train,
        epochs=min(train.epochs, 3),
        steps=train.steps and 40,
        window=train.window and 32,
        compiled=False,
    )
