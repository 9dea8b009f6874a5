"""The settings of a whole run, and presets of them: no torch, so that they cost no import."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from liverlib.core.settings import CheckedSettings, require, setting
from liverlib.data.splits import SplitSettings
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.label_maps import LabelMapSettings
from liverlib.synthesis.phantom.phantom import PhantomSettings
from liverlib.training.settings import ORIGINAL, ROI_DEFAULTS, TrainSettings

STAGES = ("coarse", "roi")


@dataclass(frozen=True)
class RunSettings(CheckedSettings):
    """The settings of everything that a run does.

    >>> RunSettings(roi=TrainSettings(epochs=30)).coarse.epochs
    4
    """

    phantom: PhantomSettings = field(default_factory=PhantomSettings)
    synthesis: LabelMapSettings = field(default_factory=LabelMapSettings)
    cube: CubeSettings = field(default_factory=CubeSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    coarse: TrainSettings = field(default_factory=TrainSettings)
    roi: TrainSettings = field(default_factory=lambda: ROI_DEFAULTS)
    init: str = setting("", "weights to start from: a file, or pretrained; empty: at random")

    def __post_init__(self) -> None:
        """Raises `LiverlibError` where the parts do not fit each other."""
        super().__post_init__()
        needed = "1 or more: the coarse stage finds the liver that the ROI stage sees"
        require(self.coarse.epochs > 0, "coarse.epochs", 0, needed)
        if self.synthesis.count:
            crops = "body or liver, as scans are synthesised of these"
            require(self.cube.crop != "all", "cube.crop", "all", crops)


LARGE: dict[str, Any] = {"channels": (32, 64, 128, 256), "steps": 250, "batch": 4, "compile": True}
LARGEST: dict[str, Any] = {**LARGE, "channels": (32, 64, 128, 256, 320), "patch_size": 128}
SYNTHETIC: dict[str, Any] = {
    "patch_size": 0, "batch": 4, "epochs": 10, "steps": 540, "learning_rate": 2e-3, "warmup": 200,
    "implants": 0.0, "ema_decay": 0.999,
}  # fmt: skip
GENTLE: dict[str, Any] = {
    "batch": 2, "steps": 150, "learning_rate": 3e-4, "warmup": 50, "ema_decay": 0.995, "seed": 6,
}  # fmt: skip


def _on_gpu(coarse: int, roi: int, **settings: Any) -> RunSettings:
    """Larger networks that learn for so many epochs in each stage."""
    return RunSettings(
        coarse=replace(TrainSettings(), epochs=coarse, **settings),
        roi=replace(ROI_DEFAULTS, epochs=roi, **settings),
    )


PRETRAIN = RunSettings(  # from synthetic CT alone: minutes on a GPU, most of a day without
    synthesis=LabelMapSettings(count=240),
    coarse=replace(TrainSettings(), **SYNTHETIC),
    roi=replace(ROI_DEFAULTS, channels=(24, 48, 96, 160), **SYNTHETIC),
)
PRESETS = {
    "demo": RunSettings(),  # phantoms, two cores, minutes
    "gpu": _on_gpu(20, 60, patch_size=96, **LARGE),  # 131 cases, one GPU, an hour or less
    "best": _on_gpu(40, 200, **LARGEST),  # the same in hours
    "pretrain": PRETRAIN,
    "finetune": replace(  # goes on from there, an hour on two cores
        PRETRAIN,
        coarse=replace(PRETRAIN.coarse, epochs=4, **GENTLE),
        roi=replace(PRETRAIN.roi, epochs=10, **GENTLE),
        init="pretrained",
    ),
    "original": RunSettings(coarse=ORIGINAL, roi=TrainSettings(epochs=0)),
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
        synthesis=replace(settings.synthesis, count=min(settings.synthesis.count, 12)),
        cube=CubeSettings(size=64),
        coarse=_shorter(settings.coarse),
        roi=_shorter(settings.roi),
    )


def _shorter(train: TrainSettings) -> TrainSettings:
    return replace(
        train,
        epochs=min(train.epochs, 3),
        steps=train.steps and 40,
        patch_size=train.patch_size and max(32, train.least_edge),
        compile=False,
    )
