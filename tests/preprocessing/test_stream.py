"""Cases of a remote dataset straight into cubes."""

import numpy as np
import pytest
from web import only

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json
from liverlib.data import download
from liverlib.data.cases import find_cases
from liverlib.io.nifti import read_label, write_volume
from liverlib.pipeline.paths import home
from liverlib.pipeline.run import STAGES, Run
from liverlib.preprocessing import stream
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import Cube, CubeSettings

TINY = CubeSettings(size=16)


def test_streamed_cubes_are_those_from_files_and_no_scan_stays(web, dataset, tmp_path, monkeypatch):
    kinds, on_disk = [TINY, CubeSettings(size=12, crop="all")], []
    cube_of, arguments = stream.cube_of, ("all", web.url, tmp_path / "to", kinds, tmp_path / "a")

    def watched(*arguments):
        on_disk.append(len({path.name for path in (tmp_path / "to").rglob("*.nii.gz")}))
        return cube_of(*arguments)

    monkeypatch.setattr(stream, "cube_of", watched)
    paths = stream.fetch_cubes(*arguments)
    cases = [case for case in find_cases(dataset) if case.label]
    for n, settings in enumerate(kinds):
        from_files = prepare(cases, settings, tmp_path / "b", workers=1)
        for path, other in zip(paths[n :: len(kinds)], from_files, strict=True):
            assert path.relative_to(tmp_path / "a") == other.relative_to(tmp_path / "b")
            assert path.read_bytes() == other.read_bytes()
    assert 1 <= max(on_disk) <= 2
    assert not list((tmp_path / "to").rglob("*.nii.gz"))
    web.sent.clear()
    assert stream.fetch_cubes(*arguments) == paths
    assert not web.sent
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    with pytest.warns(UserWarning, match="not a cube"):
        assert stream.fetch_cubes(*arguments) == paths
    assert len(web.sent) == 2  # of that case


def test_streamed_cubes_are_trained_on_and_scored_once_their_scans_are_fetched(
    web, tmp_path, capsys
):
    folder, small = tmp_path / "Task03_Liver", ["--cube.size", "16"]
    download_ = ["download", "--url", web.url, "--to", str(folder)]
    assert main([*download_, "--cases", "all", "--into-cubes", *small]) == 0
    assert "12 cases with a label, 12 of them as cubes alone: MSD" in capsys.readouterr().out
    for stage in STAGES:
        for option in "channels 4 8|epochs 1|steps 1|patch_size 0|warmup 0".split("|"):
            small += f"--{stage}.{option}".split()
    arguments = ["--data", str(folder), "--run", "streamed", *small]
    assert main(["train", *arguments]) == 0
    weights = home() / "results" / "streamed" / "weights.safetensors"
    trained = weights.read_bytes()
    capsys.readouterr()

    assert main(["run", *arguments]) == 2
    text = capsys.readouterr().err
    assert "of 2 cases needed here it has the cubes alone" in text
    names = text.split("--cases")[1].split()
    assert main([*download_, "--cases", *names]) == 0
    assert "12 cases with a label, 10 of them as cubes alone" in capsys.readouterr().out
    assert main(["run", *arguments]) == 0
    metrics = read_json(weights.parent / "metrics.json")
    assert {case["name"] for case in metrics["cases"]} == set(names)
    assert weights.read_bytes() == trained
    web.sent.clear()
    assert main([*download_, "--cases", "all", "--into-cubes", "--cube.size", "16"]) == 0
    assert not web.sent


def test_a_streamed_case_that_was_fetched_and_changed_is_another(web, tmp_path, own_home):
    """Its old cube, which its note still names, is not used for it, nor is the run that had it."""
    cubes = own_home / "data" / "cubes"
    stream.fetch_cubes(3, web.url, tmp_path / "d", [TINY], cubes)
    run_before = Run(data=tmp_path / "d").folder
    download.fetch(["liver_1"], web.url, tmp_path / "d")
    old = prepare(find_cases(tmp_path / "d"), TINY, cubes, workers=1)
    assert len(list(cubes.rglob("*.safetensors"))) == 3
    assert Run(data=tmp_path / "d").folder == run_before
    label = read_label(tmp_path / "d" / "labelsTr" / "liver_1.nii.gz")
    label.voxels[4:12] = 0
    write_volume(tmp_path / "d" / "labelsTr" / "liver_1.nii.gz", label.voxels, label.grid)
    new = prepare(find_cases(tmp_path / "d"), TINY, cubes, workers=1)
    assert [before == after for before, after in zip(old, new, strict=True)] == [True, False, True]
    assert Run(data=tmp_path / "d").folder != run_before


def test_what_streamed_cubes_cannot_do_is_an_error(web, tmp_path, own_home, capsys):
    cubes = own_home / "data" / "cubes"
    paths = stream.fetch_cubes(2, web.url, tmp_path / "d", [TINY], cubes)
    cases = find_cases(tmp_path / "d")
    assert prepare(cases, TINY, cubes) == paths
    again = r"of 2 cases needed here it has the cubes alone.*--cases liver_0 liver_1"
    with pytest.raises(LiverlibError, match=again):
        prepare(cases, CubeSettings(size=12), cubes)
    with pytest.raises(LiverlibError, match="of 1 cases"):
        cases[0].read()
    assert main(["check", str(tmp_path / "d")]) == 2
    assert "cubes alone. Fetch the scans" in capsys.readouterr().err
    (tmp_path / "d" / "cubesTr" / "liver_1.json").write_text("[]")
    with pytest.raises(LiverlibError, match=r"liver_1\.json: no note of a streamed case"):
        find_cases(tmp_path / "d")


def test_a_case_that_makes_no_cube_stops_no_other(dataset, tmp_path):
    bad = tmp_path / "bad"
    for name, data in only(dataset, 0, 1).items():
        (bad / name).parent.mkdir(parents=True, exist_ok=True)
        (bad / name).write_bytes(data)
    label = read_label(bad / "labelsTr" / "liver_0.nii.gz")
    write_volume(bad / "labelsTr" / "liver_0.nii.gz", label.voxels * 7, label.grid)
    with pytest.raises(
        LiverlibError, match=r"made no cube; the others did(.|\n)*liver_0.*label holds"
    ):
        stream.fetch_cubes("all", bad, tmp_path / "to", [TINY], tmp_path)
    (cube,) = tmp_path.rglob("*.safetensors")
    assert cube.stem.startswith("liver_1-")
    assert np.any(Cube.load(cube).soft_labels)
