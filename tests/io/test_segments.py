"""One place for names, colours and codes: the rest of the package has its own from there."""

import pytest

from liverlib.io.segments import SEGMENTS
from liverlib.io.volume import CLASSES
from liverlib.view.slices import COLOURS


def test_classes_and_the_pictures_colours_are_those_of_the_segments():
    assert CLASSES == {0: "background", 1: "liver", 2: "tumour"}
    for segment in SEGMENTS:
        assert COLOURS[CLASSES[segment.value]] == segment.colour


def test_the_codes_are_those_of_dicoms_dictionary():
    codes = pytest.importorskip("pydicom.sr.codedict", reason="the extra dicom is not installed")
    sct = codes.codes.SCT
    liver, tumour = SEGMENTS
    known = {
        liver.category: sct.AnatomicalStructure, liver.kind: sct.Liver, tumour.region: sct.Liver,
        tumour.category: sct.MorphologicallyAbnormalStructure, tumour.kind: sct.Neoplasm,
    }  # fmt: skip
    assert all((code.value, code.meaning) == own for own, code in known.items())
    assert liver.region is None
