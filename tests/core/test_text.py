import os

import numpy as np
import pytest

from liverlib.core.text import format_value, natural_key, number, printable, table


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


def test_values_keep_three_significant_digits():
    values = (0.0, 0.00004, 0.00637, 0.9987, np.float32(8.594), 203.4, -1.5, 12, np.int64(3))
    assert [format_value(value) for value in values] == [
        "0", "0.0000", "0.0064", "0.999", "8.59", "203", "-1.50", "12", "3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.97449, 3, "0.974"), (1342.4, 0, "1,342"), (np.float64(-0.05), 1, "-0.1"), (7, 2, "7.00")],
)
def test_numbers_have_as_many_decimals_as_are_asked_for(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan")])
def test_an_unknown_number_is_a_dash_or_what_the_caller_says(value):
    assert number(value, 1) == "–"
    assert number(value, 1, "unknown") == "unknown"


def test_names_are_sorted_by_the_numbers_in_them():
    assert sorted(["liver_10", "liver_2", "a"], key=natural_key) == ["a", "liver_2", "liver_10"]


def test_names_are_sorted_and_printed_whatever_their_bytes():
    names = [os.fsdecode(b"caf\xe9"), "scan_2²", "scan_10"]
    assert sorted(names, key=natural_key) == [names[0], "scan_2²", "scan_10"]
    assert [printable(name) for name in names] == [r"caf\udce9", "scan_2²", "scan_10"]
