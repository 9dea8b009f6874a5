import dataclasses
import tracemalloc

import numpy as np
import pytest
from phantoms import ellipsoid

from liverlib.cli.main import main
from liverlib.data.cases import Case, find_cases
from liverlib.data.fingerprint import describe, examine, fingerprint
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid


def case(folder, name="ct_1", change=lambda hu, label: None, affine=None, turned=False, noise=0):
    """A body with a liver of about 1.1 litres on its right, 80 mm from feet to head."""
    shape, spacing = (64, 60, 44), (5.0, 5.0, 5.0)
    body = ellipsoid(shape, spacing, (160, 150, 110), (140, 120, 400))
    liver = ellipsoid(shape, spacing, (210, 150, 110), (60, 70, 65))
    tumour = ellipsoid(shape, spacing, (210, 150, 110), (15, 15, 15))
    random = np.random.default_rng([noise, *name.encode()])
    hu = np.where(body, 40 + 60 * liver, -1000) + random.integers(-9, 9, shape)
    label = liver.astype(np.uint8) + tumour
    hu, label = hu.astype(np.float32), label.astype(np.uint8)
    change(hu, label)
    usual = affine is None
    grid = Grid.of(shape, *((np.diag([*spacing, 1.0]), "LPS") if usual else (affine, "RAS")))
    if turned:
        hu, label = hu[::-1], label[::-1]
    for part, voxels in (("imagesTr", hu), ("labelsTr", label)):
        write_volume(folder / part / f"{name}.nii.gz", voxels, grid)
    return folder


def suspicions(folder):
    return {row["name"]: row["suspicions"] for row in examine(find_cases(folder), workers=1)}


def test_where_nothing_is_wrong_nothing_is_suspected(tmp_path):
    case(case(tmp_path), "ct_2")
    assert suspicions(tmp_path) == {"ct_1": [], "ct_2": []}
    assert "nothing looks wrong" in fingerprint(examine(find_cases(tmp_path), workers=1))


def scaled(hu, label):
    hu[:] = (hu + 1000) / 2000


def no_tumour(hu, label):
    label[label == 2] = 1


def no_liver(hu, label):
    label[:] = 0


def shifted(hu, label):
    hu += 1024


def spike(hu, label):
    hu[0, 0, 0] = 27572


def cut_off(hu, label):
    label[:, :, 0] = label[:, :, 20]


def small(hu, label):
    label[:, :, :26] = 0


FAULTS = {
    "spacing is not to be believed": {"affine": np.eye(4)},
    "spacing is unusual": {"affine": np.diag([1.0, 1, 9, 1])},
    "are sheared": {"affine": np.array([[3.0, 0, 0, 0], [0, 3, 1, 0], [0, 0, 3, 0], [0, 0, 0, 1]])},
    "no air": {"change": scaled},
    "median is not 0 to 250 HU": {"change": shifted},
    "above 4100 HU": {"change": spike},
    "holds no liver": {"change": no_liver},
    "first or last slice": {"change": cut_off},
    "is not 500 to 5000 ml": {"change": small},
    "patient's left": {"turned": True},
    "LiTS has no tumour here": {"name": "liver_32", "affine": np.eye(4)},
    "LiTS has tumours here": {"name": "volume-3", "change": no_tumour},
    "corrected, or resampled": {"name": "liver_28"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_suspected(tmp_path, fault):
    (texts,) = suspicions(case(tmp_path, **FAULTS[fault])).values()
    assert [text for text in texts if fault in text]


def test_an_unreadable_case_is_one_suspicion_among_others(tmp_path):
    case(case(tmp_path), "ct_2")
    broken = tmp_path / "imagesTr" / "ct_2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:1000])
    by_name = suspicions(tmp_path)
    assert by_name["ct_1"] == []
    assert "truncated or corrupt" in by_name["ct_2"][0]


def test_copies_and_the_same_patient_under_two_names_are_met(tmp_path):
    case(case(tmp_path, "liver_28", affine=np.eye(4)), "3Dircadb1.1", noise=1)
    for part in ("imagesTr", "labelsTr"):
        content = (tmp_path / part / "liver_28.nii.gz").read_bytes()
        (tmp_path / part / "copy.nii.gz").write_bytes(content)
    by_name = suspicions(tmp_path)
    assert "the same voxels in copy, liver_28" in by_name["copy"]
    assert not [text for text in by_name["3Dircadb1.1"] if "same voxels" in text]
    same = "the same patient in 3Dircadb1.1, liver_28: kept on one side"
    assert same in by_name["liver_28"]
    assert same in by_name["3Dircadb1.1"]


def test_a_fingerprint_gives_the_figures(tmp_path):
    case(case(tmp_path), "ct_2", change=no_tumour)
    text = fingerprint(examine(find_cases(tmp_path), workers=1))
    assert "axes     LPS 2" in text
    assert "none in 1 of 2 labelled cases" in text
    (liver,) = (line for line in text.splitlines() if line.startswith("liver, ml"))
    assert float(liver.split()[2]) == pytest.approx(4 / 3 * np.pi * 6 * 7 * 6.5, rel=0.02)


def test_cases_without_label_are_examined_too(tmp_path):
    (labelled_case,) = find_cases(case(tmp_path))
    unlabelled = dataclasses.replace(labelled_case, label=None)
    (row,) = examine([unlabelled])
    assert row["suspicions"] == []
    assert np.isnan(row["liver_ml"])
    assert "none in 0 of 0 labelled cases" in fingerprint([row])
    described = describe(unlabelled)
    assert described.keys() == describe(labelled_case).keys()
    assert described["shape"] == (64, 60, 44)
    assert np.isnan([described["liver_ml"], described["tumours"]]).all()


def test_a_case_is_described_by_shape_spacing_liver_and_tumours(tmp_path):
    (described,) = map(describe, find_cases(case(tmp_path)))
    liver, tumour = 4 / 3 * np.pi * 6 * 7 * 6.5, 93 * 0.125  # ml: a sphere of 93 voxels
    assert described == {
        "name": "ct_1",
        "shape": (64, 60, 44),
        "spacing": (5.0, 5.0, 5.0),
        "orientation": "LPS",
        "liver_ml": pytest.approx(liver, rel=0.02),
        "tumours": 1,
        "tumour_ml": pytest.approx(tumour),
        "burden": pytest.approx(tumour / liver, rel=0.02),
    }


def test_tumours_are_counted_without_an_array_of_numbers(tmp_path):
    label = np.zeros((160, 160, 160), np.uint8)
    label[40:120, 40:120, 40:120] = 1
    label[50:60, 50:60, 50:60] = label[80:90, 80:90, 80:90] = 2
    paths = [tmp_path / f"{name}.nii.gz" for name in ("scan", "label")]
    for path in paths:
        write_volume(path, label, Grid.of(label.shape, np.eye(4)))
    tracemalloc.start()
    row = describe(Case("ct", *paths))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row["tumours"] == 2
    assert peak < 4 * label.size  # bytes; numbers alone would take so many


def test_the_command_prints_it_and_leaves_a_plot(tmp_path, capsys, own_home):
    assert main(["check", str(case(tmp_path / "data"))]) == 0
    text = capsys.readouterr().out
    assert "1 cases with a label: MSD layout" in text
    assert "nothing looks wrong" in text
    assert (own_home / "results" / "check-data.png").read_bytes()[:4] == b"\x89PNG"


def test_real_scans_are_suspected_of_what_is_known_of_them(shared):
    """Both are crops: one lacks the liver's dome, the other is 128³."""
    names = ("ct_3mm", "liver_crop_128")
    cases = [Case(n, shared / n / "image.nii.gz", shared / n / "label.nii.gz") for n in names]
    dome, crop = (" ".join(row["suspicions"]) for row in examine(cases, workers=1))
    assert "the liver reaches the first or last slice" in dome
    assert "patient's left" not in dome + crop
    assert "as many voxels along every axis" in crop
