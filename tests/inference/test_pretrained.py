"""The pretrained weights: small, learned from no patient, made by a preset, and of use."""

from dataclasses import replace

import pytest
from phantoms import simple_case
from safetensors import safe_open

from liverlib.core.settings import to_dict
from liverlib.evaluation.case import score_case
from liverlib.evaluation.lesion_matching import match_lesions
from liverlib.inference.fine import fine_path
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.pipeline.presets import PRESETS
from liverlib.pipeline.run import Run
from liverlib.synthesis.phantom.body import PHASES
from liverlib.synthesis.phantom.phantom import (
    PhantomKind,
    PhantomSettings,
    make_phantom,
    make_phantom_of,
)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load()


def test_both_stages_are_in_one_small_file_and_the_fine_stage_beside_it(segmenter):
    assert PRETRAINED.stat().st_size < 10e6
    assert fine_path(PRETRAINED).stat().st_size < 6e6
    assert (segmenter.coarse.cube.crop, segmenter.roi.cube.crop) == ("body", "liver")
    with safe_open(PRETRAINED, "pt") as file:
        assert {file.get_tensor(name).itemsize for name in file.keys()} == {2}  # noqa: SIM118


def test_they_were_trained_on_synthetic_ct_alone():
    """Each network tells how it was trained at last: on the label maps that `finetune` has."""
    preset = to_dict(PRESETS["finetune"])
    networks = load_networks(PRETRAINED)
    assert len(networks) == 2
    for stage, (network, about) in zip(("coarse", "roi"), networks, strict=True):
        assert about["data"] == "phantoms (synthetic CT)"
        assert about["synthesis"] == preset["synthesis"] and about["synthesis"]["count"]
        assert list(network.shape["channels"]) == preset[stage]["channels"]
    ((_, about),) = load_networks(fine_path(PRETRAINED))
    assert about["data"] == "phantoms (synthetic CT)" and about["synthesis"]["count"]


def test_they_segment_liver_and_tumours_of_a_phantom_they_were_not_trained_on(segmenter):
    scan, label = make_phantom(1000, PhantomSettings(size=128))
    mask = segmenter.predict(scan).mask
    case = score_case(label.voxels, mask.voxels, scan.grid.spacing)
    assert case.liver.dice > 0.9
    assert case.has_tumour and case.iou_0.tp > 0


def test_the_fine_stage_finds_small_tumours_that_the_others_miss(segmenter):
    settings = PhantomSettings(seed=99, size=384, tumour_free=0)
    scan, label, _ = make_phantom_of(PhantomKind(tumour_mm=(5, 10), slice_mm=1.25), 4, settings)
    found, before = (
        match_lesions(label.voxels == 2, each.predict(scan).mask.voxels == 2).counts(0.1)
        for each in (segmenter, replace(segmenter, fine=None))
    )
    assert found.tp > before.tp
    assert found.fp <= before.fp


def test_changed_contrasts_find_more_of_a_bright_tumour_and_nothing_in_a_healthy_liver(segmenter):
    kind = PhantomKind(PHASES.index("arterial"), bright_tumours=True)
    plain = replace(segmenter, contrasts=())
    settings = PhantomSettings(cases=12, unlabelled=0, seed=88, size=192, tumour_free=0.4)
    scan, label, _ = make_phantom_of(kind, 2, settings)
    with_contrasts, without = (
        score_case(label.voxels, each.predict(scan).mask.voxels) for each in (segmenter, plain)
    )
    assert with_contrasts.tumour.dice > without.tumour.dice + 0.1
    assert with_contrasts.liver.dice == pytest.approx(without.liver.dice, abs=1e-3)
    healthy, no_tumour, _ = make_phantom_of(kind, 11, settings)
    assert not (no_tumour.voxels == 2).any()
    assert not (segmenter.predict(healthy).mask.voxels == 2).any()


@pytest.mark.parametrize(
    ("name", "scan"),
    [
        ("ct_3mm", "image.nii.gz"),
        ("ct_dicom", "slices"),
        ("liver_crop_128", "image.nii.gz"),
    ],
)
def test_they_segment_the_liver_of_patients(shared, segmenter, name, scan):
    """A guard against breaking what works; how well it works stands in the weights' README."""
    scan = read_scan(shared / name / scan)
    label = read_label(shared / name / "label.nii.gz", like=scan)
    case = score_case(label.voxels, segmenter.predict(scan).mask.voxels)
    assert case.liver.dice > 0.8
    assert not case.has_tumour or case.tumour.dice > 0.5


def test_a_run_with_weights_scores_them_and_trains_nothing(tmp_path):
    folder = tmp_path / "data"
    for n in range(3):
        for part, volume in zip(("imagesTr", "labelsTr"), simple_case(n), strict=True):
            write_volume(folder / part / f"liver_{n}.nii.gz", volume.voxels, volume.grid)
    run = Run(data=folder, weights=PRETRAINED)
    summary = run.score()
    assert [case.name for case in summary.cases] == [case.name for case in run.parts["test"]]
    assert run.report().is_file()
    assert not list(run.folder.rglob("*.safetensors"))
