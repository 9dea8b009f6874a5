import pytest

from liverlib import LiverlibError
from liverlib.cases import Case, find_cases, labelled, split


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
    with pytest.raises(LiverlibError, match="volume-1 twice"):
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
