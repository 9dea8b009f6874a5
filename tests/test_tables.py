import numpy as np

from liverlib.core.text import format_value, table


def test_columns_are_aligned_under_their_names():
    rows = [
        {"name": "phantom_1", "shape": (96, 96, 7), "ml": 1342.4},
        {"name": "b", "shape": (256, 256, 107), "ml": float("nan")},
    ]
    assert table(rows).splitlines() == [
        "name             shape       ml",
        "phantom_1      96×96×7     1342",
        "b          256×256×107  unknown",
    ]


def test_no_rows_make_no_text():
    assert table([]) == ""


def test_numbers_keep_three_significant_digits():
    values = (0.0, 0.00004, 0.00637, 0.9987, np.float32(8.594), 203.4, -1.5, 12, np.int64(3))
    assert [format_value(value) for value in values] == [
        "0", "0.0000", "0.0064", "0.999", "8.59", "203", "-1.50", "12", "3",
    ]  # fmt: skip
