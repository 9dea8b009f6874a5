"""Charts of grey values, trainings, datasets and scores, with matplotlib.

Every function returns a figure, as those of `figures` do.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from liverlib.core.errors import LiverlibError
from liverlib.core.text import plain
from liverlib.evaluation.case import CaseResult
from liverlib.evaluation.lesion_matching import SIZES
from liverlib.evaluation.summary import Summary
from liverlib.io.volume import Volume

from .slices import hex_colour, window_of

Epochs = Sequence[Mapping[str, float]]  # a training's history: one row an epoch
RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")  # Okabe and Ito's
CURVES = {
    "loss": {"train_loss": ("training", "o-"), "validation_loss": ("validation", "s--")},
    "learning rate": {"learning_rate": ("", "o-")},
    "Dice of the liver, validation": {"validation_liver_dice": ("", "o-")},
    "Dice of the tumours, validation": {"validation_tumour_dice": ("", "o-")},
}


def histogram(
    scan: Volume, label: Volume, window: str | tuple[float, float] = "soft tissue"
) -> Figure:
    """Histogram of Hounsfield units in liver and in tumour, with the two ends of a window."""
    width, level = window_of(window)
    low, high = level - width / 2, level + width / 2
    bins = np.arange(low - 50, high + 51, 5)
    figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for value, name in ((1, "liver"), (2, "tumour")):
        hu = scan.voxels[label.voxels == value]
        if hu.size:
            text = f"{name}: {hu.mean():.0f} ± {hu.std():.0f} HU, {hu.size:,} voxels"
            percent = np.full(hu.size, 100 / hu.size)
            colour = hex_colour(name)
            axis.hist(hu, bins.tolist(), weights=percent, alpha=0.6, color=colour, label=text)
    for end in (low, high):
        axis.axvline(end, color="grey", linestyle="--", linewidth=1)
    axis.plot([], [], "--", color="grey", label=f"window: {low:.0f} to {high:.0f} HU")
    axis.set(xlabel="Hounsfield units", ylabel="% of the class per 5 HU", title=plain(scan.name))
    axis.legend(fontsize=8)
    return figure


def curves(
    runs: Epochs | str | Path | Mapping[str, Epochs | str | Path], against: str = "epoch"
) -> Figure:
    """Losses, learning rate and Dice of one training, or of several: ``{"original": history}``.

    A history is the list that training returns, or the path of its ``history.csv``. `against` is
    the axis below: "epoch", "step" or "seconds" of training so far. Raises `LiverlibError` for an
    unreadable file.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained", sharex=True)
    for i, (name, history) in enumerate(named.items()):
        rows = _history(history)
        below = [row[against] for row in rows]
        if against == "seconds":  # a row holds those of its epoch
            below = np.cumsum(below).tolist()
        for axis, (title, columns) in zip(axes.flat, CURVES.items(), strict=True):
            for column, (kind, style) in columns.items():
                text = f"{name} {kind}".strip() or None
                points = below, [row[column] for row in rows]
                axis.plot(*points, style, color=_run_colour(i), label=text, markersize=4)
            axis.set_title(title, fontsize=10)
    for axis in axes.flat:
        _finish(axis, against)
    return figure


def dataset_overview(rows: Sequence[Mapping]) -> Figure:
    """Livers, tumours and spacing over a dataset, from the rows of `data.fingerprint.describe`.

    A row is a case. It holds at least shape, spacing (mm), liver_ml, tumours (their number) and
    burden (tumour / liver). NaN is left out.
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


def case_strip(summary: Summary) -> Figure:
    """Dice of every case, worst tumour first, and the means with their 95 % intervals.

    Cases without a tumour in the reference come last, with the Dice of the liver alone.
    """
    cases = sorted(summary.cases, key=_tumour_dice)
    figure, (strip, means) = plt.subplots(
        1, 2, figsize=(10, 3.6), layout="constrained", sharey=True, width_ratios=(5, 1)
    )
    for i, (of, marker) in enumerate((("liver", "o"), ("tumour", "D"))):
        shown = [n for n, case in enumerate(cases) if of == "liver" or case.has_tumour]
        values = [getattr(cases[n], of).dice for n in shown]
        colour, mean = hex_colour(of), summary.measure(of, "Dice")
        strip.plot(shown, values, marker, color=colour, label=f"{of} ({len(shown)} cases)")
        if mean.n:
            means.vlines(i, mean.low, mean.high, color=colour, linewidth=3)
            means.plot(i, mean.value, marker, color=colour, markeredgecolor="black")
    few = len(cases) <= 30
    names = [plain(case.name) for case in cases] if few else []
    strip.set_xticks(range(len(names)), names)
    strip.tick_params("x", rotation=90, labelsize=8)
    strip.set(ylabel="Dice", ylim=(-0.03, 1.03), xlabel="" if few else f"{len(cases)} cases")
    strip.legend(fontsize=8, loc="lower right")
    strip.grid(alpha=0.3)
    means.set_xticks([0, 1], ["liver", "tumour"])
    means.set(xlim=(-0.6, 1.6), title="mean, 95 %")
    return figure


def bland_altman(summary: Summary) -> Figure:
    """Predicted minus reference volume of liver and tumour against the mean of both, in ml.

    Lines show the mean difference and, dashed, 1.96 standard deviations around it. Cases of
    unknown spacing are left out.
    """
    cases = [case for case in summary.cases if case.spacing_known]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, of in zip(axes, ("liver", "tumour"), strict=True):
        reference = np.array([getattr(case, of).reference_ml for case in cases])
        predicted = np.array([getattr(case, of).predicted_ml for case in cases])
        difference = predicted - reference
        axis.plot((reference + predicted) / 2, difference, "o", color=hex_colour(of), alpha=0.7)
        text = f"{of} ({len(cases)} cases)"
        if len(cases) > 1:
            mean, spread = difference.mean(), 1.96 * difference.std(ddof=1)
            text += f": {mean:+.1f} ml, {mean - spread:+.1f} to {mean + spread:+.1f}"
            for height, style in ((mean, "-"), (mean - spread, "--"), (mean + spread, "--")):
                axis.axhline(height, color="grey", linestyle=style, linewidth=1)
        axis.set_title(text, fontsize=10)
        axis.set(xlabel="mean of both volumes, ml", ylabel="predicted − reference, ml")
        axis.grid(alpha=0.3)
    return figure


def detection_by_size(runs: Summary | Mapping[str, Summary]) -> Figure:
    """Recall and precision of lesions at IoU > 0.5, by size, with 95 % intervals.

    Of one summary, or of several by name: ``{"one stage": …, "two stages": …}``. The number above
    a bar is that of its lesions.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
    wide = 0.8 / len(named)
    for axis, name in zip(axes, ("recall", "precision"), strict=True):
        for i, (run, summary) in enumerate(named.items()):
            for position, size in enumerate(SIZES):
                measure = summary.measure(f"lesion {size}", name)
                x = position + (i - (len(named) - 1) / 2) * wide
                text = run if run and not position else None
                height = np.nan_to_num(measure.value)
                axis.bar(x, height, 0.9 * wide, color=_run_colour(i), label=text)
                if measure.n:
                    axis.vlines(x, measure.low, measure.high, color="black", linewidth=1)
                axis.annotate(
                    str(measure.n), (x, 1.02), ha="center", fontsize=8, annotation_clip=False
                )
        axis.set_xticks(range(len(SIZES)), SIZES)
        axis.set(ylim=(0, 1.1), title=name)
    axes[0].set_ylabel("lesions, IoU > 0.5")
    if any(named):
        axes[0].legend(fontsize=8)
    return figure


def fingerprint_chart(rows: Sequence[Mapping]) -> Figure:
    """HU of the livers, voxel sizes and volumes, a dot a case, from the rows of `examine`.

    Cases with a suspicion are red. Unknown millilitres are left out.
    """
    rows = sorted((row for row in rows if "shape" in row), key=lambda row: row["hu"][1])
    colours = np.array([RUN_COLOURS[bool(row["suspicions"])] for row in rows])
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
    for colour, text in zip(RUN_COLOURS, ("nothing suspicious", "suspicious"), strict=False):
        axes[0].scatter([], [], 18, colour, label=text)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _tumour_dice(case: CaseResult) -> tuple[bool, float]:
    return not case.has_tumour, (case.tumour if case.has_tumour else case.liver).dice


def _run_colour(i: int) -> str:
    return RUN_COLOURS[i % len(RUN_COLOURS)]


def _finish(axis: Axes, against: str) -> None:
    axis.set_xlabel(against)
    axis.grid(alpha=0.3)
    if "Dice" in axis.get_title():
        axis.set_ylim(0, 1)
    if against == "epoch":
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)


def _history(history: Epochs | str | Path) -> list[Mapping[str, float]]:
    if not isinstance(history, str | Path):
        return list(history)
    try:
        with open(history, newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            return [{key: float(value or "nan") for key, value in row.items()} for row in rows]
    except (OSError, ValueError) as error:
        raise LiverlibError(
            f"{history}: no history of a training ({error}). Train again, or name another file."
        ) from error
