import pytest

from liverlib.data import lits


@pytest.mark.parametrize(
    ("lits_name", "ircad_name"),
    [("volume-28", "3Dircadb1.1"), ("liver_45", "3D-IRCADb-01-18"), ("liver_047", "ircadb_20")],
)
def test_a_patient_of_3d_ircadb_is_known_in_lits(lits_name, ircad_name):
    assert lits.patient(lits_name) == lits.patient(ircad_name)


def test_other_names_are_their_own_patients():
    for name in ("liver_48x", "phantom_028", "liver_131", "3Dircadb1.21", "case 28"):
        assert lits.patient(name) == name
        assert lits.case_number(name) is None
        assert not lits.tumour_free(name)


def test_numbers_are_those_of_lits():
    numbers = map(lits.case_number, ("liver_3", "volume-130", "segmentation-007", "3Dircadb1.5"))
    assert list(numbers) == [3, 130, 7, 32]
    assert lits.tumour_free("3Dircadb1.5")
    assert not lits.tumour_free("liver_3")
