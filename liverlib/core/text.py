"""Text and numbers as notebooks, terminals and reports print them."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

NOT_MEDICAL = "Not a medical device: for teaching and research."


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as lines of text, below a line of the keys.

    Text is aligned left, all else right. Values are written as `format_value` writes them.

    Args:
        rows: mappings from column to value.

    >>> print(table([{"case": "a", "Dice": 0.97449}, {"case": "b", "Dice": float("nan")}]))
    case     Dice
    a       0.974
    b     unknown
    """
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, *([format_value(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    sides = ["<" if isinstance(rows[0][name], str) else ">" for name in names]
    columns = list(zip(sides, widths, strict=True))
    return "\n".join(
        "  ".join(
            f"{text:{side}{width}}" for text, (side, width) in zip(line, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def format_value(value: Any) -> str:
    """A value of any type, numbers to three significant digits (at most four decimals).

    Tuples are written as 256×256×107, NaN as "unknown".

    Args:
        value: a number, a text, or a tuple of these.

    >>> format_value(0.97449), format_value(1342.4)
    ('0.974', '1342')
    """
    if isinstance(value, tuple):
        return "×".join(map(format_value, value))
    if isinstance(value, Integral) or not isinstance(value, Real):
        return str(value)
    if math.isnan(value):
        return "unknown"
    if not value or math.isinf(value):
        return f"{value:.0f}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(decimals, 0), 4)}f}"


def number(value: float | None, digits: int, unknown: str = "–") -> str:
    """A number with `digits` decimals and commas between thousands; `unknown` for None and NaN.

    >>> number(1342.4, 1)
    '1,342.4'
    """
    return unknown if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def natural_key(name: str) -> tuple[list[int | str], str]:
    """A key that sorts names with their numbers in order: "liver_2" before "liver_10".

    No two names have the same key, so that the order of a set is always one.
    """
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts], name


def plain(text: str) -> str:
    """Text for a figure of matplotlib's: between two dollar signs it would see a formula."""
    return text.replace("$", r"\$")


def printable(name: str) -> str:
    r"""A file's name as text that pages and tables can hold: other bytes than UTF-8 are escaped.

    >>> printable("caf\udce9")
    'caf\\udce9'
    """
    return name.encode("utf-8", "backslashreplace").decode()
