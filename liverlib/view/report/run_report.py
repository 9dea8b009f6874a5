"""One page of HTML that shows a whole run: scores, curves, pictures, films, settings.

The page is one file (see `liverlib.page`), so that it can be kept, sent and printed.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, read_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_matching import SIZES

from .html import image, page, section, table

FILMS = 8  # embedded at most; each is about three quarters of a megabyte


def run_report(folder: str | Path, extra: str = "") -> Path:
    """Writes ``report.html`` into a run's folder and returns its path.

    Reads metrics.json, and, where they are there, settings.json, history.csv or losses.png,
    overlays/*.png and films/*.gif. `extra` is HTML put in as it is, such as a slice browser's
    frame. Raises `LiverlibError` where metrics.json is missing or broken.
    """
    folder = Path(folder)
    metrics = read_json(folder / "metrics.json")
    try:
        content = page(folder.resolve().name, _body(folder, metrics, extra))
    except KeyError as lacking:
        raise LiverlibError(
            f"{folder / 'metrics.json'}: lacks {lacking}. Delete it and score the run again."
        ) from lacking
    path = folder / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def _body(folder: Path, metrics: Mapping, extra: str) -> str:
    parts = (
        _heading(folder.resolve().name, metrics),
        _scores(metrics["summary"]),
        _cases(metrics["cases"]),
        section("Slices", f'<div class="wide">{extra}</div>' if extra else ""),
        section("Training", _curves(folder)),
        section("Overlays", _overlays(folder)),
        section("Films", _films(folder)),
        _settings(folder),
        _making(metrics),
    )
    return "\n".join(part for part in parts if part)


def _heading(name: str, metrics: Mapping) -> str:
    n = metrics["summary"]["cases"]
    if metrics["made_up"]:
        what = f"{n} made-up CT{'' if n == 1 else 's'} (phantoms), not on patients"
        more = "They say how well the network learned phantoms, not how well it does on real scans."
    else:
        what = f"{n} labelled scan{'' if n == 1 else 's'} of {metrics['data']}"
        more = "They say little about other scanners and other patients."
    return (
        f'<p class="warn">{NOT_MEDICAL}</p>\n<h1>{escape(name)}</h1>\n'
        f"<p>These scores were made on {escape(what)}, kept apart from training. {more}</p>"
    )


def _scores(summary: Mapping) -> str:
    dice = table(
        ["", "Dice: mean [95 % interval]", "cases"],
        [
            ("liver, tumours included", *_mean(summary["liver_dice"])),
            ("tumour, in cases that have one", *_mean(summary["tumour_dice"])),
            ("tumour, all cases, LiTS convention", *_mean(summary["tumour_dice_lits"])),
        ],
        "On each scan's own grid. The interval is of the mean, by bootstrap over the cases. LiTS "
        "convention: 1 where neither holds a tumour, 0 where only one does.",
    )
    lesions = table(
        ["lesions, all cases pooled", "found", "missed", "false", "precision", "recall", "F1"],
        [
            ("that overlap at all", *_counts(summary["touched"])),
            ("with IoU above ½", *_counts(summary["detected"])),
            *((f"… {size}", *_counts(summary["by_size"][size])) for size in SIZES),
        ],
        "One predicted lesion for each true one at most. Sizes are equivalent diameters, in cases "
        "whose spacing is known.",
    )
    return f"<h2>Scores</h2>\n{dice}\n<p>{_without_tumour(summary)}</p>\n{lesions}"


def _without_tumour(summary: Mapping) -> str:
    free, drawn = summary["tumour_free"], summary["tumour_free_with_false"]
    if not free:
        return "Every case has a tumour, so nothing here says how often one is drawn without need."
    ml = _number(summary["false_tumour_ml"], 1)
    return f"Cases without a tumour: {free}; false tumour was drawn in {drawn}, {ml} ml on average."


def _cases(cases: Sequence[Mapping]) -> str:
    head = (
        "case", "liver Dice", "tumour Dice", "lesions found / missed / false",
        "liver, ml: true → predicted", "tumour, ml: true → predicted", "tumour / liver, %",
    )  # fmt: skip
    caption = "Lesions are found where IoU is above ½. A dash: nothing to measure, or not known."
    return f"<h2>Cases</h2>\n{table(head, map(_case, cases), caption)}"


def _case(case: Mapping) -> tuple:
    lesions = case["detected"]
    return (
        case["name"],
        _number(case["liver_dice"]),
        _number(case["tumour_dice"]) if case["has_tumour"] else "no tumour",
        " / ".join(str(lesions[kind]) for kind in ("found", "missed", "false")),
        _pair(case["liver_ml"], case["predicted_liver_ml"], 0),
        _pair(case["tumour_ml"], case["predicted_tumour_ml"], 1),
        _pair(case["burden"], case["predicted_burden"], 1, 100),
    )


def _curves(folder: Path) -> str:
    picture, history = folder / "losses.png", folder / "history.csv"
    if picture.is_file():
        return image(picture.read_bytes(), "curves of the training")
    if not history.is_file():
        return ""
    from ..charts import curves
    from ..figures import to_png

    return image(to_png(curves(history)), "curves of the training")


def _overlays(folder: Path) -> str:
    paths = sorted((folder / "overlays").glob("*.png"))
    return "\n".join(
        image(path.read_bytes(), f"{path.stem}: truth, prediction, difference") for path in paths
    )


def _films(folder: Path) -> str:
    paths = sorted((folder / "films").glob("*.gif"))
    shown = "\n".join(
        image(path.read_bytes(), f"film through {path.stem}", path.stem, lazy=True)
        for path in paths[:FILMS]
    )
    rest = f"<p>{len(paths) - FILMS} more are in films/.</p>" if len(paths) > FILMS else ""
    return f'<div class="films">{shown}</div>{rest}' if paths else ""


def _settings(folder: Path) -> str:
    path = folder / "settings.json"
    rows = _flat(read_json(path)) if path.is_file() else []
    return section("Settings", table(["setting", "value"], rows) if rows else "")


def _making(metrics: Mapping) -> str:
    seconds = metrics.get("seconds", {})
    rows = [(stage, f"{value:.1f}") for stage, value in seconds.items()]
    rows.append(("together", f"{sum(seconds.values()):.1f}"))
    versions = {"liverlib": __version__} | metrics.get("versions", {})
    text = ", ".join(f"{name} {number}" for name, number in versions.items())
    where = f"On {metrics.get('machine', 'an unknown machine')}, with {text}."
    timed = table(["stage", "seconds"], rows, "Stages whose results were there already count less.")
    return f"<h2>How it was made</h2>\n<p>{escape(where)}</p>\n{timed}"


def _flat(values: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows: ``liver.epochs``, 11."""
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            rows.append((f"{prefix}{key}", text))
    return rows


def _mean(mean: Mapping) -> tuple[str, int]:
    interval = f" [{_number(mean['low'])}, {_number(mean['high'])}]" if mean["n"] > 1 else ""
    return _number(mean["mean"]) + interval, mean["n"]


def _counts(one: Mapping) -> tuple:
    ratios = (_number(one[key], 2) for key in ("precision", "recall", "f1"))
    return one["found"], one["missed"], one["false"], *ratios


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def _pair(true: float | None, predicted: float | None, digits: int, factor: float = 1) -> str:
    known = [None if one is None else factor * one for one in (true, predicted)]
    return "–" if known == [None, None] else " → ".join(_number(one, digits) for one in known)
