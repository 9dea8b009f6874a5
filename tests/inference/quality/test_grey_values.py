"""Values that are no Hounsfield units are noticed, and what they are instead is named."""

import numpy as np
import pytest
from wrong_inputs import KINDS

from liverlib.core.verdict import AS_EXPECTED, NOT_TO_BE_USED
from liverlib.inference.quality.geometry import Sample
from liverlib.inference.quality.grey_values import check_grey_values, like_hounsfield

OF_VALUES = [
    "HU + 1024", "HU × 10", "HU ÷ 1000", "inverted", "16 bits without a sign", "a window, 0 to 255",
    "normalised, 0 to 1", "clipped to -160 to 240", "MR-like", "constant", "noise", "air",
    "label as scan", "slices shuffled",
]  # fmt: skip


def causes(scan) -> set[str]:
    return {reason.cause for reason in check_grey_values(Sample.of(scan).voxels)}


@pytest.mark.parametrize("kind", OF_VALUES)
def test_each_kind_is_named_on_phantoms(kind, phantoms):
    named = [causes(KINDS[kind].spoil(scan, label)) for scan, label in phantoms]
    assert sum(bool(each & set(KINDS[kind].causes)) for each in named) >= 7, named


@pytest.mark.parametrize("kind", [kind for kind in OF_VALUES if kind != "label as scan"])
def test_each_kind_is_named_on_patients(kind, real_scans):
    named = [causes(KINDS[kind].spoil(scan, None)) for scan in real_scans]
    assert sum(bool(each & set(KINDS[kind].causes)) for each in named) >= 6, named


def test_sound_scans_give_no_reason(phantoms, real_scans):
    assert [causes(scan) for scan, _ in phantoms] == [set()] * 8
    assert [causes(scan) for scan in real_scans] == [set()] * 7


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (1024, "HU + 1024: the file's intercept is missing. Subtract"),
        (1000, "HU + 1000"),
        (-1024, "HU - 1024"),
    ],
)
def test_an_offset_is_told_with_what_to_do(offset, text, phantoms):
    scan, _ = phantoms[0]
    (reason,) = check_grey_values(Sample.of(scan).voxels.astype(np.int32) + offset)
    assert text in reason.text and reason.verdict == NOT_TO_BE_USED != AS_EXPECTED


def test_tissue_beside_air_is_like_hounsfield_units():
    random = np.random.default_rng(0)
    parts = [(-1000, 400), (-105, 200), (50, 300), (400, 20)]
    values = np.concatenate([random.normal(hu, 10, n) for hu, n in parts])
    assert like_hounsfield(values)
    assert not like_hounsfield(values + 1024)
    assert not like_hounsfield(10 * values)


def test_values_that_are_no_numbers_are_refused():
    sample = np.zeros((4, 4, 4), np.float32)
    sample[0, 0, 0] = np.nan
    (reason,) = check_grey_values(sample)
    assert "NaN" in reason.text
