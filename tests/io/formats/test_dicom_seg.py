"""Masks as DICOM segmentations, which another program reads back to the same voxels."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.core.verdict import Quality
from liverlib.inference.segmenter import Segmenter
from liverlib.io.dicom import read_dicom
from liverlib.io.nifti import read_label
from liverlib.io.volume import Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import CubeSettings
from liverlib.view.slices import COLOURS

pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
hd = pytest.importorskip("highdicom", reason="the extra dicom is not installed")

from dicom_files import CORONAL, write_series  # noqa: E402

from liverlib.io.formats.dicom_seg import write_seg  # noqa: E402

pytestmark = pytest.mark.usefixtures("believed")  # untrained weights find no liver

CT = {
    "SOPClassUID": pydicom.uid.CTImageStorage, "StudyInstanceUID": "1.2.1", "PatientID": "7",
    "FrameOfReferenceUID": "1.2.9", "StudyID": "1", "PatientName": "A^B", "StudyDate": "20200101",
    "StudyTime": "120000", "PatientBirthDate": "", "PatientSex": "", "AccessionNumber": "",
    "ReferringPhysicianName": "",
}  # fmt: skip


def ct(folder, **more):
    """A series whose files hold what every file of a scanner holds."""
    for path in write_series(folder, **more):
        header = pydicom.dcmread(path)
        for name, value in CT.items():
            setattr(header, name, value)
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
        pydicom.dcmwrite(path, header, enforce_file_format=True)
    return read_dicom(folder)


def read_back(path, scan) -> np.ndarray:
    """The classes in a segmentation, placed in the scan by highdicom's own geometry alone."""
    seg = hd.seg.segread(path)
    volume = seg.get_volume(combine_segments=False, rescale_fractional=False)
    classes = np.zeros(scan.voxels.shape, np.uint8)
    to_voxel = np.linalg.inv(scan.grid.affine) @ np.diag([-1, -1, 1, 1]) @ volume.affine
    for n in (0, 1):  # LPS to RAS
        at = np.argwhere(volume.array[..., n])
        indices = (to_voxel @ np.c_[at, np.ones(len(at))].T)[:3].T
        np.testing.assert_allclose(indices, indices.round(), atol=1e-3)
        classes[tuple(indices.round().astype(int).T)] += 1
    return classes


@pytest.mark.parametrize("direction", [{}, {"direction": CORONAL}])
def test_a_mask_is_read_back_to_the_same_voxels_at_the_same_positions(tmp_path, direction):
    scan = ct(tmp_path / "ct", **direction)
    classes = np.random.default_rng(1).integers(0, 3, scan.voxels.shape).astype(np.uint8)
    write_seg(tmp_path / "seg.dcm", Volume(classes, scan.grid), tmp_path / "ct")
    np.testing.assert_array_equal(read_back(tmp_path / "seg.dcm", scan), classes)


def test_it_says_what_it_shows_and_of_whom(tmp_path):
    scan = ct(tmp_path / "ct")
    mask = np.ones(scan.voxels.shape, np.uint8)
    mask[2, 2, 1] = 2
    write_seg(tmp_path / "seg.dcm", Volume(mask, scan.grid), tmp_path / "ct")
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    liver, tumour = seg.SegmentSequence
    assert (liver.SegmentLabel, tumour.SegmentLabel) == ("Liver", "Tumour")
    code = "SegmentedPropertyTypeCodeSequence"
    assert (liver[code][0].CodeValue, tumour[code][0].CodeValue) == ("10200004", "108369006")
    assert tumour.AnatomicRegionSequence[0].CodeValue == "10200004"
    assert {segment.SegmentAlgorithmType for segment in (liver, tumour)} == {"AUTOMATIC"}
    colours = [
        hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        for segment in (liver, tumour)
    ]
    rgb = [colour.to_rgb() for colour in colours]
    np.testing.assert_allclose(rgb, [COLOURS["liver"], COLOURS["tumour"]], atol=1)
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name].value == CT[name]
    assert "Not a medical device" in seg.SeriesDescription
    (series,) = seg.ReferencedSeriesSequence
    referred = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referred == {f"1.2.3.{k}" for k in range(4)}
    frames = seg.PerFrameFunctionalGroupsSequence
    assert len(frames) == seg.NumberOfFrames == 5  # empty ones are left out
    for frame in frames:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        k = int(source.ReferencedSOPInstanceUID.split(".")[-1])
        np.testing.assert_allclose(position, [-30, 20, -100 + 2.5 * k])


def test_uids_that_anonymising_emptied_are_no_hindrance(tmp_path):
    scan = ct(tmp_path / "ct")
    for path in (tmp_path / "ct").iterdir():
        header = pydicom.dcmread(path)
        for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            setattr(header, name, "")
        pydicom.dcmwrite(path, header, enforce_file_format=False)
    mask = Volume(np.ones(scan.voxels.shape, np.uint8), scan.grid)
    write_seg(tmp_path / "seg.dcm", mask, tmp_path / "ct")
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.StudyInstanceUID
    (series,) = seg.ReferencedSeriesSequence
    assert len(series.ReferencedInstanceSequence) == 4


def test_uids_that_the_file_does_not_repeat_are_no_hindrance(tmp_path):
    """The part before the data set may hold no more than how they are encoded."""
    scan = ct(tmp_path / "ct")
    for path in (tmp_path / "ct").iterdir():
        header = pydicom.dcmread(path)
        for name in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"):
            delattr(header.file_meta, name)
        pydicom.dcmwrite(path, header, enforce_file_format=False)
    mask = Volume(np.ones(scan.voxels.shape, np.uint8), scan.grid)
    write_seg(tmp_path / "seg.dcm", mask, tmp_path / "ct")
    assert pydicom.dcmread(tmp_path / "seg.dcm").ReferencedSeriesSequence


def test_a_scan_without_liver_makes_a_segmentation_all_the_same(tmp_path):
    scan = ct(tmp_path / "ct")
    nothing = Volume(np.zeros(scan.voxels.shape, np.uint8), scan.grid)
    write_seg(tmp_path / "seg.dcm", nothing, tmp_path / "ct")
    assert len(pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence) == 2


def test_another_series_and_poor_headers_are_refused(tmp_path):
    scan = ct(tmp_path / "ct")
    other = Volume(np.zeros((3, 3, 3), np.uint8), scan.grid)
    with pytest.raises(LiverlibError, match="Name the series that was segmented"):
        write_seg(tmp_path / "seg.dcm", other, tmp_path / "ct")
    write_series(tmp_path / "poor")  # no study, no patient
    poor = Volume(np.ones(scan.voxels.shape, np.uint8), scan.grid)
    with pytest.raises(LiverlibError, match=r"poor: its headers do not make .*\.nii\.gz"):
        write_seg(tmp_path / "seg.dcm", poor, tmp_path / "poor")
    assert not list(tmp_path.glob("*.dcm"))


def test_without_highdicom_the_way_out_is_told(tmp_path, monkeypatch):
    scan = ct(tmp_path / "ct")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(LiverlibError, match=r"pip install highdicom.*\.nii\.gz"):
        write_seg(tmp_path / "seg.dcm", scan, tmp_path / "ct")


def test_the_real_slabs_mask_is_read_back_to_the_same_voxels(shared, tmp_path):
    folder = shared / "ct_dicom" / "slices"
    scan = read_dicom(folder)
    label = read_label(shared / "ct_dicom" / "label.nii.gz", like=scan)
    write_seg(tmp_path / "seg.dcm", label, folder)
    np.testing.assert_array_equal(read_back(tmp_path / "seg.dcm", scan), label.voxels)


def test_a_segmentation_is_not_made_twice_and_a_changed_one_is_kept(tmp_path, monkeypatch, capsys):
    scan, asked = ct(tmp_path / "ct"), []
    mask = Volume((scan.voxels > 0).astype(np.uint8), scan.grid)

    def predict(self, scan):
        asked.append(scan.name)
        return SimpleNamespace(mask=mask, quality=Quality())

    monkeypatch.setattr(Segmenter, "predict", predict)
    path = tmp_path / "mask.dcm"
    words = ["segment", str(tmp_path / "ct"), "-o", str(path)]
    for _ in range(2):
        assert main(words) == 0
    assert "1 of 1 masks were there" in capsys.readouterr().out
    assert len(asked) == 1
    seg = pydicom.dcmread(path)
    assert re.fullmatch(r"liverlib \S+ mask \w{12} \w{12}; Not a medical device", seg.ImageComments)
    assert main([*words, "--tta"]) == 0  # other options
    (tmp_path / "ct" / "one.txt").write_text("another input")
    assert main(words) == 0
    assert len(asked) == 3
    seg = pydicom.dcmread(path)
    seg.PixelData = bytes(len(seg.PixelData))
    seg.save_as(path)
    before = path.read_bytes()
    assert main(words) == 0
    assert main([*words, "--tta"]) == 2
    assert "mask.dcm: is there, and is not as liverlib wrote it" in capsys.readouterr().err
    seg.ImageComments = "corrected"
    seg.save_as(path)
    assert main(words) == 2
    assert main([*words, "--overwrite"]) == 0
    assert len(asked) == 4 and path.read_bytes() != before


def test_the_command_writes_the_same_mask_as_dicom_and_as_nifti(shared, tmp_path):
    scan = read_dicom(folder := shared / "ct_dicom" / "slices")
    about = {"cube": to_dict(CubeSettings(size=32))}
    save_networks(tmp_path / "w.safetensors", [(UNet3D((4, 8)), about)])
    arguments = ["segment", str(folder), "--weights", str(tmp_path / "w.safetensors")]
    for name in ("mask.dcm", "mask.nii.gz"):
        assert main([*arguments, "-o", str(tmp_path / name)]) == 0
    mask = read_label(tmp_path / "mask.nii.gz", like=scan)
    np.testing.assert_array_equal(read_back(tmp_path / "mask.dcm", scan), mask.voxels)
