"""How a network is trained: no torch, so that settings cost no import."""

from dataclasses import dataclass

from liverlib.core.settings import SEEDS, CheckedSettings, require, setting


@dataclass(frozen=True)
class TrainSettings(CheckedSettings):
    """One stage: its network, and how that is trained.

    >>> TrainSettings(epochs=30).patch_size
    64
    """

    channels: tuple[int, ...] = setting(
        (16, 32, 64, 128), "feature maps at each level", low=1, high=2048
    )
    block_size: int = setting(
        2, "edge of the blocks that space-to-depth makes channels; 1: none", low=1, high=8
    )
    norm: bool = setting(True, "instance norm after each convolution")
    loss: str = setting("dice+ce", "dice+ce, or ce: cross-entropy alone", choices=("dice+ce", "ce"))
    learning_rate: float = setting(3e-3, "the highest, of AdamW", low=1e-9, high=1)
    weight_decay: float = setting(1e-2, "of AdamW; 0: Adam", low=0, high=1)
    warmup: int = setting(
        50, "steps until the highest rate, which then falls; 0: constant", low=0, high=1_000_000
    )
    epochs: int = setting(
        4,
        "checkpoints, validations and points on the curves; 0: no such stage",
        low=0,
        high=100_000,
    )
    steps: int = setting(
        200, "steps an epoch; 0: as many as show every case once", low=0, high=1_000_000
    )
    batch: int = setting(2, "patches a step, over all processes", low=1, high=4096)
    micro_batch: int = setting(
        0, "of these, at a time on a device; 0: all; fewer take less memory", low=0, high=4096
    )
    patch_size: int = setting(64, "edge of a patch in voxels; 0: the whole cube", low=0, high=512)
    tumour_fraction: float = setting(
        0.67, "of the patches, those sampled around a tumour", low=0, high=1
    )
    liver_fraction: float = setting(
        0.2, "of the patches, those sampled in the liver", low=0, high=1
    )
    augmented: bool = setting(True, "random changes of shape and grey values")
    implants: float = setting(
        0.0, "of the patches, those that are given synthetic tumours", low=0, high=1
    )
    ema_decay: float = setting(
        0.99, "of the moving average of weights that is used; 0: none", low=0, high=1
    )
    clip: float = setting(
        12.0, "largest norm of a step's gradient; 0: no limit", low=0, high=1_000_000
    )
    compile: bool = setting(False, "torch.compile: a minute or two at first, then faster")
    seed: int = setting(
        0, "of the first weights, the patches and the changes", low=SEEDS[0], high=SEEDS[1]
    )

    def __post_init__(self) -> None:
        """Raises `LiverlibError` where a value is not allowed."""
        super().__post_init__()
        tumour, liver = self.tumour_fraction, self.liver_fraction
        allowed = f"at most 1 together with liver_fraction, which is {liver}"
        require(tumour + liver <= 1 + 1e-9, "tumour_fraction", tumour, allowed)

    @property
    def divisor(self) -> int:
        """What the network's input must divide by: it halves blocks of voxels at each level."""
        return self.block_size * 2 ** (len(self.channels) - 1)

    @property
    def least_edge(self) -> int:
        """Of the network's input: instance norm needs 2 voxels an axis at the lowest level."""
        return self.divisor * (1 + self.norm)

    def fits(self, edge: int) -> bool:
        """Whether the network learns from patches, or cubes, of this edge."""
        return edge % self.divisor == 0 and edge >= self.least_edge


ROI_DEFAULTS = TrainSettings(  # in the liver's own cube tumours are not so rare
    epochs=13, tumour_fraction=0.33, liver_fraction=0.5, implants=0.5
)
ORIGINAL = TrainSettings(  # the original project's recipe
    channels=(32, 64, 128), block_size=1, norm=False, loss="ce", learning_rate=1e-4,
    weight_decay=0.0, warmup=0, epochs=5, steps=0, patch_size=0, tumour_fraction=0.0,
    liver_fraction=0.0, augmented=False, ema_decay=0.0, clip=0.0,
)  # fmt: skip
