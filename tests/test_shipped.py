"""The weights in the package: there, small, learned from no patient, and of use."""

import re
from pathlib import Path

from safetensors import safe_open

from conftest import simple_case
from liverlib.cli.main import main
from liverlib.core.settings import to_dict
from liverlib.evaluation.case import score_case
from liverlib.inference.segmenter import Segmenter
from liverlib.io.dicom import read_dicom
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.pipeline.presets import PRESETS
from liverlib.pipeline.run import Run
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

ROOT = Path(__file__).parents[1]


def test_both_looks_are_there_in_little_room():
    assert PRETRAINED.stat().st_size < 10e6
    assert [about["cube"]["crop"] for _, about in load_networks(PRETRAINED)] == ["body", "liver"]
    with safe_open(PRETRAINED, "pt") as file:
        assert {file.get_tensor(name).itemsize for name in file.keys()} == {2}  # noqa: SIM118


def test_they_were_made_by_the_presets_networks_from_phantoms_alone():
    """Both looks went on, as the Makefile has it."""
    made = to_dict(PRESETS["shipped"])
    _, then = (ROOT / "Makefile").read_text().split("\nTHEN = ")
    then = re.findall(r"--(body|liver)\.(\w+) (\S+)", then)
    assert len(then) == 14
    for look, (_, about) in zip(("body", "liver"), load_networks(PRETRAINED), strict=True):
        assert "phantoms" in about["data"] and about["anatomy"] == made["anatomy"]
        changes = {name: float(value) for of, name, value in then if of == look}
        assert about["start"] and about[look] == made[look] | changes


def test_they_find_liver_and_tumours_of_a_phantom_that_they_never_saw():
    scan, label = make_phantom(1000, PhantomSettings(size=128))
    mask = Segmenter.load(PRETRAINED).segment(scan)
    score = score_case(label.voxels, mask.voxels, scan.grid.spacing)
    assert score.liver_dice > 0.9
    assert score.has_tumour and score.touched.found > 0


def test_they_find_the_liver_of_patients(shared):
    """A guard against breaking what works; how well it works stands in the weights' README."""
    segmenter = Segmenter.load(PRETRAINED)
    scans = {
        "ct_3mm": read_scan(shared / "ct_3mm" / "image.nii.gz"),
        "ct_dicom": read_dicom(shared / "ct_dicom" / "slices"),
        "liver_crop_128": read_scan(shared / "liver_crop_128" / "image.nii.gz"),
    }
    for name, scan in scans.items():
        label = read_label(shared / name / "label.nii.gz", like=scan)
        score = score_case(label.voxels, segmenter.segment(scan).voxels, None)
        assert score.liver_dice > 0.8, name
        assert not score.has_tumour or score.tumour_dice > 0.5, name


def test_segment_takes_them_when_no_others_are_named(tmp_path, capsys):
    scan, _ = simple_case()
    write_volume(tmp_path / "ct.nii.gz", scan.voxels, scan.grid)
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "-o", str(tmp_path / "m.nii.gz")]) == 0
    assert PRETRAINED.name in capsys.readouterr().out
    assert read_label(tmp_path / "m.nii.gz", like=scan).voxels.shape == scan.voxels.shape


def test_a_run_with_weights_scores_them_and_trains_nothing(tmp_path):
    folder = tmp_path / "data"
    for n in range(3):
        for part, volume in zip(("imagesTr", "labelsTr"), simple_case(n), strict=True):
            write_volume(folder / part / f"liver_{n}.nii.gz", volume.voxels, volume.grid)
    run = Run(data=folder, weights=PRETRAINED)
    metrics = run.score()
    assert len(metrics["cases"]) == len(run.parts["test"])
    assert run.report().is_file()
    assert not list(run.folder.rglob("*.safetensors"))
