"""Pictures that the lessons on training ask for: a network, its windows, curves that grow.

Part of `liverlib.plots`, which is where to import them from.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .charts import RUNS, History, curves
from .slices import largest_slice, render_slice

if TYPE_CHECKING:
    from torch import Tensor

STEP, DROP = 1.7, 1.3  # from box to box along the U, and from level to level


def network_diagram(shape: Mapping[str, Any], size: int = 128) -> Figure:
    """The U of a `UNet3D.shape`, applied to a cube of `size`³: boxes say channels × edge³.

    A box is as wide as it has channels, on a logarithmic scale, and as high as its cube's edge.
    """
    channels, fold = shape["channels"], shape["fold"]
    deepest = len(channels) - 1
    figure, axis = plt.subplots(figsize=(11, 1.05 * len(channels) + 0.9), layout="constrained")
    end = (2 * deepest + 1.3) * STEP
    _box(axis, -1.3 * STEP, 0, 1, 1.0, f"1 × {size}³\nimage", "0.8")
    _box(axis, end, 0, 3, 1.0, f"3 × {size}³\nlogits", "0.8")
    for level, width in enumerate(channels):
        left, right = level * STEP, (2 * deepest - level) * STEP
        share, text = 1 / fold / 2**level, f"{width} × {size // fold // 2**level}³"
        _box(axis, left, level, width, share, text, RUNS[0])
        if level < deepest:
            _box(axis, right, level, width, share, text, RUNS[2])
            _arrow(axis, (left + 0.65, level), (right - 0.65, level), "skip", "0.6", "--")
            under = level + 0.27 + 0.27 * share  # the words under the box
            _arrow(axis, (left + 0.3, under), (left + STEP - 0.2, level + 0.83), "max-pool")
            _arrow(axis, (right - STEP + 0.2, level + 0.83), (right - 0.3, under), "up")
    _arrow(axis, (-1.1 * STEP, 0), (-0.5, 0), "fold" if fold > 1 else "")
    _arrow(axis, (2 * deepest * STEP + 0.5, 0), (end - 0.4, 0), "unfold" if fold > 1 else "")
    blocks = (Patch(color=RUNS[i], label=name) for i, name in ((0, "encoders"), (2, "decoders")))
    title = "blocks of two 3 × 3 × 3 convolutions"
    axis.legend(handles=list(blocks), loc="lower left", title=title, fontsize=9, title_fontsize=9)
    axis.set(xlim=(-2 * STEP, (2 * deepest + 2) * STEP), ylim=(-(deepest + 0.5) * DROP, 0.6))
    axis.set_axis_off()
    return figure


def batch(image: "Tensor", soft_labels: "Tensor", slices: Sequence[int] | None = None) -> Figure:
    """The windows of a batch, (B, 1, …) and (B, 2, …), in a row, liver and tumour outlined.

    Each is seen from the feet, at its axial slice with most tumour, else most liver, or at the
    given ones. Grey is the image as the network sees it, from 0 (black) to 1.
    """
    grey, shares = np.asarray(image)[:, 0], np.asarray(soft_labels)
    classes = (shares >= 0.5).sum(1).astype(np.uint8)
    slices = [largest_slice(one) for one in classes] if slices is None else slices
    figure, axes = plt.subplots(
        1, len(grey), figsize=(11, 11 / len(grey) + 0.4), layout="constrained", squeeze=False
    )
    for axis, volume, label, index in zip(axes.flat, grey, classes, slices, strict=True):
        picture = render_slice(
            volume, "axial", index, label=label, window=(1, 0.5), contour=True, opacity=0.5
        )
        axis.imshow(picture)
        axis.set_title(f"slice {index} of {volume.shape[2]}", fontsize=9)
        axis.set_axis_off()
    return figure


def live_curves(epochs: int) -> Callable[[History], None]:
    """Something to give to a training as `on_epoch`: its curves, drawn anew after every epoch.

    They stay one output of the notebook's cell, which is replaced and never grows or jumps.
    """
    from IPython.display import display  # in notebooks only

    place = display("The curves appear after the first epoch.", display_id=True)

    def draw(history: History) -> None:
        figure = curves(history)
        for axis in figure.axes:
            axis.set_xlim(0.5, epochs + 0.5)
        place.update(figure)
        plt.close(figure)  # or it is shown once more below

    return draw


def fits(runs: Mapping[str, History]) -> Figure:
    """The training and validation loss of runs side by side, on one logarithmic scale."""
    figure, axes = plt.subplots(
        1, len(runs), figsize=(11, 3.4), layout="constrained", sharey=True, squeeze=False
    )
    for axis, (name, history) in zip(axes.flat, runs.items(), strict=True):
        for column, style in (("train_loss", "o-"), ("validation_loss", "s--")):
            points = ([row[key] for row in history] for key in ("step", column))
            axis.plot(*points, style, label=column.split("_")[0], markersize=4, color=RUNS[0])
        axis.set(title=name, xlabel="step", yscale="log")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("loss (logarithmic)")
    axes[0, 0].legend(fontsize=9)
    return figure


def cost(shape: Mapping[str, Any], size: int = 128) -> dict[str, float]:
    """What a network costs: its number of parameters, and for a cube of `size`³ MB and TFLOP.

    `kept_mb` (of 2²⁰ bytes, in float32) is what the forward pass of one cube keeps for the backward
    pass; `tflop` are the 10¹² operations of both. Nothing is computed: torch's meta device knows
    the shapes alone.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from liverlib.models.unet import UNet3D

    network = UNet3D(**shape).to("meta")
    kept = {}
    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(
            lambda one: kept.setdefault(one.untyped_storage()._cdata, one), lambda kept: kept
        ),
    ):
        network(torch.zeros(1, 1, size, size, size, device="meta")).sum().backward()
    weights = {p.untyped_storage()._cdata: p.untyped_storage() for p in network.parameters()}
    parameters = sum(p.numel() for p in network.parameters())
    mb = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights) / 2**20
    return {
        "parameters": parameters,
        "weights_mb": parameters * 4 / 2**20,
        "kept_mb": mb,
        "tflop": counter.get_total_flops() / 1e12,
    }


def _box(
    axis: Axes, x: float, level: int, channels: int, share: float, text: str, colour: str
) -> None:
    width, height = 0.15 * (1 + np.log2(channels)), 0.1 + 0.7 * share
    y = -level * DROP
    axis.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, color=colour, lw=0))
    axis.text(x, y - height / 2 - 0.05, text, ha="center", va="top", fontsize=9)


def _arrow(
    axis: Axes, start: tuple, stop: tuple, text: str, colour: str = "0.3", line: str = "-"
) -> None:
    """An arrow with its name; both ends are (x, level)."""
    (x0, y0), (x1, y1) = ((x, -level * DROP) for x, level in (start, stop))
    style = {"arrowstyle": "->", "color": colour, "linestyle": line, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (x1, y1), (x0, y0), arrowprops=style)
    across = {"max-pool": "right", "up": "left"}.get(text, "center")
    place = (x0 + x1) / 2, (y0 + y1) / 2 + (0.05 if across == "center" else -0.25)
    axis.text(*place, text, fontsize=8, color=colour, ha=across)
