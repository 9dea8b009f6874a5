"""Pictures that explain training: a network, its patches, its cost, and curves that grow.

Every function but `live_curves` and `cost` returns a figure, as those of `figures` do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .charts import RUN_COLOURS, Epochs, curves
from .slices import largest_slice, render_slice

if TYPE_CHECKING:
    from torch import Tensor

STEP, DROP = 1.7, 1.3  # from box to box along the U, and from level to level


def network_diagram(shape: Mapping[str, Any], size: int = 128) -> Figure:
    """The U of a network (`UNet3D.shape`) on a cube of `size`³, each box with its channels × edge³.

    The width of a box shows its channels, on a logarithmic scale. Its height shows its edge.
    """
    channels, block_size = shape["channels"], shape["block_size"]
    deepest = len(channels) - 1
    figure, axis = plt.subplots(figsize=(11, 1.05 * len(channels) + 0.9), layout="constrained")
    end = (2 * deepest + 1.3) * STEP
    _box(axis, -1.3 * STEP, 0, 1, 1.0, f"1 × {size}³\nimage", "0.8")
    _box(axis, end, 0, 3, 1.0, f"3 × {size}³\nlogits", "0.8")
    for level, width in enumerate(channels):
        left, right = level * STEP, (2 * deepest - level) * STEP
        edge, text = 1 / block_size / 2**level, f"{width} × {size // block_size // 2**level}³"
        _box(axis, left, level, width, edge, text, RUN_COLOURS[0])
        if level < deepest:
            _box(axis, right, level, width, edge, text, RUN_COLOURS[2])
            _arrow(axis, (left + 0.85, level), (right - 0.85, level), "skip", "0.6", "--")
            under = level + 0.27 * (1 + edge)  # the words under the box
            over = level + 0.9 - 0.14 * edge  # the next box
            _arrow(axis, (left + 0.3, under), (left + STEP - 0.2, over), "max-pool")
            _arrow(axis, (right - STEP + 0.2, over), (right - 0.3, under), "up")
    into, back = ("space\nto depth", "depth\nto space") if block_size > 1 else ("", "")
    _arrow(axis, (-1.1 * STEP, 0), (-0.5, 0), into)
    _arrow(axis, (2 * deepest * STEP + 0.5, 0), (end - 0.4, 0), back)
    blocks = (
        Patch(color=RUN_COLOURS[i], label=name) for i, name in ((0, "encoders"), (2, "decoders"))
    )
    title = "blocks of two 3 × 3 × 3 convolutions"
    axis.legend(handles=list(blocks), loc="lower left", title=title, fontsize=9, title_fontsize=9)
    axis.set(xlim=(-2 * STEP, (2 * deepest + 2) * STEP), ylim=(-(deepest + 0.5) * DROP, 0.6))
    axis.set_axis_off()
    return figure


def batch(image: "Tensor", soft_labels: "Tensor", slices: Sequence[int] | None = None) -> Figure:
    """The patches of a batch in a row, with liver and tumour outlined where they fill half a voxel.

    `image` is (B, 1, X, Y, Z) from 0 (black) to 1, `soft_labels` (B, 2, X, Y, Z). Each patch is
    shown at its axial slice with most tumour, or most liver, or at the given one of `slices`.
    """
    grey = np.asarray(image)[:, 0]
    classes = (np.asarray(soft_labels) >= 0.5).sum(1).astype(np.uint8)
    slices = [largest_slice(patch) for patch in classes] if slices is None else slices
    figure, axes = plt.subplots(
        1, len(grey), figsize=(11, 11 / len(grey) + 0.4), layout="constrained", squeeze=False
    )
    for axis, patch, label, index in zip(axes.flat, grey, classes, slices, strict=True):
        picture = render_slice(
            patch, "axial", index, label=label, window=(1, 0.5), contour=True, opacity=0.5
        )
        axis.imshow(picture)
        axis.set_title(f"slice {index} of {patch.shape[2]}", fontsize=9)
        axis.set_axis_off()
    return figure


def live_curves(epochs: int) -> Callable[[Epochs], None]:
    """The `on_epoch` of a training in a notebook: it plots the curves anew after every epoch.

    They are one output of the cell, which is replaced and neither grows nor jumps.
    """
    from IPython.display import display  # in notebooks only

    output = display("The curves appear after the first epoch.", display_id=True)

    def draw(history: Epochs) -> None:
        figure = curves(history)
        for axis in figure.axes:
            axis.set_xlim(0.5, epochs + 0.5)
        output.update(figure)
        plt.close(figure)  # or it is shown once more below

    return draw


def fits(runs: Mapping[str, Epochs]) -> Figure:
    """Training and validation loss of each run in a chart of its own, on one logarithmic scale."""
    figure, axes = plt.subplots(
        1, len(runs), figsize=(11, 3.4), layout="constrained", sharey=True, squeeze=False
    )
    for axis, (name, history) in zip(axes.flat, runs.items(), strict=True):
        for column, style in (("train_loss", "o-"), ("validation_loss", "s--")):
            points = ([row[key] for row in history] for key in ("step", column))
            axis.plot(
                *points, style, label=column.split("_")[0], markersize=4, color=RUN_COLOURS[0]
            )
        axis.set(title=name, xlabel="step", yscale="log")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("loss (logarithmic)")
    axes[0, 0].legend(fontsize=9)
    return figure


def appearances(
    scans: Mapping[str, Mapping[str, tuple]], synthetic: Sequence[Mapping[str, tuple]]
) -> Figure:
    """Histograms and noise spectra of scans, by name, before those of synthetic cubes in grey.

    Both are those of `synthesis.appearance.cube_appearance`: values, and what they stand at.
    """
    titles = {"liver": "the liver", "cube": "all of the cube", "noise": "noise in the liver"}
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for axis, (of, title) in zip(axes, titles.items(), strict=True):
        for values, x in (appearance[of] for appearance in synthetic):
            axis.plot(x, values, color="0.75", linewidth=0.8)
        for colour, (name, appearance) in zip(RUN_COLOURS, scans.items(), strict=False):
            values, x = appearance[of]
            axis.plot(x, values, color=colour, label=name)
        axis.set(title=title, xlabel="HU from the liver's median", ylabel="% of voxels")
    axes[2].plot([], [], color="0.75", label=f"{len(synthetic)} synthetic")
    axes[2].set(xlabel="cycles a voxel", ylabel="HU²", yscale="log")
    axes[2].legend(fontsize=8)
    return figure


def cost(shape: Mapping[str, Any], size: int = 128) -> dict[str, float]:
    """Cost of a network (`UNet3D.shape`): its parameters, and MB and TFLOP for a cube of `size`³.

    `kept_mb` is what the forward pass keeps for the backward pass. `tflop` counts the operations
    of both. An MB has 2²⁰ bytes, and numbers are float32. Nothing is computed: torch's meta device
    follows the shapes alone.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from liverlib.models.unet import UNet3D

    network = UNet3D(**shape).to("meta")
    kept: dict[int, torch.Tensor] = {}
    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.setdefault(tensor.untyped_storage()._cdata, tensor),
            lambda tensor: tensor,
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
    axis: Axes, x: float, level: int, channels: int, edge: float, text: str, colour: str
) -> None:
    """A box with words under it; `edge` is that of its cube by that of the input."""
    width, height = 0.15 * (1 + np.log2(channels)), 0.1 + 0.7 * edge
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
    above = 0.05 if across == "center" else -0.25
    axis.text((x0 + x1) / 2, (y0 + y1) / 2 + above, text, fontsize=8, color=colour, ha=across)
