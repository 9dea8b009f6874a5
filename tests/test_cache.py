"""The cache of cubes: found again by content, never stale, checked, shared and pruned."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from conftest import simple_case
from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.files import size_on_disk, write_sparse
from liverlib.data.cases import Case
from liverlib.io.nifti import write_volume
from liverlib.preprocessing.cache import folder_of, kept, prepare, prune
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube

SETTINGS = CubeSettings(size=16)


def write_case(folder: Path, name: str, seed: int = 0) -> Case:
    scan, label = simple_case(seed, size=24)
    paths = [folder / part / f"{name}.nii.gz" for part in ("imagesTr", "labelsTr")]
    for path, volume in zip(paths, (scan, label), strict=True):
        write_volume(path, volume.voxels, volume.grid)
    return Case(name, *paths, name)


@pytest.fixture
def cases(tmp_path) -> list[Case]:
    return [write_case(tmp_path / "data", f"c{n}", n) for n in range(4)]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cubes"


def aged(*cases: Case) -> None:
    """Lets the files be older than a cache would distrust: only their inode's time tells."""
    files = [file for case in cases for file in (case.image, case.label)]
    while time.time_ns() - max(file.stat().st_ctime_ns for file in files) < 2.1e9:
        time.sleep(0.1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_a_cached_cube_is_the_cube(cases, folder):
    (path,) = prepare(cases[:1], SETTINGS, folder)
    cached, made = Cube.load(path), to_cube(*cases[0].read(), SETTINGS)
    np.testing.assert_array_equal(cached.image, made.image)
    np.testing.assert_array_equal(cached.soft_labels, made.soft_labels)
    assert (cached.box, cached.shape, cached.method) == (made.box, made.shape, made.method)
    assert isinstance(cached.image, np.memmap)


def test_what_is_there_is_used(cases, folder, monkeypatch):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    aged(*cases)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths  # notes the files' contents
    monkeypatch.setattr("liverlib.preprocessing.cache.hashlib.file_digest", lambda *_: 1 / 0)
    monkeypatch.setattr("liverlib.preprocessing.cube.to_cube", lambda *_: 1 / 0)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


def test_a_moved_dataset_keeps_its_cubes(cases, folder, tmp_path, monkeypatch):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    there = tmp_path / "elsewhere"
    moved = [
        Case(c.name, there / "imagesTr" / c.image.name, there / "labelsTr" / c.label.name)
        for c in cases
    ]
    monkeypatch.setattr("liverlib.preprocessing.cube.to_cube", lambda *_: 1 / 0)
    assert prepare(moved, SETTINGS, folder, workers=1) == paths


@pytest.mark.parametrize("part", ["image", "label"])
def test_a_change_of_content_is_met_even_with_size_and_time_set_back(cases, folder, part):
    case = cases[0]
    (before,) = prepare([case], SETTINGS, folder)
    aged(case)
    prepare([case], SETTINGS, folder)
    scan, label = case.read()
    stat = getattr(case, part).stat()
    while getattr(case, part).stat().st_size == stat.st_size:  # any other size would tell
        scan.voxels[5, 5, 5] += 1
        label.voxels[5, 5, 5] = 2
        volume = scan if part == "image" else label
        write_volume(getattr(case, part), volume.voxels, volume.grid)
        break
    os.utime(getattr(case, part), ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (after,) = prepare([case], SETTINGS, folder)
    assert after != before
    np.testing.assert_array_equal(Cube.load(after).image, to_cube(scan, None, SETTINGS).image)


def test_other_settings_make_other_cubes(cases, folder):
    (here,) = prepare(cases[:1], SETTINGS, folder)
    (there,) = prepare(cases[:1], CubeSettings(size=16, crop="all"), folder)
    assert here.parent != there.parent


@pytest.mark.parametrize("fault", ["cut", "bit", "header", "empty"])
def test_a_corrupt_cube_is_noticed_said_and_made_anew(cases, folder, fault):
    (path,) = prepare(cases[:1], SETTINGS, folder)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-100 if fault == "bit" else 3] ^= 64
    path.write_bytes({"cut": whole[:1000], "empty": b""}.get(fault, bytes(flipped)))
    with pytest.raises(LiverlibError, match="not a cube"):
        Cube.load(path)
    with pytest.warns(UserWarning, match="not a cube"):
        assert prepare(cases[:1], SETTINGS, folder) == [path]
    assert path.read_bytes() == whole


def test_a_scan_that_changes_while_it_is_read_gives_no_cube(cases, folder, monkeypatch):
    case = cases[0]

    def meddle(*arguments):
        case.image.touch()
        return to_cube(*arguments)

    monkeypatch.setattr("liverlib.preprocessing.cube.to_cube", meddle)
    with pytest.raises(LiverlibError, match="changed while it was read"):
        prepare([case], SETTINGS, folder)
    assert not contents(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_case_is_told_once_the_others_are_done(cases, folder, workers):
    cases[1].image.write_bytes(cases[1].image.read_bytes()[:500])
    with pytest.raises(LiverlibError, match=r"1 of 4 cases.*\n.*c1\.nii\.gz: truncated"):
        prepare(cases, SETTINGS, folder, workers)
    assert len(contents(folder)) == 3


def test_strict_stops_at_the_first_bad_case(cases, folder):
    cases[1].image.write_bytes(b"")
    with pytest.raises(LiverlibError, match=r"c1\.nii\.gz"):
        prepare(cases, SETTINGS, folder, workers=1, strict=True)
    assert len(contents(folder)) == 1


def die(*_):
    os._exit(1)


def test_a_killed_worker_is_said(cases, folder, monkeypatch):
    from liverlib.core.parallel import in_processes

    with pytest.raises(LiverlibError, match="a worker was killed"):
        list(in_processes(die, [(1,), (2,)], 2, "cubes"))


def test_any_executor_serves(cases, tmp_path):
    prepare(cases, SETTINGS, tmp_path / "here", workers=1)
    with ThreadPoolExecutor(2) as pool:
        prepare(cases, SETTINGS, tmp_path / "there", pool)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_cluster_of_dask_serves(cases, tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
    prepare(cases, SETTINGS, tmp_path / "here", workers=1)
    cases.append(Case("bad", tmp_path / "nowhere.nii.gz"))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(LiverlibError, match="nowhere"),
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        prepare(cases, SETTINGS, tmp_path / "there", client.get_executor())
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_shards_together_equal_one_run_to_the_byte(cases, tmp_path, monkeypatch, capsys):
    command = ["prepare", str(tmp_path / "data"), "--cube.size", "16"]
    for home, shards in (("one", [[]]), ("three", [["--shard", f"{n}/3"] for n in (1, 2, 3)])):
        monkeypatch.setenv("LIVERLIB_HOME", str(tmp_path / home))
        for shard in shards:
            assert main([*command, "--workers", "1", *shard]) == 0
    assert "2 cubes" in capsys.readouterr().out
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert len(contents(tmp_path / "one")) == 4


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b"])
def test_a_shard_that_is_none_is_refused(tmp_path, shard, capsys):
    with pytest.raises(SystemExit):
        main(["prepare", str(tmp_path), "--shard", shard])
    assert "1/4" in capsys.readouterr().err


def test_processes_that_prepare_the_same_leave_whole_cubes(cases, tmp_path):
    command = [sys.executable, "-m", "liverlib", "prepare", str(tmp_path / "data")]
    env = {**os.environ, "LIVERLIB_HOME": str(tmp_path / "home")}
    both = [
        subprocess.Popen([*command, "--cube.size", "16", "--workers", "1"], env=env)
        for _ in range(2)
    ]
    assert [one.wait() for one in both] == [0, 0]
    kinds = kept(tmp_path / "home" / "data" / "cubes")  # of the body, and of the liver
    cubes = [cube for one in kinds for cube in one.cubes]
    assert len(cubes) == 8
    assert all(Cube.load(path).image.shape == (16, 16, 16) for path in cubes)


def test_zeros_take_no_room_and_are_there_when_read(tmp_path):
    content = b"a" * 5000 + bytes(1_000_000) + b"b" + bytes(100_000)
    write_sparse(tmp_path / "sparse", content)
    assert (tmp_path / "sparse").read_bytes() == content
    write_sparse(tmp_path / "hole", bytes(1_000_000))
    if size_on_disk(tmp_path / "hole") == 0:  # this disk knows holes
        assert size_on_disk(tmp_path / "sparse") == 3 * 4096


def test_the_cache_is_listed_and_pruned(cases, folder):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    aged(*cases)
    prepare(cases, SETTINGS, folder, workers=1)
    (other,) = prepare(cases[:1], CubeSettings(size=8), folder)
    os.utime(other, (0, 0))
    latest, earlier = kept(folder)
    assert (latest.folder, latest.cubes) == (folder_of(SETTINGS, folder), sorted(paths))
    assert latest.size == sum(map(size_on_disk, paths))
    assert prune(folder, days=1) == earlier.size
    assert kept(folder) == [latest]
    assert not other.parent.exists()
    assert prune(folder, days=0) > latest.size  # with the notes
    assert not kept(folder)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


def test_the_command_says_what_is_kept(cases, tmp_path, own_home, capsys):
    assert main(["prepare", str(tmp_path / "data"), "--cube.size", "16"]) == 0
    next(own_home.rglob("settings.json")).unlink()  # as in caches of older versions
    assert main(["cache"]) == 0
    assert "8 cubes" in capsys.readouterr().out.splitlines()[-1]
    assert main(["cache", "--prune", "0"]) == 0
    assert main(["cache"]) == 0
    assert "no cubes" in capsys.readouterr().out
    assert {path.name for path in (own_home / "data" / "cubes").iterdir()} <= {"seen"}
