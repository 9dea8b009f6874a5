"""The settings of a whole run, and presets of them: no torch, so that they cost no import."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from liverlib.anatomies import AnatomySettings
from liverlib.cube import CubeSettings
from liverlib.phantom import PhantomSettings
from liverlib.settings import setting


@dataclass(frozen=True)
class TrainSettings:
    """One look: its network, and how that is trained."""

    channels: tuple[int, ...] = setting((16, 32, 64, 128), "feature maps at each level")
    fold: int = setting(2, "edge of the blocks of voxels folded into channels; 1: none")
    norm: bool = setting(True, "instance norm after each convolution")
    loss: str = setting("dice+ce", "dice+ce, or ce: cross-entropy alone")
    learning_rate: float = setting(3e-3, "the highest; Adam (with decay: AdamW)")
    decay: float = setting(1e-2, "weight decay")
    warmup: int = setting(50, "steps until the highest rate, which then falls; 0: constant")
    epochs: int = setting(4, "checkpoints, validations and points on the curves; 0: no such look")
    steps: int = setting(200, "steps an epoch; 0: as many as show every case once")
    batch: int = setting(2, "windows a step, over all processes")
    at_once: int = setting(0, "of these, at a time on one device; 0: all; fewer take less memory")
    window: int = setting(64, "edge of a window in voxels; 0: the whole cube")
    tumour: float = setting(0.67, "share of windows drawn around a tumour")
    liver: float = setting(0.2, "share of windows drawn in the liver")
    augmented: bool = setting(True, "random changes of shape and grey values")
    implants: float = setting(0.0, "share of steps whose windows are given made-up tumours")
    average: float = setting(0.99, "decay of the moving average of weights that is used; 0: none")
    clip: float = setting(12.0, "largest norm of a step's gradient; 0: no limit")
    compiled: bool = setting(False, "torch.compile: a minute or two at first, then faster")
    seed: int = setting(0, "of the first weights, the windows and the changes")


SECOND_LOOK = TrainSettings(  # in the liver's own cube tumours are not so rare
    epochs=13, tumour=0.33, liver=0.5, implants=0.5
)


@dataclass(frozen=True)
class SplitSettings:
    """Who is trained on, who steers the training, and who is scored."""

    validation: float = setting(0.08, "share of the patients that steer the training")
    test: float = setting(0.16, "share of the patients kept apart to be scored")
    seed: int = setting(0, "of the shuffle")
    folds: int = setting(0, "cross-validation: each patient is tested in one of so many; 0: none")
    fold: int = setting(0, "which of the folds is tested, from 0; `test` is then not used")


@dataclass(frozen=True)
class RunSettings:
    """The settings of every stage."""

    phantom: PhantomSettings = field(default_factory=PhantomSettings)
    anatomy: AnatomySettings = field(default_factory=AnatomySettings)
    cube: CubeSettings = field(default_factory=CubeSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    body: TrainSettings = field(default_factory=TrainSettings)  # the first look
    liver: TrainSettings = field(default_factory=lambda: SECOND_LOOK)
    start: str = setting("", "weights to start from: a file, or shipped; empty: at random")


ORIGINAL = TrainSettings(  # the original project's recipe
    channels=(32, 64, 128), fold=1, norm=False, loss="ce", learning_rate=1e-4, decay=0.0,
    warmup=0, epochs=5, steps=0, window=0, tumour=0.0, liver=0.0, augmented=False,
    average=0.0, clip=0.0,
)  # fmt: skip
LARGE = {"channels": (32, 64, 128, 256), "steps": 250, "batch": 4, "compiled": True}
LARGEST = {**LARGE, "channels": (32, 64, 128, 256, 320), "window": 128}
DRAWN = {"window": 0, "batch": 4, "epochs": 10, "steps": 540, "learning_rate": 2e-3,
         "warmup": 200, "implants": 0.0, "average": 0.999}  # fmt: skip


def _on_gpu(body: int, liver: int, **settings: Any) -> RunSettings:
    """Larger networks that learn for so many epochs in the first and the second look."""
    return RunSettings(
        body=replace(TrainSettings(), epochs=body, **settings),
        liver=replace(SECOND_LOOK, epochs=liver, **settings),
    )


PRESETS = {
    "demo": RunSettings(),  # phantoms, two cores, minutes
    "gpu": _on_gpu(20, 60, window=96, **LARGE),  # 131 cases, one GPU, an hour or less
    "best": _on_gpu(40, 200, **LARGEST),  # the same in hours
    "shipped": RunSettings(  # the weights in the package: minutes on a GPU, most of a day without
        anatomy=AnatomySettings(count=240),
        body=replace(TrainSettings(), **DRAWN),
        liver=replace(SECOND_LOOK, channels=(24, 48, 96, 160), **DRAWN),
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
