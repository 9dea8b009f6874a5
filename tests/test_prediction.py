"""What is drawn from the looks' cubes: the rules, maps of probability, how far answers spread."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from conftest import simple_case
from liverlib.cli.main import main
from liverlib.core.settings import to_dict
from liverlib.inference.postprocessing import PostprocessSettings, keep
from liverlib.inference.prediction import Prediction, StageOutput
from liverlib.inference.segmenter import SHIFTS, Stage, Segmenter, probabilities
from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import CubeSettings, to_cube

WHOLE = CubeSettings(40, crop="all")


def seen_as(label: np.ndarray, grid: Grid, *more: np.ndarray) -> StageOutput:
    """A look, voxel by voxel of the scan, whose answers are such labels."""
    cubes = [
        to_cube(Volume(np.zeros(one.shape, np.int16), grid), Volume(one, grid), WHOLE)
        for one in (label, *more)
    ]
    return StageOutput(
        cubes[0], np.stack([cube.soft_labels.astype(np.float32) / 255 for cube in cubes])
    )


@pytest.fixture
def two_pieces():
    """A liver with a tumour, and a smaller piece elsewhere with another."""
    label = np.zeros((40, 40, 40), np.uint8)
    label[20:35, 10:30, 10:30], label[25:28, 20:23, 20:23] = 1, 2
    label[2:8, 5:15, 5:15], label[4:6, 8:10, 8:10] = 1, 2
    return label


@pytest.mark.parametrize(
    ("rules", "liver", "tumour"),
    [
        (PostprocessSettings(), False, False),
        (PostprocessSettings(inside=False), False, True),
        (PostprocessSettings(largest=False), True, True),
        (PostprocessSettings(largest=False, inside=False), True, True),
    ],
)
def test_each_rule_takes_out_what_it_says(two_pieces, rules, liver, tumour):
    grid = Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))
    mask = Prediction(grid, "", [seen_as(two_pieces, grid)], rules).mask().voxels
    np.testing.assert_array_equal(mask[15:], two_pieces[15:])
    assert (mask[2:8] == 1).any() == liver
    assert (mask[4:6, 8:10, 8:10] == 2).all() == tumour
    assert (mask[:15] == 2).any() == tumour


def test_rules_say_what_they_do():
    assert str(PostprocessSettings()) == (
        "liver: the largest piece; tumours: inside it, of a mean probability from 0.7"
    )
    assert "tumours: anywhere" in str(PostprocessSettings(inside=False))
    assert "liver: every piece" in str(PostprocessSettings(largest=False))


@pytest.mark.parametrize(("sure", "kept"), [(0.0, True), (0.6, True), (0.7, False)])
def test_lesions_that_the_networks_doubt_become_liver(two_pieces, sure, kept):
    """Two networks of three draw the tumours: a probability of two thirds."""
    grid = Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))
    seen = seen_as(two_pieces, grid, (two_pieces > 0).astype(np.uint8), two_pieces)
    mask = Prediction(grid, "", [seen], PostprocessSettings(sure=sure)).mask().voxels
    assert (mask[25:28, 20:23, 20:23] == (2 if kept else 1)).all()
    np.testing.assert_array_equal(mask[20:35] > 0, two_pieces[20:35] > 0)


def test_probabilities_are_the_networks_own_and_agree_with_the_mask(two_pieces):
    grid = Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))
    seen = seen_as(two_pieces, grid, np.zeros_like(two_pieces), two_pieces)
    prediction = Prediction(grid, "", [seen])
    liver, tumour = (prediction.probability(least) for least in (1, 2))
    assert liver.dtype == tumour.dtype == np.uint8
    np.testing.assert_array_equal(liver, 170 * (two_pieces >= 1))  # two thirds, rules or not
    np.testing.assert_array_equal(tumour, 170 * (two_pieces == 2))
    everything = replace(prediction, rules=PostprocessSettings(largest=False, sure=0)).mask().voxels
    np.testing.assert_array_equal(everything, (liver > 127).astype(np.uint8) + (tumour > 127))


def test_the_maps_hold_what_the_second_look_says_inside_its_box():
    grid = Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))
    scan, box = Volume(np.zeros((40, 40, 40), np.int16), grid), ((5, 35),) * 3
    looks = [
        StageOutput(
            to_cube(scan, None, WHOLE, part), np.full((1, 2, 40, 40, 40), value, np.float32)
        )
        for part, value in ((None, 0.2), (box, 1.0))
    ]
    tumour = Prediction(grid, "", looks).probability(2)
    assert (tumour[:5] == 51).all()
    assert (tumour[10:30, 10:30, 10:30] == 255).all()
    along = tumour[:, 20, 20].astype(int)
    assert (np.diff(along[:20]) >= 0).all()
    assert 51 < along[6] < along[8] < 255  # no seam


def test_how_far_single_answers_spread(two_pieces):
    grid = Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))
    less = np.where(np.arange(40) < 26, two_pieces, np.minimum(two_pieces, 1)).astype(np.uint8)
    many = Prediction(grid, "", [seen_as(two_pieces, grid, less[:, ::1])])
    ml = 8 / 1000
    less_ml = (less[15:] == 2).sum() * ml
    assert many.tumour_ml() == pytest.approx(((two_pieces[15:] == 2).sum() * ml, less_ml))
    assert Prediction(grid, "", [seen_as(two_pieces, grid)]).tumour_ml() == ()
    unknown = replace(many, grid=Grid.of((40, 40, 40), np.eye(4)))
    assert np.isnan(unknown.tumour_ml()).all()


class Local(torch.nn.Module):
    """A network that sees one voxel only: wherever that lies, it says the same of it."""

    divisor = 1

    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return torch.cat([0.3 - image, image, image - 0.6], 1) * 9


def test_a_shift_is_undone():
    cube = to_cube(simple_case()[0], settings=CubeSettings(size=32))
    answers = [probabilities(Local(), cube, shift) for shift in SHIFTS]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-6)
    moved = probabilities(UNet3D((4, 8)).eval(), cube, SHIFTS[1])
    assert not np.allclose(moved, probabilities(UNet3D((4, 8)).eval(), cube), atol=1e-3)


def test_test_time_augmentation_averages_over_the_shifts():
    scan, _ = simple_case()
    network = UNet3D((4, 8)).eval()
    look = Stage([network], CubeSettings(size=32))
    seen = Segmenter(look, tta=True).predict(scan).looks[0]
    answers = [probabilities(network, seen.cube, shift) for shift in SHIFTS]
    np.testing.assert_allclose(seen.mean, np.mean(answers, axis=0), atol=1e-6)
    assert len(Segmenter(look).predict(scan).looks[0].answers) == 1


def test_nothing_is_dropped_from_a_single_piece():
    shares = np.random.default_rng(0).random((2, 8, 8, 8)).astype(np.float32)
    shares[0] = 0.9
    np.testing.assert_array_equal(keep(shares, PostprocessSettings(sure=0)), shares)


@pytest.fixture
def files(tmp_path):
    """A scan stored with its axes mixed, and untrained weights for both looks."""
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


def test_the_command_writes_maps_and_a_report_and_says_what_it_did(files, tmp_path, capsys):
    out = tmp_path / "masks" / "ct.nii.gz"
    more = ["--probabilities", "--tta", "--all-pieces", "--report", str(tmp_path / "report")]
    assert main([*files, "-o", str(out), *more]) == 0
    text = capsys.readouterr().out
    assert "liver: every piece; tumours: inside it, of a mean probability from 0.7; aver" in text
    scan, mask = nib.load(tmp_path / "ct.nii.gz"), nib.load(out)
    maps = [nib.load(out.parent / "probabilities" / f"ct_{n}.nii.gz") for n in ("liver", "tumour")]
    liver, tumour = (one.get_fdata() for one in maps)
    for one in maps:
        np.testing.assert_array_equal(one.affine, scan.affine)
        assert one.get_data_dtype() == np.uint8
    assert tumour.min() >= 0 and liver.max() <= 1
    assert (tumour <= liver).all()
    drawn = np.asarray(mask.dataobj) >= 1
    assert drawn.any() and not drawn.all()
    assert liver[drawn].min() >= 0.49 and liver[~drawn].max() <= 0.51
    page = (tmp_path / "report" / "ct.html").read_text()
    assert "in 4 predictions" in page
    assert (tmp_path / "report" / "ct.csv").read_text().splitlines()[1].startswith("# liver")
    assert read_scan(out.parent / "probabilities" / "ct_liver.nii.gz").voxels.dtype == np.float32


def test_by_default_there_is_the_mask_alone(files, tmp_path, capsys):
    out = tmp_path / "masks" / "ct.nii.gz"
    assert main([*files, "-o", str(out)]) == 0
    assert [path.name for path in out.parent.iterdir()] == ["ct.nii.gz"]
    assert "liver: the largest piece; tumours: inside it, of a mean" in capsys.readouterr().out


def test_a_dicom_mask_of_a_nifti_scan_is_refused_before_any_work(files, tmp_path, capsys):
    assert main([*files, "-o", str(tmp_path / "mask.dcm")]) == 2
    assert "that of a DICOM folder as .dcm too" in capsys.readouterr().err
    assert not (tmp_path / "mask.dcm").exists()
