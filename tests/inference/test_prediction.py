"""What is made of the stages' cubes: the mask, maps of probability, the spread of predictions."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from phantoms import simple_case
from stages import predicted, stage_output

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.evaluation.lesion_table import measure_lesions
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.inference.prediction import Prediction
from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube

EVERYTHING = PostprocessSettings(largest_component=False, min_lesion_probability=0)


def test_the_mask_is_computed_once_on_the_scans_grid(grid, two_pieces, monkeypatch):
    calls = []

    def counted(cube, probabilities):
        calls.append(cube)
        return to_grid(cube, probabilities)

    to_grid = Cube.to_grid
    monkeypatch.setattr(Cube, "to_grid", counted)
    prediction = Prediction(grid, "name", [predicted(grid, two_pieces)])
    assert prediction.mask is prediction.mask
    assert len(calls) == 1
    assert (prediction.mask.name, prediction.mask.grid) == ("name", grid)
    assert prediction.mask.voxels.dtype == np.uint8


def test_a_mask_that_is_empty_because_the_roi_stage_finds_nothing_is_not_to_be_used(
    grid, two_pieces
):
    stages = [predicted(grid, two_pieces), predicted(grid, np.zeros_like(two_pieces))]
    prediction = Prediction(grid, "", stages)
    assert not prediction.mask.voxels.any()
    assert prediction.quality.verdict == "not to be used"
    assert "The ROI stage finds no liver" in prediction.quality.details[0]
    assert Prediction(grid, "", stages[:1]).quality.verdict == "as expected"


def test_the_spread_is_computed_once(grid, two_pieces, monkeypatch):
    prediction = Prediction(grid, "", [predicted(grid, two_pieces, two_pieces)])
    volumes = prediction.tumour_ml_each
    monkeypatch.setattr("liverlib.inference.prediction.postprocess", lambda *_: 1 / 0)
    assert prediction.tumour_ml_each is volumes


def test_probabilities_are_the_networks_own_and_agree_with_the_mask(grid, two_pieces):
    nothing = np.zeros_like(two_pieces)
    for settings in (PostprocessSettings(), EVERYTHING):
        stage = predicted(grid, two_pieces, nothing, two_pieces, settings=settings)
        prediction = Prediction(grid, "", [stage], settings)
        liver, tumour = (prediction.probability(least) for least in (1, 2))
        assert liver.dtype == tumour.dtype == np.uint8
        np.testing.assert_array_equal(liver, 170 * (two_pieces >= 1))  # post-processed or not
        np.testing.assert_array_equal(tumour, 170 * (two_pieces == 2))
    expected = (liver > 127).astype(np.uint8) + (tumour > 127)
    np.testing.assert_array_equal(prediction.mask.voxels, expected)


def test_the_maps_hold_what_the_roi_stage_predicts_inside_its_box(grid):
    scan, box = Volume(np.zeros(grid.shape, np.int16), grid), (slice(5, 35),) * 3
    stages = []
    for part, value in ((None, 0.2), (box, 1.0)):
        cube = to_cube(scan, None, CubeSettings(40, crop="all"), part)
        stages.append(stage_output(cube, np.full((1, 2, 40, 40, 40), value, np.float32), grid))
    tumour = Prediction(grid, "", stages).probability(2)
    assert (tumour[:5] == 51).all()
    assert (tumour[10:30, 10:30, 10:30] == 255).all()
    along = tumour[:, 20, 20].astype(int)
    assert (np.diff(along[:20]) >= 0).all()
    assert 51 < along[6] < along[8] < 255  # no seam
    for part in ((0, 40, 3, 9, 7, 8), (0, 4, 0, 4, 0, 3), (33, 38, 20, 40, 1, 39)):
        x, y, z = (slice(*part[n : n + 2]) for n in (0, 2, 4))
        np.testing.assert_array_equal(
            Prediction(grid, "", stages).probability(2, (x, y, z)), tumour[x, y, z]
        )


def test_single_predictions_spread_and_are_post_processed_alike(grid, two_pieces):
    less = np.where(np.arange(40) < 26, two_pieces, np.minimum(two_pieces, 1)).astype(np.uint8)
    prediction = Prediction(grid, "", [predicted(grid, two_pieces, less)])
    ml = [(label[15:] == 2).sum() * 8 / 1000 for label in (two_pieces, less)]
    assert prediction.tumour_ml_each == pytest.approx(tuple(ml))  # of the largest piece alone
    every = replace(prediction, settings=EVERYTHING)
    assert every.tumour_ml_each[0] == pytest.approx((two_pieces == 2).sum() * 8 / 1000)
    assert Prediction(grid, "", [predicted(grid, two_pieces)]).tumour_ml_each == ()
    unknown = replace(prediction, grid=Grid.of((40, 40, 40), np.eye(4)))
    assert np.isnan(unknown.tumour_ml_each).all()


def test_a_table_of_lesions_takes_probability_and_spread_from_the_prediction(grid, two_pieces):
    settings = PostprocessSettings(min_lesion_probability=0.7)
    each = two_pieces, np.minimum(two_pieces, 1), two_pieces, two_pieces
    prediction = Prediction(grid, "scan", [predicted(grid, *each, settings=settings)], settings)
    table = measure_lesions(Volume(np.zeros(grid.shape, np.int16), grid, "scan"), prediction)
    (lesion,) = table.lesions  # of the largest piece
    assert lesion.probability == pytest.approx(0.75, abs=1 / 255)
    assert table.tumour_ml_each == prediction.tumour_ml_each
    assert len(table.tumour_ml_each) == 4 and min(table.tumour_ml_each) == 0


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """A scan stored with its axes mixed, and untrained weights for both stages."""
    scan, _ = simple_case()
    grid = Grid.of(scan.grid.shape, scan.grid.affine, "SLP")
    write_volume(tmp_path / "ct.nii.gz", scan.voxels, grid)
    torch.manual_seed(0)
    networks = [
        (UNet3D((4, 8)), {"cube": to_dict(CubeSettings(size=32, crop=crop))})
        for crop in ("body", "liver")
    ]
    for network, _ in networks:
        network.head.bias.data = network.head.bias.data.reshape(3, -1).fill_(0.0).flatten()
    save_networks(tmp_path / "w.safetensors", networks)
    return ["segment", str(tmp_path / "ct.nii.gz"), "--weights", str(tmp_path / "w.safetensors")]


def test_the_command_writes_maps_and_a_report_and_tells_what_it_did(
    files, tmp_path, capsys, believed
):
    out = tmp_path / "masks" / "ct.nii.gz"
    more = ["--probabilities", "--tta", "--all-pieces", "--report", str(tmp_path / "report")]
    assert main([*files, "-o", str(out), *more]) == 0
    text = capsys.readouterr().out
    assert (
        "liver: every piece; tumours: inside it, where they reach a probability of 0.98; aver"
        in text
    )
    scan, mask = nib.load(tmp_path / "ct.nii.gz"), nib.load(out)
    maps = [nib.load(out.parent / "probabilities" / f"ct_{n}.nii.gz") for n in ("liver", "tumour")]
    liver, tumour = (image.get_fdata() for image in maps)
    for image in maps:
        np.testing.assert_array_equal(image.affine, scan.affine)
        assert image.get_data_dtype() == np.uint8
    assert tumour.min() >= 0 and liver.max() <= 1
    assert (tumour <= liver).all()
    inside = np.asarray(mask.dataobj) >= 1
    assert inside.any() and not inside.all()
    assert liver[inside].min() >= 0.49 and liver[~inside].max() <= 0.51
    page = (tmp_path / "report" / "ct.html").read_text()
    assert "in 4 predictions" in page
    assert (tmp_path / "report" / "ct.csv").read_text().splitlines()[1].startswith("# liver")
    assert read_scan(out.parent / "probabilities" / "ct_liver.nii.gz").voxels.dtype == np.float32


def test_by_default_the_command_writes_the_mask_alone(files, tmp_path, capsys, believed):
    out = tmp_path / "masks" / "ct.nii.gz"
    assert main([*files, "-o", str(out)]) == 0
    assert [path.name for path in out.parent.iterdir()] == ["ct.nii.gz"]
    assert "liver: the largest piece; tumours: inside it, where" in capsys.readouterr().out


def test_a_dicom_mask_of_a_nifti_scan_is_refused_before_any_work(files, tmp_path, capsys):
    assert main([*files, "-o", str(tmp_path / "mask.dcm")]) == 2
    assert "no DICOM folder, so its mask cannot be .dcm" in capsys.readouterr().err
    assert not (tmp_path / "mask.dcm").exists()


def test_a_lack_of_memory_names_the_scan_and_its_size(grid, two_pieces, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    prediction = Prediction(grid, "ct", [predicted(grid, two_pieces)])
    size = " × ".join(map(str, grid.shape))
    with monkeypatch.context() as patched:
        patched.setattr(Cube, "to_grid", full)
        with pytest.raises(LiverlibError, match=f"ct: not enough memory: {size} voxels"):
            _ = prediction.mask
    assert prediction.mask.voxels.any()  # nothing half done is kept
