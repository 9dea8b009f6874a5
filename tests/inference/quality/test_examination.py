"""A whole scan, examined with the pretrained networks: spoilt ones are noticed, sound ones pass."""

from itertools import islice

import pytest
from wrong_inputs import KINDS

from liverlib.core.verdict import AS_EXPECTED

OF_NETWORKS = (
    "mirrored left–right", "feet first", "half a turn", "upside down", "front and back exchanged",
    "pelvis", "liver blanked", "head", "1 mm header", "slice distance × 2", "slice distance ÷ 2",
    "axes y and z swapped",
)  # fmt: skip


@pytest.mark.parametrize("kind", OF_NETWORKS)
def test_each_kind_is_noticed_and_named(kind, phantoms, segmenter):
    spoilt = filter(None, (KINDS[kind].spoil(scan, label) for scan, label in phantoms))
    for scan in islice(spoilt, 2):
        quality = segmenter.predict(scan).quality
        assert quality.verdict != AS_EXPECTED
        named = {reason.cause for reason in quality.reasons if reason.verdict != AS_EXPECTED}
        assert named & set(KINDS[kind].causes), quality


def test_sound_phantoms_are_as_expected(phantoms, segmenter):
    for scan, _ in phantoms[:4]:
        assert segmenter.predict(scan).quality.verdict == AS_EXPECTED


def test_no_patients_liver_ct_is_called_a_wrong_input(real_scans, segmenter):
    for scan in real_scans:
        quality = segmenter.predict(scan).quality
        doubts = [reason for reason in quality.reasons if reason.verdict != AS_EXPECTED]
        assert {reason.cause for reason in doubts} <= {"uncertain"}, (scan.name, quality)
