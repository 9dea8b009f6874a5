"""How a network is trained: no torch, so that settings cost no import."""

from dataclasses import dataclass

from liverlib.core.settings import setting


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


ROI_DEFAULTS = TrainSettings(  # in the liver's own cube tumours are not so rare
    epochs=13, tumour=0.33, liver=0.5, implants=0.5
)
ORIGINAL = TrainSettings(  # the original project's recipe
    channels=(32, 64, 128), fold=1, norm=False, loss="ce", learning_rate=1e-4, decay=0.0,
    warmup=0, epochs=5, steps=0, window=0, tumour=0.0, liver=0.0, augmented=False,
    average=0.0, clip=0.0,
)  # fmt: skip
