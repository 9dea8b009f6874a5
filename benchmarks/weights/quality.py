"""Fits what a prediction is worth: the liver's predicted Dice, and the chance that a lesion is one.

Phantoms of many kinds are segmented with the weights; usual ones, and scans worsened on purpose.
Each kind is left out once: what was fitted to the others is checked on it. So the interval's
coverage and the calibration are those of kinds that the fit never saw. What is written beside the
weights is fitted to all of them. Two processes take about ten minutes on two idle cores.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import lsq_linear, minimize
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import RESULTS, Report
from scans import ALIKE, KINDS, Pair, between_arms, noisy, with_dark_band

from liverlib.core.arrays import find_pieces
from liverlib.core.files import write_json
from liverlib.core.parallel import in_processes
from liverlib.evaluation.lesion_table import measure_lesions
from liverlib.evaluation.overlap import dice
from liverlib.inference.contrasts import INVERTED, STRETCHED, ChangedContrast
from liverlib.inference.prediction import Prediction
from liverlib.inference.quality.calibration import (
    VERSION,
    Calibration,
    Linear,
    calibration_path,
    from_dice,
    to_dice,
)
from liverlib.inference.quality.features import Features, lesion_features, liver_features
from liverlib.inference.segmenter import SHIFTS, Segmenter, probabilities
from liverlib.io.provenance import sha256_of
from liverlib.io.volume import Grid, Volume
from liverlib.models.weights import PRETRAINED
from liverlib.pipeline.presets import STAGES
from liverlib.synthesis.phantom import body
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom, make_phantom_of
from liverlib.view import figures

SEED, SIZE = 2024, 128
LEAST_IOU = 0.1  # with a true lesion (Jaeger et al., Retina U-Net, 2020)
RIDGE, LESION_RIDGE = 3.0, 1.0
EITHER_SIGN = ("deviation of grey values",)
BINS = 10
Contrasts = tuple[ChangedContrast, ...]
Change = Callable[[Volume, Volume, int], Pair]


@dataclass(frozen=True)
class Case:
    """What one prediction shows, and what it is worth."""

    kind: str
    liver: Features
    liver_dice: float
    shifts: Features  # how much the liver stays the same when each stage's cube is moved
    lesions: Sequence[tuple[Features, float, bool]]  # features, mean probability, whether it is one


def usual(scan: Volume, label: Volume, _: int) -> Pair:
    return scan, label


def blurred(scan: Volume, label: Volume, seed: int) -> Pair:
    """Smoothed by 2 to 6 mm."""
    sigma = np.random.default_rng(seed).uniform(2, 6) / scan.grid.spacing
    return with_hu(scan, gaussian_filter(scan.voxels.astype(np.float32), sigma)), label


def very_noisy(scan: Volume, label: Volume, seed: int) -> Pair:
    random = np.random.default_rng(seed)
    noise = random.normal(0, random.uniform(30, 90), scan.voxels.shape)
    return with_hu(scan, scan.voxels + noise), label


def shifted(scan: Volume, label: Volume, seed: int) -> Pair:
    """All values 25 to 60 HU too low or too high."""
    random = np.random.default_rng(seed)
    return with_hu(scan, scan.voxels + random.choice([-1, 1]) * random.uniform(25, 60)), label


def cropped(scan: Volume, label: Volume, seed: int) -> Pair:
    """Only part of the liver's height."""
    random, used = np.random.default_rng(seed), np.flatnonzero(label.voxels.any(axis=(0, 1)))
    low, high = np.quantile(used, [0, random.uniform(0.3, 0.7)]).astype(int)
    if random.random() < 0.5:
        low, high = used[0] + used[-1] - high, used[-1]
    z = slice(max(0, low), max(high + 1, low + 8))
    affine = np.diag([*scan.grid.spacing, 1.0])
    volumes = (scan.voxels[:, :, z], label.voxels[:, :, z])
    first, second = (Volume(v, Grid.of(v.shape, affine), scan.name) for v in volumes)
    return first, second


def mirrored(scan: Volume, label: Volume, _: int) -> Pair:
    return replace(scan, voxels=scan.voxels[::-1]), replace(label, voxels=label.voxels[::-1])


def upside_down(scan: Volume, label: Volume, _: int) -> Pair:
    flipped = (replace(volume, voxels=volume.voxels[:, :, ::-1]) for volume in (scan, label))
    first, second = flipped
    return first, second


def holes(scan: Volume, label: Volume, seed: int) -> Pair:
    """Dark bands of metal through the liver."""
    random = np.random.default_rng(seed)
    band = np.zeros(scan.voxels.shape, np.float32)
    for _ in range(4):
        y = random.choice(label.voxels.nonzero()[1])
        distance = (np.arange(scan.voxels.shape[1]) - y) * scan.grid.spacing[1]
        band += random.uniform(40, 160) * np.exp(-((distance / 5) ** 2))[:, None]
    return with_hu(scan, scan.voxels - band), label


def with_hu(scan: Volume, hu: np.ndarray) -> Volume:
    return replace(scan, voxels=np.clip(np.rint(hu), -1024, 3071).astype(np.int16))


CHANGES: dict[str, Change] = {
    "usual": usual,
    "hard": usual,
    "with a dark band": lambda scan, label, _: with_dark_band(scan, label),
    "between arms": between_arms,
    "noisy": noisy,
    "very noisy": very_noisy,
    "blurred": blurred,
    "shifted": shifted,
    "cropped": cropped,
    "streaks": holes,
    "mirrored": mirrored,
    "upside down": upside_down,
}
ALL = [*CHANGES, *KINDS]


def main() -> None:
    options = arguments()
    today = Calibration.of(options.weights)
    contrasts = (STRETCHED, INVERTED) if options.contrasts else today.contrasts if today else ()
    tasks = [(options.weights, contrasts, kind, n) for n in range(options.cases) for kind in ALL]
    cases = [case for case in in_processes(make_case, tasks, options.workers, "cases") if case]
    with Report(__file__) as report:
        held_out = check_liver(report, cases)
        lesions = check_lesions(report, cases)
        draw(held_out, lesions, RESULTS / "quality.png")
        report.text("![predicted against true](quality.png)")
        calibration = fit(cases, options.weights, contrasts)
        path = calibration_path(options.weights)
        write_json(path, calibration)
        report.text(f"Fitted to all kinds: {path.name}.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="?", default=PRETRAINED)
    parser.add_argument("--cases", type=int, default=32, help="phantoms of each kind")
    parser.add_argument("--workers", type=int, help="processes (default: one a processor)")
    parser.add_argument("--contrasts", action="store_true", help="as of the pretrained")
    return parser.parse_args()


_SEGMENTERS: dict[Path, Segmenter] = {}  # one in each process


def make_case(weights: Path, contrasts: Contrasts, kind: str, n: int) -> Case | None:
    """One phantom of a kind, segmented; None where the stages find no liver at all."""
    if weights not in _SEGMENTERS:
        bare = replace(Segmenter.load(weights), calibration=None)
        _SEGMENTERS[weights] = replace(bare, contrasts=contrasts)
    segmenter = _SEGMENTERS[weights]
    scan, label = phantom(kind, n)
    prediction = segmenter.predict(scan)
    if len(prediction.stages) < 2 or prediction.stages[-1].box is None:
        return None
    mask = prediction.mask.voxels
    table = measure_lesions(scan, prediction)
    reference, found = find_pieces(label.voxels, 2), find_pieces(mask, 2)
    references = [
        reference.mask(np.arange(len(reference.sizes)) == i) for i in range(len(reference.sizes))
    ]
    lesions = []
    order = np.argsort(-found.sizes, kind="stable")
    for lesion, number in zip(table.lesions, order, strict=True):
        part, box = found.part(int(number))
        best = max((iou(part, other[box], other.sum()) for other in references), default=0.0)
        features = lesion_features(lesion, prediction.stages[-1])
        lesions.append((features, lesion.probability, best > LEAST_IOU))
    value = dice(label.voxels >= 1, mask >= 1)
    shifts = over_shifts(segmenter, prediction)
    return Case(kind, liver_features(prediction.stages), value, shifts, lesions)


def over_shifts(segmenter: Segmenter, prediction: Prediction) -> Features:
    """Of each stage: the Dice of its liver as predicted and as predicted of the moved cube."""
    features = {}
    stages = zip(STAGES, (segmenter.coarse, segmenter.roi), prediction.stages, strict=True)
    for name, stage, output in stages:
        moved = probabilities(stage.networks[0], output.cube, SHIFTS[1])
        value = dice(output.probabilities[0, 0] >= 0.5, moved[0] >= 0.5)
        features[f"agreement over shifts, {name} stage"] = from_dice(value)
    return features


def iou(part: np.ndarray, other: np.ndarray, size: int) -> float:
    common = float((part & other).sum())
    return common / (part.sum() + size - common)


def phantom(kind: str, n: int) -> Pair:
    """The nth phantom of a kind; equal n give other bodies in other kinds."""
    seed = SEED + ALL.index(kind)
    settings = PhantomSettings(seed=seed, size=SIZE, tumour_free=0.3)
    if kind in KINDS:
        return make_phantom_of(KINDS[kind], n, settings)[:2]
    hu = dict(body.TISSUE_HU)
    if kind != "usual" and (kind == "hard" or n % 2):
        body.TISSUE_HU.update(dict.fromkeys(ALIKE, hu["liver"]))
    scan, label = make_phantom(n, settings)
    body.TISSUE_HU.update(hu)
    return CHANGES[kind](scan, label, n)


def table_of(rows: Sequence[Features]) -> tuple[list[str], np.ndarray]:
    names = list(rows[0])
    return names, np.array([[row[name] for name in names] for row in rows])


def linear(names: list[str], values: np.ndarray, coefficients: np.ndarray) -> Linear:
    """`coefficients` hold the intercept first."""
    means, deviations = np.nanmean(values, axis=0), np.nanstd(values, axis=0) + 1e-9
    parts = (
        dict(zip(names, map(float, part), strict=True))
        for part in (coefficients[1:], means, deviations)
    )
    return Linear(float(coefficients[0]), *parts)


def standardised(values: np.ndarray) -> np.ndarray:
    scaled = (values - np.nanmean(values, axis=0)) / (np.nanstd(values, axis=0) + 1e-9)
    return np.column_stack([np.ones(len(values)), np.nan_to_num(scaled)])


def fit_liver(cases: Sequence[Case]) -> Linear:
    """Ridge regression in which agreement and sureness speak for a mask, or not at all."""
    names, values = table_of([case.liver for case in cases])
    x, y = standardised(values), np.array([from_dice(case.liver_dice) for case in cases])
    penalty = np.sqrt(RIDGE) * np.eye(1 + len(names))[1:]
    least = [-np.inf] + [-np.inf if name in EITHER_SIGN else 0.0 for name in names]
    rows, aims = np.vstack([x, penalty]), np.append(y, np.zeros(len(names)))
    return linear(names, values, lsq_linear(rows, aims, (least, np.inf)).x)


def errors_of(cases: Sequence[Case]) -> np.ndarray:
    """True minus predicted values of each kind, as fitted to the other kinds."""
    errors = []
    for kind in {case.kind for case in cases}:
        model = fit_liver([case for case in cases if case.kind != kind])
        errors += [from_dice(c.liver_dice) - model(c.liver) for c in cases if c.kind == kind]
    return np.array(errors)


def interval_of(cases: Sequence[Case]) -> tuple[float, float]:
    low, high = np.quantile(errors_of(cases), [0.1, 0.9])
    return float(low), float(high)


HeldOut = tuple[str, float, tuple[float, float, float]]  # kind, true Dice, predicted interval


def check_liver(report: Report, cases: Sequence[Case]) -> list[HeldOut]:
    """The predicted Dice of each kind by what was fitted, and by an interval found, without it."""
    held_out = predicted_without_own_kind(cases)
    rows = [row_of(kind, [item for item in held_out if item[0] == kind]) for kind in ALL]
    rows.append(row_of("all kinds", held_out))
    moved = [replace(case, liver={**case.liver, **case.shifts}) for case in cases]
    rows.append(row_of("all kinds, with shifts", predicted_without_own_kind(moved)))
    report.text("The liver's Dice, of each kind by a fit that never saw it.")
    report.table(rows)
    true, predicted = (np.array(v) for v in zip(*((t, p[1]) for _, t, p in held_out), strict=True))
    ranks = [v.argsort().argsort() for v in (true, predicted)]
    report.text(
        f"Correlation of predicted and true Dice: {np.corrcoef(true, predicted)[0, 1]:.2f}; of "
        f"their ranks: {np.corrcoef(*ranks)[0, 1]:.2f}. n = {len(true)}."
    )
    weights = fit_liver(moved).weights
    told = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    report.text(f"With shifts, each feature's weight: {told}. So shifts are left out.")
    return held_out


def predicted_without_own_kind(cases: Sequence[Case]) -> list[HeldOut]:
    """The true Dice of each case, and the interval that a fit to the other kinds predicts."""
    held_out = []
    for kind in ALL:
        others = [case for case in cases if case.kind != kind]
        model, interval = fit_liver(others), interval_of(others)
        for case in cases:
            if case.kind == kind:
                middle = model(case.liver)
                low, high = (to_dice(middle + error) for error in interval)
                held_out.append((kind, case.liver_dice, (low, to_dice(middle), high)))
    return held_out


def row_of(kind: str, part: Sequence[HeldOut]) -> dict[str, str]:
    true, predicted = np.array([t for _, t, _ in part]), np.array([p for _, _, p in part])
    within = (true >= predicted[:, 0] - 5e-4) & (true <= predicted[:, 2] + 5e-4)
    return {
        "kind": kind,
        "n": str(len(part)),
        "true Dice, mean": f"{true.mean():.3f}",
        "predicted": f"{predicted[:, 1].mean():.3f}",
        "mean error": f"{np.abs(true - predicted[:, 1]).mean():.3f}",
        "in the 80 % interval": f"{100 * within.mean():.0f} %",
    }


def fit_lesion(lesions: Sequence[tuple[Features, float, bool]]) -> Linear:
    """Logistic regression with a little ridge."""
    names, values = table_of([features for features, _, _ in lesions])
    x, y = standardised(values), np.array([right for _, _, right in lesions], float)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        slope = x.T @ (expit(z) - y) + LESION_RIDGE * np.append(0, w[1:])
        return float(np.logaddexp(0, z).sum() - y @ z + LESION_RIDGE * (w[1:] @ w[1:]) / 2), slope

    return linear(names, values, minimize(loss, np.zeros(x.shape[1]), jac=True).x)


Judged = tuple[np.ndarray, np.ndarray, np.ndarray]  # mean probability, chance, whether it is one


def check_lesions(report: Report, cases: Sequence[Case]) -> Judged:
    """The reliability of probabilities and of chances, of each kind by a fit without it."""
    before, after, right = [], [], []
    for kind in ALL:
        own = [lesion for case in cases if case.kind == kind for lesion in case.lesions]
        model = fit_lesion([x for case in cases if case.kind != kind for x in case.lesions])
        before += [probability for _, probability, _ in own]
        after += [float(expit(model(features))) for features, _, _ in own]
        right += [is_one for _, _, is_one in own]
    judged = np.array(before), np.array(after), np.array(right, float)
    named = {"mean probability": judged[0], "calibrated chance": judged[1]}
    rows = [
        {
            "lesions": name,
            "n": len(right),
            "expected calibration error": f"{ece(p, judged[2]):.3f}",
            "Brier score": f"{((p - judged[2]) ** 2).mean():.3f}",
            "area under ROC": f"{auc(p, judged[2]):.3f}",
        }
        for name, p in named.items()
    ]
    report.text(
        f"Lesions, right at an IoU above {LEAST_IOU} with a true one: "
        f"{100 * judged[2].mean():.0f} % are. Of each kind by a fit that never saw it."
    )
    report.table(rows)
    return judged


def ece(p: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error in ten bins of equal width (Guo et al., ICML 2017)."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    parts = [(p[bins == b], right[bins == b]) for b in np.unique(bins)]
    return float(sum(abs(q.mean() - r.mean()) * len(q) for q, r in parts) / len(p))


def auc(p: np.ndarray, right: np.ndarray) -> float:
    """The chance that a true lesion has the higher value of two."""
    ahead = p[right == 1][:, None] - p[right == 0]
    return float((ahead > 0).mean() + 0.5 * (ahead == 0).mean())


def draw(held_out: Sequence[tuple], judged: Judged, path: Path) -> None:
    """Predicted against true Dice with intervals, and the reliability of lesions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5))
    left, right = figure.subplots(1, 2)
    for kind in ALL:
        part = [item for item in held_out if item[0] == kind]
        predicted = np.array([item[2] for item in part])
        left.plot(predicted[:, 1], [item[1] for item in part], ".", label=kind)
    left.plot([0, 1], [0, 1], "k:", lw=1)
    left.set(xlabel="predicted liver Dice", ylabel="true liver Dice", title="kinds left out")
    left.legend(fontsize=7)
    for name, p in (("mean probability", judged[0]), ("calibrated chance", judged[1])):
        bins = np.minimum((p * BINS).astype(int), BINS - 1)
        points = [(p[bins == b].mean(), judged[2][bins == b].mean()) for b in np.unique(bins)]
        right.plot(*zip(*points, strict=True), "o-", label=f"{name}, ECE {ece(p, judged[2]):.2f}")
    right.plot([0, 1], [0, 1], "k:", lw=1)
    right.set(xlabel="said", ylabel="share that are lesions", title="lesions")
    right.legend(fontsize=8)
    figures.save(figure, path)


def fit(cases: Sequence[Case], weights: Path, contrasts: Contrasts) -> dict:
    """The content of the calibration's file."""
    lesions = [lesion for case in cases for lesion in case.lesions]
    return {
        "version": VERSION,
        "weights": sha256_of(weights),
        "cases": len(cases),
        "lesions": len(lesions),
        "liver": asdict(fit_liver(cases)),
        "interval": list(interval_of(cases)),
        "lesion": asdict(fit_lesion(lesions)),
        "contrasts": [asdict(contrast) for contrast in contrasts],
    }


if __name__ == "__main__":
    main()
