"""What a training leaves to look at: one row an epoch, as CSV and, if asked, for TensorBoard."""

import csv
from collections.abc import Callable
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, writable

History = list[dict[str, float]]
REWRITE = "Delete it and give the command again: last.safetensors beside it keeps the rows."


def quality(row: dict[str, float]) -> float:
    """What the best epoch is chosen by: the mean of the validation Dices that exist."""
    dices = [row["validation_liver_dice"], row["validation_tumour_dice"]]
    return sum(d for d in dices if d == d) / max(1, sum(d == d for d in dices))


def advice(history: History, epochs: int, name: str) -> str:
    """What is wrong with a training of so many epochs; nothing where nothing is.

    `name` is its folder's; a stage of a run, "coarse" or "roi", has options of its own.

    Said once, at the end of its first third: no tumour voxel was right in any validation case.
    """
    third = -(-epochs // 3)
    if len(history) != third or any(row["validation_tumour_dice"] != 0 for row in history):
        return ""
    prefix = f"--{name}." if name in ("coarse", "roi") else ""
    return (
        f"No tumour detected in any validation case after {third} of {epochs} epochs. Train longer "
        f"({prefix}epochs), or sample more patches around tumours ({prefix}tumour_fraction)."
    )


def write_history(path: Path, history: History) -> None:
    """The rows as CSV, atomically."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def read_history(path: str | Path) -> History:
    """The rows of a ``history.csv``; raises `LiverlibError` where it is cut off or no such file."""
    try:
        text = Path(path).read_text("utf-8")
        rows = [
            {key: float(value) for key, value in row.items()}
            for row in csv.DictReader(text.splitlines())
        ]
    except OSError as error:
        raise LiverlibError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise LiverlibError(f"{path}: damaged ({error}). {REWRITE}") from error
    if not rows or not text.endswith("\n"):
        raise LiverlibError(f"{path}: empty or cut off. {REWRITE}")
    return rows


def finished(folder: Path, epochs: int) -> History:
    """The rows of a training in `folder` that has come to its end; none where it has not."""
    if not all((folder / name).is_file() for name in ("history.csv", "weights.safetensors")):
        return []
    rows = read_history(folder / "history.csv")
    return rows if len(rows) >= epochs else []


def to_tensorboard(folder: Path) -> Callable[[History], None]:
    """What writes each new row for TensorBoard, as scalars over steps, below `folder`.

    A training that goes on goes on there too. Raises `LiverlibError` where TensorBoard is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise LiverlibError(
            "TensorBoard is not installed. Install it with: pip install tensorboard"
        ) from error

    def write(history: History) -> None:
        row = history[-1]
        with writable(folder), SummaryWriter(folder) as writer:
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    writer.add_scalar(name, value, int(row["step"]))

    return write
