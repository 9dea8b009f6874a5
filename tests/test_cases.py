import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.core.errors import LiverlibError
from liverlib.data import lits
from liverlib.data.cases import Case, find_cases, find_dataset, labelled
from liverlib.data.splits import folds, split


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_msd_pairs_by_name_and_sorts_by_number(tmp_path):
    names = [f"{part}/liver_{n}.nii.gz" for part in ("imagesTr", "labelsTr") for n in (10, 2)]
    cases = find_cases(touch(tmp_path, *names, "imagesTs/liver_5.nii.gz"))
    assert [case.name for case in cases] == ["liver_2", "liver_5", "liver_10"]
    assert [case.name for case in labelled(cases)] == ["liver_2", "liver_10"]


def test_nnunet_and_lits_layouts_are_found(tmp_path):
    touch(tmp_path / "a", "imagesTr/x_0000.nii.gz", "labelsTr/x.nii.gz")
    touch(tmp_path / "b", "batch 1/volume-0.nii", "seg/segmentation-0.nii")
    assert find_cases(tmp_path / "a")[0].name == "x"
    assert find_cases(tmp_path / "b")[0].label.name == "segmentation-0.nii"


def test_mac_leftovers_are_passed_over(tmp_path):
    touch(tmp_path, "imagesTr/a.nii.gz", "imagesTr/._a.nii.gz", "labelsTr/a.nii.gz")
    assert len(find_cases(tmp_path)) == 1


def test_nothing_found_says_what_was_looked_for(tmp_path):
    with pytest.raises(LiverlibError, match=r"no cases found.*layouts(.|\n)*MSD(.|\n)*LiTS"):
        find_cases(touch(tmp_path, "notes.txt"))
    with pytest.raises(LiverlibError, match="no such folder"):
        find_cases(tmp_path / "nowhere")


@pytest.mark.parametrize(("present", "absent"), [("imagesTr", "label"), ("labelsTr", "image")])
def test_an_image_without_label_and_the_reverse_are_named(tmp_path, present, absent):
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", f"{present}/b.nii.gz")
    with pytest.raises(LiverlibError, match=rf"b\.nii\.gz: has no {absent}"):
        find_cases(tmp_path)


def test_twice_the_same_case_is_an_error(tmp_path):
    touch(tmp_path, "a/volume-1.nii", "b/volume-1.nii", "a/segmentation-1.nii")
    with pytest.raises(LiverlibError, match=r"b.volume-1\.nii: the same case is there twice"):
        find_cases(tmp_path)


def some(n, tmp_path):
    return [Case(f"c{i}", tmp_path / f"c{i}", tmp_path, f"patient {i // 2}") for i in range(n)]


def test_no_patient_is_on_two_sides(tmp_path):
    cases = some(40, tmp_path)
    parts = split(cases, validation=3, test=4, seed=1)
    patients = [{case.patient for case in parts[part]} for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 20
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [26, 6, 8]


def test_a_split_depends_on_cases_and_seed_alone(tmp_path):
    cases = some(20, tmp_path)
    names = {part: {c.name for c in found} for part, found in split(cases, 2, 2, 5).items()}
    again = {part: {c.name for c in found} for part, found in split(cases[::-1], 2, 2, 5).items()}
    assert names == again
    other = split(cases, 2, 2, 6)
    assert names["test"] != {case.name for case in other["test"]}


def test_too_few_patients_are_said(tmp_path):
    with pytest.raises(LiverlibError, match="cannot give"):
        split(some(4, tmp_path), 1, 1)


def test_a_dataset_without_labels_is_said(tmp_path):
    with pytest.raises(LiverlibError, match="none of the cases has a label"):
        labelled(find_cases(touch(tmp_path, "imagesTs/a.nii.gz")))


def test_what_was_found_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "a", "imagesTr/x.nii.gz", "labelsTr/x.nii.gz", "imagesTs/y.nii.gz")
    touch(tmp_path / "b", "imagesTr/x_0000.nii.gz", "labelsTr/x.nii.gz")
    touch(tmp_path / "c", "volumes/volume-0.nii", "labels/segmentation-0.nii")
    text = [str(find_dataset(tmp_path / name)) for name in "abc"]
    assert text[0] == "1 cases with a label, 1 without: MSD layout in a"
    assert text[1] == "1 cases with a label: nnU-Net layout in b"
    assert text[2] == "1 cases with a label: LiTS layout in c"


def test_the_original_projects_folder_is_found_and_named(tmp_path):
    """As its Kaggle copies have it: unpacked, in a folder that repeats the name."""
    place = tmp_path / "archive" / "Task03_Liver_rs"
    touch(place, "imagesTr/liver_0.nii", "labelsTr/liver_0.nii", "dataset.json")
    found = find_dataset(tmp_path)
    assert found.folder == place
    assert "Task03_Liver_rs" in found.layout


def test_lits_names_in_msd_folders_pair_up(tmp_path):
    touch(tmp_path, "imagesTr/volume-7.nii.gz", "labelsTr/segmentation-7.nii.gz")
    assert [case.name for case in find_cases(tmp_path)] == ["volume-7"]


def test_a_case_whose_own_name_ends_in_0000_keeps_it(tmp_path):
    touch(tmp_path, "imagesTr/ct_0000.nii", "labelsTr/ct_0000.nii")
    assert find_dataset(tmp_path).layout == "MSD"
    assert find_cases(tmp_path)[0].name == "ct_0000"


@pytest.mark.parametrize(
    "names",
    [
        ("a/imagesTr/x.nii", "a/labelsTr/x.nii", "b/imagesTr/x.nii", "b/labelsTr/x.nii"),
        ("a/imagesTr/x.nii", "a/labelsTr/x.nii", "b/volume-1.nii", "b/segmentation-1.nii"),
    ],
)
def test_more_than_one_dataset_is_an_error_that_lists_them(tmp_path, names):
    with pytest.raises(LiverlibError, match=r"more than one(.|\n)*/a \(MSD(.|\n)*/b \("):
        find_cases(touch(tmp_path, *names))


def test_one_case_unpacked_and_not_is_an_error(tmp_path):
    touch(tmp_path, "imagesTr/x.nii", "imagesTr/x.nii.gz", "labelsTr/x.nii.gz")
    with pytest.raises(LiverlibError, match=r"x\.nii.gz: the same case is there twice"):
        find_cases(tmp_path)


def test_what_a_download_left_unfinished_is_passed_over(tmp_path):
    touch(tmp_path, "imagesTr/a.nii", "labelsTr/a.nii", ".download/imagesTr/b.nii.gz")
    assert len(find_cases(tmp_path)) == 1


def liver(numbers, name="liver_{}"):
    return [Case(name.format(n), None, None, lits.patient(name.format(n))) for n in numbers]


@pytest.mark.parametrize(
    ("lits_name", "ircad_name"),
    [("volume-28", "3Dircadb1.1"), ("liver_45", "3D-IRCADb-01-18"), ("liver_047", "ircadb_20")],
)
def test_a_patient_of_3d_ircadb_is_known_in_lits(lits_name, ircad_name):
    assert lits.patient(lits_name) == lits.patient(ircad_name)


def test_other_names_are_their_own_patients():
    for name in ("liver_48x", "phantom_028", "liver_131", "3Dircadb1.21", "case 28"):
        assert lits.patient(name) == name


@given(seed=st.integers(0, 10**6), validation=st.integers(0, 40), test=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_lits_and_3d_ircadb_together_never_share_a_patient(seed, validation, test):
    cases = liver(range(131)) + liver(range(1, 21), "3Dircadb1.{}")
    for parts in (split(cases, validation, test, seed), *folds(cases, 4, validation, seed)):
        patients = [{case.patient for case in part} for part in parts.values()]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 131
        assert sum(map(len, parts.values())) == 151


@given(seed=st.integers(0, 10**6), k=st.integers(2, 10))
@settings(max_examples=40, deadline=None)
def test_cases_without_tumour_are_spread_evenly(seed, k):
    def free(part):
        return sum(lits.tumour_free(case.name) for case in part)

    parts = split(liver(range(131)), 10, 21, seed)
    for part in parts.values():
        assert abs(free(part) - 13 * len(part) / 131) <= 1
    counts = [free(parts["test"]) for parts in folds(liver(range(131)), k, 0, seed)]
    assert sum(counts) == 13
    assert max(counts) - min(counts) <= 2


def test_in_k_folds_every_patient_is_tested_once(tmp_path):
    cases = some(50, tmp_path)
    tested = [case.name for parts in folds(cases, 4, 2, 1) for case in parts["test"]]
    assert sorted(tested) == sorted(case.name for case in cases)
    assert [len(parts["validation"]) for parts in folds(cases, 4, 2, 1)] == [4] * 4
    with pytest.raises(LiverlibError, match="cannot give"):
        folds(cases, 2, 13)
    with pytest.raises(LiverlibError, match="1 folds"):
        folds(cases, 1)
