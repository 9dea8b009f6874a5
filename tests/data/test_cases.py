import numpy as np
import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import (
    Case,
    find_cases,
    find_dataset,
    labelled,
    note_streamed,
    present,
    streamed,
)
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid


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


def test_linked_folders_and_capital_letters_count_too(tmp_path):
    linked = touch(tmp_path / "disk", "volume-0.nii", "segmentation-0.nii", "volume-1.NII.GZ")
    data = touch(tmp_path / "data", "Segmentation-1.nii", "in/volume-2.nii", "segmentation-2.nii")
    for name, to in {"batch": linked, "batch again": linked, "in/back": data}.items():
        (data / name).symlink_to(to)
    assert [case.name for case in find_cases(data)] == ["volume-0", "volume-1", "volume-2"]


def test_a_scan_without_label_has_no_labelled_cases_name(tmp_path):
    touch(tmp_path, *(f"{part}/c_0.nii.gz" for part in ("imagesTr", "labelsTr", "imagesTs")))
    assert [case.image.parent.name for case in find_cases(tmp_path)] == ["imagesTr"]


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


def test_a_dataset_without_labels_is_an_error(tmp_path):
    with pytest.raises(LiverlibError, match="none of the cases has a label"):
        labelled(find_cases(touch(tmp_path, "imagesTs/a.nii.gz")))


def test_a_dataset_describes_itself_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "a", "imagesTr/x.nii.gz", "labelsTr/x.nii.gz", "imagesTs/y.nii.gz")
    touch(tmp_path / "b", "imagesTr/x_0000.nii.gz", "labelsTr/x.nii.gz")
    touch(tmp_path / "c", "volumes/volume-0.nii", "labels/segmentation-0.nii")
    assert [str(find_dataset(tmp_path / name)) for name in "abc"] == [
        "1 cases with a label, 1 without: MSD layout in a",
        "1 cases with a label: nnU-Net layout in b",
        "1 cases with a label: LiTS layout in c",
    ]


def test_the_original_projects_folder_is_found_and_named(tmp_path):
    """As its Kaggle copies have it: unpacked, in a folder that repeats the name."""
    folder = tmp_path / "archive" / "Task03_Liver_rs"
    touch(folder, "imagesTr/liver_0.nii", "labelsTr/liver_0.nii", "dataset.json")
    dataset = find_dataset(tmp_path)
    assert dataset.folder == folder
    assert "Task03_Liver_rs" in dataset.layout


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
    touch(tmp_path, "imagesTr/c.nii.gz", ".download/labelsTr/c.nii.gz")  # killed between renames
    assert len(find_cases(tmp_path)) == 1


def test_a_case_reads_its_scan_and_label_on_one_grid(tmp_path):
    scan, label = simple_case(size=8)
    case = Case("a", tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz")
    write_volume(case.image, scan)
    write_volume(case.label, label)
    for volume, read in zip((scan, label), case.read(), strict=True):
        np.testing.assert_array_equal(read.voxels, volume.voxels)
        assert read.grid.matches(scan.grid)
    assert Case("a", case.image).read()[1] is None
    write_volume(case.label, label.voxels[:4], Grid.of((4, 8, 8), label.grid.affine))
    with pytest.raises(LiverlibError, match=r"label\.nii\.gz: its shape is"):
        case.read()


def test_a_streamed_case_is_noted_and_found_without_its_files(tmp_path):
    files, sha256 = ["imagesTr/liver_28.nii.gz", "labelsTr/liver_28.nii.gz"], ["12", "34"]
    note_streamed(tmp_path, "liver_28", files, sha256)
    (case,) = find_cases(tmp_path)
    assert [case] == list(streamed(tmp_path))
    assert case == Case("liver_28", *(tmp_path / file for file in files), "LiTS 28", ("12", "34"))
    assert case.cubes_alone
    assert "1 cases with a label, 1 of them as cubes alone" in str(find_dataset(tmp_path))
    with pytest.raises(LiverlibError, match=r"of 1 cases .* cubes alone.*--cases liver_28$"):
        present([case])
    touch(tmp_path, *files)
    (case,) = find_cases(tmp_path)
    assert case.sha256 == ("12", "34")
    assert present([case]) == [case]


def test_a_broken_note_is_named(tmp_path):
    touch(tmp_path, "cubesTr/liver_1.json")
    (tmp_path / "cubesTr" / "liver_1.json").write_text("[]")
    with pytest.raises(LiverlibError, match=r"liver_1\.json: no note of a streamed case"):
        find_cases(tmp_path)
