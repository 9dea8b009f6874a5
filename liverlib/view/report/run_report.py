"""The report of a run: one page of HTML with scores, curves, pictures, films and settings.

The page is one file (see `html`), so that it can be kept, sent and printed.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, read_json
from liverlib.core.text import NOT_MEDICAL, number
from liverlib.evaluation.bootstrap import Measure
from liverlib.evaluation.case import CaseResult
from liverlib.evaluation.lesion_matching import SIZES
from liverlib.evaluation.summary import Summary

from .html import html_table, image, page, section

MAX_FILMS = 8  # in the page; each is about three quarters of a megabyte
DICE = {  # rows of the table of Dice: object and measure
    "liver, tumours included": ("liver", "Dice"),
    "tumour, in cases that have one": ("tumour", "Dice"),
    "tumour, all cases, LiTS rule": ("tumour", "Dice, LiTS rule"),
}
SURFACES = {  # measures by their name: heading, digits
    "ASSD": ("ASSD, mm", 2),
    "HD95": ("HD95, mm", 2),
    "surface Dice 1 mm": ("surface Dice, 1 mm", 3),
}


def run_report(folder: str | Path, extra: str = "") -> Path:
    """Writes ``report.html`` into a run's folder and returns its path.

    Reads metrics.json and, where they exist, settings.json, history.csv or losses.png,
    overlays/*.png and films/*.gif. `extra` is HTML put in unescaped, such as a slice browser's
    frame. Raises `LiverlibError` where metrics.json is missing, broken or of another schema.
    """
    folder = Path(folder)
    name = folder.resolve().name
    scores, origin = _of_metrics(folder / "metrics.json", name)
    parts = (
        scores,
        section("Slices", f'<div class="wide">{extra}</div>' if extra else ""),
        section("Training", _curves(folder)),
        section("Overlays", _overlays(folder)),
        section("Films", _films(folder)),
        section("Settings", _settings(folder)),
        origin,
    )
    path = folder / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(page(name, "\n".join(filter(None, parts))), encoding="utf-8")
    return path


def _of_metrics(path: Path, name: str) -> tuple[str, str]:
    """All that metrics.json tells: the heading with the scores, and how they were made."""
    metrics = read_json(path)
    try:
        summary = Summary.from_dict(metrics, path)
        parts = (
            _heading(name, metrics, len(summary.cases)),
            section("Scores", _scores(summary)),
            section("Lesions", _lesions(summary)),
            section("Cases", _cases(summary)),
        )
        return "\n".join(parts), section("How it was made", _origin(metrics))
    except (KeyError, TypeError, AttributeError) as error:
        raise LiverlibError(
            f"{path}: broken ({type(error).__name__}: {error}). Delete it and score the run again."
        ) from error


def _heading(name: str, metrics: Mapping, n: int) -> str:
    ending = "" if n == 1 else "s"
    if metrics["phantoms"]:
        cases = f"{n} synthetic CT{ending} (phantoms), not on patients"
        caution = "They show how well phantoms were learned, not how well real scans are segmented."
    else:
        cases = f"{n} labelled scan{ending} of {metrics['data']}"
        caution = "They say little about other scanners and other patients."
    return (
        f'<p class="warn">{NOT_MEDICAL}</p>\n<h1>{escape(name)}</h1>\n'
        f"<p>These scores were made on {escape(cases)}, kept apart from training. {caution}</p>"
    )


def _scores(summary: Summary) -> str:
    dice = html_table(
        ["", "Dice: mean [95 % interval]", "cases"],
        [(name, *_mean(summary.measure(*key), 3)) for name, key in DICE.items()],
        "On each scan's own grid. The interval is of the mean, by bootstrap over the cases. LiTS "
        "rule: 1 where neither mask has a tumour, 0 where only one has.",
    )
    rows = []
    for of in ("liver", "tumour"):
        for measure, (name, digits) in SURFACES.items():
            row = summary.measure(of, measure)
            rows.append((f"{of}: {name}", *_mean(row, digits), row.left_out))
    surfaces = html_table(
        ["", "mean [95 % interval]", "cases", "left out"],
        rows,
        "Over cases whose reference has a liver, or a tumour. Left out: distances to an empty "
        "prediction, and cases of unknown spacing.",
    )
    return f"{dice}\n{surfaces}\n<p>{_false_tumour(summary)}</p>"


def _false_tumour(summary: Summary) -> str:
    if not summary.tumour_free:
        return "Every case has a tumour, so false tumour in healthy livers is not measured."
    ml = number(summary.measure("false tumour", "ml").value, 1)
    return (
        f"Cases without a tumour: {summary.tumour_free}. Tumour is predicted in "
        f"{summary.empty['tumour'].only_predicted} of them. The mean over all of them is {ml} ml."
    )


def _lesions(summary: Summary) -> str:
    rows = []
    for name, counts in summary.lesions.items():
        of = f"lesion {name}" if name in SIZES else f"lesion, {name}"
        quotients = [summary.measure(of, key) for key in ("precision", "recall", "F1")]
        means = (_mean(quotient, 2)[0] for quotient in quotients)
        text = f"IoU > 0.5, {name}" if name in SIZES else name
        rows.append((text, counts.tp, counts.fn, counts.fp, *means))
    return html_table(
        ["", "detected (tp)", "missed (fn)", "false (fp)", "precision", "recall", "F1"],
        rows,
        "Lesions of all cases together. Each lesion of the reference is paired with at most one "
        "predicted lesion. Sizes are equivalent diameters, in cases of known spacing. In brackets: "
        "95 % intervals, by bootstrap over the cases.",
    )


def _cases(summary: Summary) -> str:
    head = (
        "case", "liver Dice", "tumour Dice", "lesions detected / missed / false",
        "liver, ml: reference → predicted", "tumour, ml: reference → predicted",
        "tumour / liver, %",
    )  # fmt: skip
    caption = "Lesions are detected at IoU > 0.5. A dash: nothing to measure, or unknown."
    return html_table(head, map(_case, summary.cases), caption)


def _case(case: CaseResult) -> tuple:
    return (
        case.name,
        number(case.liver.dice, 3),
        number(case.tumour.dice, 3) if case.has_tumour else "no tumour",
        f"{case.iou_50.tp} / {case.iou_50.fn} / {case.iou_50.fp}",
        _pair(case.liver.reference_ml, case.liver.predicted_ml, 0),
        _pair(case.tumour.reference_ml, case.tumour.predicted_ml, 1),
        _pair(100 * case.burden, 100 * case.predicted_burden, 1),
    )


def _curves(folder: Path) -> str:
    picture, history = folder / "losses.png", folder / "history.csv"
    if picture.is_file():
        return image(picture.read_bytes(), "curves of the training")
    if not history.is_file():
        return ""
    from ..charts import curves  # matplotlib, only here
    from ..figures import to_png

    return image(to_png(curves(history)), "curves of the training")


def _overlays(folder: Path) -> str:
    paths = sorted((folder / "overlays").glob("*.png"))
    return "\n".join(
        image(path.read_bytes(), f"{path.stem}: reference, prediction, difference")
        for path in paths
    )


def _films(folder: Path) -> str:
    paths = sorted((folder / "films").glob("*.gif"))
    shown = "\n".join(
        image(path.read_bytes(), f"film through {path.stem}", path.stem, lazy=True)
        for path in paths[:MAX_FILMS]
    )
    rest = len(paths) - MAX_FILMS
    more = f"<p>{rest} more are in films/.</p>" if rest > 0 else ""
    return f'<div class="films">{shown}</div>{more}' if paths else ""


def _settings(folder: Path) -> str:
    path = folder / "settings.json"
    rows = _flat(read_json(path)) if path.is_file() else []
    return html_table(["setting", "value"], rows) if rows else ""


def _origin(metrics: Mapping) -> str:
    seconds = metrics.get("seconds", {})
    rows = [(step, f"{value:.1f}") for step, value in seconds.items()]
    rows.append(("together", f"{sum(seconds.values()):.1f}"))
    versions = {"liverlib": __version__} | metrics.get("versions", {})
    software = ", ".join(f"{name} {version}" for name, version in versions.items())
    text = f"On {metrics.get('machine', 'an unknown machine')}, with {software}."
    caption = "A step whose results were kept from an earlier run took less time."
    return f"<p>{escape(text)}</p>\n{html_table(['step', 'seconds'], rows, caption)}"


def _flat(values: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows: ``roi.epochs``, 11."""
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{key}", text))
    return rows


def _mean(measure: Measure, digits: int) -> tuple[str, int]:
    """The value with its interval, where there is more than one to sample, and n."""
    bounds = ",\N{NO-BREAK SPACE}".join(number(x, digits) for x in (measure.low, measure.high))
    interval = f"\N{NO-BREAK SPACE}[{bounds}]" if measure.n > 1 else ""
    return number(measure.value, digits) + interval, measure.n


def _pair(reference: float, predicted: float, digits: int) -> str:
    texts = [number(value, digits) for value in (reference, predicted)]
    return "–" if texts == ["–", "–"] else " → ".join(texts)
