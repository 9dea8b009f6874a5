"""Charts: how grey values spread, how a training went, what a dataset holds.

Part of `liverlib.plots`, which is where to import them from.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from liverlib import LiverlibError
from liverlib.render import hex_colour, window_of
from liverlib.scan import Volume

History = Sequence[Mapping[str, float]]
RUNS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")  # Okabe and Ito's, one a run
CURVES = {
    "loss": {"train_loss": ("training", "o-"), "validation_loss": ("validation", "s--")},
    "learning rate": {"learning_rate": ("", "o-")},
    "Dice of the liver, validation": {"validation_liver_dice": ("", "o-")},
    "Dice of the tumours, validation": {"validation_tumour_dice": ("", "o-")},
}


def histogram(
    scan: Volume, label: Volume, window: str | tuple[float, float] = "soft tissue"
) -> Figure:
    """How Hounsfield units spread in liver and in tumour, with the window's two ends."""
    width, level = window_of(window)
    low, high = level - width / 2, level + width / 2
    bins = np.arange(low - 50, high + 51, 5)
    figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for value, name in ((1, "liver"), (2, "tumour")):
        hu = scan.voxels[label.voxels == value]
        if hu.size:
            said = f"{name}: {hu.mean():.0f} ± {hu.std():.0f} HU, {hu.size:,} voxels"
            shares = np.full(hu.size, 100 / hu.size)
            axis.hist(hu, bins, weights=shares, alpha=0.6, color=hex_colour(name), label=said)
    for end in (low, high):
        axis.axvline(end, color="grey", linestyle="--", linewidth=1)
    axis.plot([], [], "--", color="grey", label=f"window: {low:.0f} to {high:.0f} HU")
    axis.set(xlabel="Hounsfield units", ylabel="share of the class, % per 5 HU", title=scan.name)
    axis.legend(fontsize=8)
    return figure


def curves(
    runs: History | str | Path | Mapping[str, History | str | Path], against: str = "epoch"
) -> Figure:
    """Losses, Dice and learning rate of one run, or of several by name: ``{"seed": history}``.

    A history is the list that training returns or the path of its ``history.csv``. `against`
    is what to count along: "epoch", "step" or "seconds".
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained", sharex=True)
    for i, (name, history) in enumerate(named.items()):
        rows = _history(history)
        for axis, (title, columns) in zip(axes.flat, CURVES.items(), strict=True):
            for column, (kind, style) in columns.items():
                points = ([row[key] for row in rows] for key in (against, column))
                said = f"{name} {kind}".strip() or None
                axis.plot(*points, style, color=RUNS[i % len(RUNS)], label=said, markersize=4)
            axis.set_title(title, fontsize=10)
    for axis in axes.flat:
        _finish(axis, against)
    return figure


def dataset_overview(rows: Sequence[Mapping]) -> Figure:
    """Livers, tumours and spacing over a dataset.

    A row is a case: name, shape, spacing (mm, in the order of the axes), liver_ml, tumours (their
    number), tumour_ml and burden (a share). NaN, where the spacing is unknown, is left out.
    """
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
    liver, burden, tumours = (
        np.array([row[key] for row in rows], float) for key in ("liver_ml", "burden", "tumours")
    )
    spacing, depth = ([row[key][2] for row in rows] for key in ("spacing", "shape"))
    liver, burden = liver[np.isfinite(liver)], np.sort(burden[np.isfinite(burden)])[::-1]
    whole = np.arange(np.nanmax(tumours, initial=0) + 2) - 0.5
    axes[0, 0].hist(liver, bins="auto", color=hex_colour("liver"), edgecolor="white")
    axes[0, 0].set(xlabel="liver, ml", ylabel="cases", title=f"liver volume ({liver.size} cases)")
    axes[0, 1].hist(tumours, bins=whole, color=hex_colour("tumour"), edgecolor="white")
    free = np.count_nonzero(tumours == 0)
    axes[0, 1].set(xlabel="tumours in a case", ylabel="cases", title=f"tumours ({free} without)")
    axes[1, 0].bar(np.arange(burden.size) + 1, 100 * burden, color=hex_colour("tumour"))
    axes[1, 0].set(
        xlabel="cases, most burdened first", ylabel="tumour / liver, %", title="tumour burden"
    )
    axes[1, 1].plot(spacing, depth, "o", color=hex_colour("agreed"), alpha=0.6)
    axes[1, 1].set(xlabel="from slice to slice, mm", ylabel="slices", title="axial slices")
    for axis in axes.flat[:2]:
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def fingerprint(rows: Sequence[Mapping]) -> Figure:
    """The rows of `check.examine`, a dot a case: HU of the livers, their size, voxels and extent.

    Cases with a suspicion are red. Millilitres and millimetres that are unknown are left out.
    """
    rows = sorted((row for row in rows if "shape" in row), key=lambda row: row["hu"][1])
    colours = np.array([RUNS[1] if row["suspicions"] else RUNS[0] for row in rows])
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    low, middle, high = np.array([row["hu"] for row in rows]).reshape(-1, 3).T
    axes[0].vlines(range(len(rows)), low, high, colours, alpha=0.5)
    axes[0].scatter(range(len(rows)), middle, 12, colours)
    axes[0].set(xlabel="cases", ylabel="HU", title="livers: median, 0.5 to 99.5 %")
    spacing = np.array([row["spacing"] for row in rows]).reshape(-1, 3)
    axes[1].scatter(spacing[:, 0], spacing[:, 2], 18, colours, alpha=0.6)
    axes[1].set(xlabel="in the slice, mm", ylabel="from slice to slice, mm", title="voxels")
    volumes = ([row[key] for row in rows] for key in ("liver_ml", "burden"))
    axes[2].scatter(*volumes, 18, colours, alpha=0.6)
    axes[2].set(xlabel="liver, ml", ylabel="tumour / liver", title="livers and tumours")
    for colour, said in zip(RUNS, ("nothing looks wrong", "look at it"), strict=False):
        axes[0].scatter([], [], 18, colour, label=said)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _finish(axis: Axes, against: str) -> None:
    axis.set_xlabel(against)
    axis.grid(alpha=0.3)
    if "Dice" in axis.get_title():
        axis.set_ylim(0, 1)
    if against == "epoch":
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)


def _history(history: History | str | Path) -> list[Mapping[str, float]]:
    if not isinstance(history, str | Path):
        return list(history)
    try:
        with open(history, newline="") as file:
            rows = csv.DictReader(file)
            return [{key: float(value or "nan") for key, value in row.items()} for row in rows]
    except (OSError, ValueError) as error:
        raise LiverlibError(
            f"{history}: no history of a training ({error}). Train again, or give another file."
        ) from error
