"""Charts: how grey values spread, how a training went, what a dataset holds, how masks score.

Part of `liverlib.plots`, which is where to import them from.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_matching import SIZES
from liverlib.io.volume import Volume

from .slices import hex_colour, window_of

if TYPE_CHECKING:
    from liverlib.evaluation.case import CaseEvaluation
    from liverlib.evaluation.summary import Evaluation

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
            text = f"{name}: {hu.mean():.0f} ± {hu.std():.0f} HU, {hu.size:,} voxels"
            shares = np.full(hu.size, 100 / hu.size)
            axis.hist(hu, bins, weights=shares, alpha=0.6, color=hex_colour(name), label=text)
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
                text = f"{name} {kind}".strip() or None
                axis.plot(*points, style, color=RUNS[i % len(RUNS)], label=text, markersize=4)
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


def case_strip(evaluation: "Evaluation") -> Figure:
    """Dice of every case, worst tumour first, and the means with their 95 % intervals.

    Cases without a tumour in the reference come last, with the liver alone.
    """
    cases = sorted(evaluation.cases, key=_tumour_dice)
    measures = {one.of: one for one in evaluation.measures if one.measure == "Dice"}
    figure, (strip, means) = plt.subplots(
        1, 2, figsize=(10, 3.6), layout="constrained", sharey=True, width_ratios=(5, 1)
    )
    for i, (of, marker) in enumerate((("liver", "o"), ("tumour", "D"))):
        kept = [n for n, case in enumerate(cases) if of == "liver" or case.score.has_tumour]
        values = [getattr(cases[n], of).dice for n in kept]
        colour = hex_colour(of)
        strip.plot(kept, values, marker, color=colour, label=f"{of} ({len(kept)} cases)")
        mean = measures[of]
        if mean.n:
            means.vlines(i, mean.low, mean.high, color=colour, linewidth=3)
            means.plot(i, mean.value, marker, color=colour, markeredgecolor="black")
    few = len(cases) <= 30
    strip.set_xticks(range(len(cases)) if few else [], [c.name for c in cases] if few else [])
    strip.tick_params("x", rotation=90, labelsize=8)
    strip.set(ylabel="Dice", ylim=(-0.03, 1.03), xlabel="" if few else f"{len(cases)} cases")
    strip.legend(fontsize=8, loc="lower right")
    strip.grid(alpha=0.3)
    means.set_xticks([0, 1], ["liver", "tumour"])
    means.set(xlim=(-0.6, 1.6), title="mean, 95 %")
    return figure


def bland_altman(evaluation: "Evaluation") -> Figure:
    """Predicted less true volume of liver and tumour against their mean, in ml.

    Lines: the mean difference and, dashed, 1.96 standard deviations around it. Cases of unknown
    spacing are left out.
    """
    scores = [case.score for case in evaluation.cases if case.spacing_known]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, of in zip(axes, ("liver", "tumour"), strict=True):
        true = np.array([getattr(score, f"{of}_ml") for score in scores])
        predicted = np.array([getattr(score, f"predicted_{of}_ml") for score in scores])
        apart = predicted - true
        axis.plot((true + predicted) / 2, apart, "o", color=hex_colour(of), alpha=0.7)
        text = f"{of} ({len(scores)} cases)"
        if len(scores) > 1:
            mean, spread = apart.mean(), 1.96 * apart.std(ddof=1)
            text += f": {mean:+.1f} ml, {mean - spread:+.1f} to {mean + spread:+.1f}"
            for height, style in ((mean, "-"), (mean - spread, "--"), (mean + spread, "--")):
                axis.axhline(height, color="grey", linestyle=style, linewidth=1)
        axis.set_title(text, fontsize=10)
        axis.set(xlabel="mean of predicted and true, ml", ylabel="predicted - true, ml")
        axis.grid(alpha=0.3)
    return figure


def detection_by_size(runs: "Evaluation | Mapping[str, Evaluation]") -> Figure:
    """Recall and precision of lesions at an overlap above one half, by size, with intervals.

    Of one evaluation, or of several by name: ``{"one look": …, "two looks": …}``. The number
    above a bar is that of the lesions behind it.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
    wide = 0.8 / len(named)
    for axis, quotient in zip(axes, ("recall", "precision"), strict=True):
        for i, (name, evaluation) in enumerate(named.items()):
            found = {one.of: one for one in evaluation.measures if one.measure == quotient}
            for place, size in enumerate(SIZES):
                one, x = found[f"lesion {size}"], place + (i - (len(named) - 1) / 2) * wide
                text = name if name and not place else None
                axis.bar(x, np.nan_to_num(one.value), 0.9 * wide, color=RUNS[i % 5], label=text)
                if one.n:
                    axis.vlines(x, one.low, one.high, color="black", linewidth=1)
                axis.annotate(str(one.n), (x, 1.02), ha="center", fontsize=8, annotation_clip=False)
        axis.set_xticks(range(len(SIZES)), SIZES)
        axis.set(ylim=(0, 1.1), title=quotient)
    if any(named):
        axes[0].legend(fontsize=8)
    return figure


def _tumour_dice(case: "CaseEvaluation") -> tuple[bool, float]:
    return not case.score.has_tumour, case.tumour.dice if case.score.has_tumour else case.liver.dice


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
    for colour, text in zip(RUNS, ("nothing looks wrong", "look at it"), strict=False):
        axes[0].scatter([], [], 18, colour, label=text)
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
