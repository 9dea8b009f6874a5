"""Words and figures as text: what notebooks, terminals and reports print alike."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

NOT_MEDICAL = "Not a medical device: for teaching and research."


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as lines of text, under a line of the keys; text to the left.

    Numbers are given to three significant digits, tuples as 256×256×107, NaN as "unknown".
    """
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, *([format_value(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    aligned = ["<" if isinstance(rows[0][name], str) else ">" for name in names]
    columns = list(zip(aligned, widths, strict=True))
    return "\n".join(
        "  ".join(f"{text:{to}{n}}" for text, (to, n) in zip(line, columns, strict=True)).rstrip()
        for line in lines
    )


def format_value(value: Any) -> str:
    """One value as `table` writes it; at most four digits follow the point."""
    if isinstance(value, tuple):
        return "×".join(map(format_value, value))
    if isinstance(value, Integral) or not isinstance(value, Real):
        return str(value)
    if math.isnan(value):
        return "unknown"
    if not value or math.isinf(value):
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(digits, 0), 4)}f}"


def natural_key(name: str) -> list:
    """A key to sort names by, with numbers in order: "liver_2" before "liver_10"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
