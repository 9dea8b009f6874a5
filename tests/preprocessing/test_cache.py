"""The cache of cubes: each is recognised by its content, never stale, checked, shared, pruned."""

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.core.files import size_on_disk
from liverlib.data.cases import Case
from liverlib.io.nifti import write_volume
from liverlib.preprocessing.cache import cube_groups, folder_of, prepare, prune
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


def wait_until_old(*cases: Case) -> None:
    """Lets the files be older than a cache would distrust: only their inode's time tells."""
    files = [file for case in cases for file in (case.image, case.label)]
    while time.time_ns() - max(file.stat().st_ctime_ns for file in files) < 2.1e9:
        time.sleep(0.1)


def contents(folder: Path) -> dict[str, bytes]:
    """The cubes below a folder, by their own folder (the settings) and name."""
    paths = folder.rglob("*.safetensors")
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


def test_a_cached_cube_is_the_cube(cases, folder):
    (path,) = prepare(cases[:1], SETTINGS, folder)
    cached, made = Cube.load(path), to_cube(*cases[0].read(), SETTINGS)
    np.testing.assert_array_equal(cached.image, made.image)
    np.testing.assert_array_equal(cached.soft_labels, made.soft_labels)
    assert (cached.box, cached.shape, cached.method) == (made.box, made.shape, made.method)
    assert isinstance(cached.image, np.memmap)


def test_what_is_cached_is_neither_read_nor_made_again(cases, folder, monkeypatch):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    wait_until_old(*cases)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths  # notes the files' contents
    monkeypatch.setattr("liverlib.preprocessing.cache.hashlib.file_digest", lambda *_: 1 / 0)
    monkeypatch.setattr("liverlib.preprocessing.cache.to_cube", lambda *_: 1 / 0)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


def test_a_moved_dataset_keeps_its_cubes(cases, folder, tmp_path, monkeypatch):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    moved = tmp_path / "elsewhere"
    (tmp_path / "data").rename(moved)
    cases = [
        Case(c.name, moved / "imagesTr" / c.image.name, moved / "labelsTr" / c.label.name)
        for c in cases
    ]
    monkeypatch.setattr("liverlib.preprocessing.cache.to_cube", lambda *_: 1 / 0)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


@pytest.mark.parametrize("part", ["image", "label"])
def test_a_change_of_content_is_met_even_with_size_and_time_set_back(cases, folder, part):
    case = cases[0]
    (before,) = prepare([case], SETTINGS, folder)
    wait_until_old(case)
    prepare([case], SETTINGS, folder)
    scan, label = case.read()
    scan.voxels[5, 5, 5] += 1
    label.voxels[5, 5, 5] = 2
    file, volume = (case.image, scan) if part == "image" else (case.label, label)
    stat = file.stat()
    write_volume(file, volume.voxels, volume.grid)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (after,) = prepare([case], SETTINGS, folder)
    assert after != before
    np.testing.assert_array_equal(Cube.load(after).image, to_cube(scan, None, SETTINGS).image)


def test_other_settings_make_other_cubes(cases, folder):
    (path,) = prepare(cases[:1], SETTINGS, folder)
    (other,) = prepare(cases[:1], CubeSettings(size=16, crop="all"), folder)
    assert path.parent != other.parent


@pytest.mark.parametrize("fault", ["cut", "bit", "header", "empty"])
def test_a_corrupt_cube_is_noticed_reported_and_made_anew(cases, folder, fault):
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

    monkeypatch.setattr("liverlib.preprocessing.cache.to_cube", meddle)
    with pytest.raises(LiverlibError, match="changed while it was read"):
        prepare([case], SETTINGS, folder)
    assert not contents(folder)


def test_a_link_to_what_was_not_fetched_says_so(cases, folder):
    cases[0].image.unlink()
    cases[0].image.symlink_to("nowhere")
    with pytest.raises(LiverlibError, match=r"c0\.nii\.gz: .* Fetch it first.*datalad get"):
        prepare(cases[:1], SETTINGS, folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_case_is_reported_once_the_others_are_done(cases, folder, workers):
    cases[1].image.write_bytes(cases[1].image.read_bytes()[:500])
    with pytest.raises(SomeFailed, match=r"1 of 4 cases.*\n.*c1\.nii\.gz: truncated") as caught:
        prepare(cases, SETTINGS, folder, workers)
    assert len(contents(folder)) == 3
    assert caught.value.done == prepare([cases[0], *cases[2:]], SETTINGS, folder, 1)


def test_the_command_prepares_the_others_for_both_stages(cases, tmp_path, own_home, capsys):
    command = ["prepare", str(tmp_path / "data"), "--cube.size", "16", "--workers", "1"]
    cases[1].image.write_bytes(b"")
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.err.count("c1.nii.gz: ") == 1
    assert "3 cubes of the body" in printed.out and "3 cubes of the liver" in printed.out
    assert main([*command, "--strict"]) == 2
    assert len(contents(own_home)) == 6
    for case in cases:
        case.image.write_bytes(b"")
    assert main(command) == 2
    assert "4 of 4 cases could not be prepared" in capsys.readouterr().err


def test_strict_stops_at_the_first_bad_case(cases, folder):
    cases[1].image.write_bytes(b"")
    with pytest.raises(LiverlibError, match=r"c1\.nii\.gz"):
        prepare(cases, SETTINGS, folder, workers=1, strict=True)
    assert len(contents(folder)) == 1


def test_any_executor_serves(cases, tmp_path):
    prepare(cases, SETTINGS, tmp_path / "alone", workers=1)
    with ThreadPoolExecutor(2) as pool:
        prepare(cases, SETTINGS, tmp_path / "pool", pool)
    assert contents(tmp_path / "alone") == contents(tmp_path / "pool")


def test_a_cluster_of_dask_serves(cases, tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
    prepare(cases, SETTINGS, tmp_path / "alone", workers=1)
    cases.append(Case("bad", tmp_path / "nowhere.nii.gz"))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(LiverlibError, match="nowhere"),
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        prepare(cases, SETTINGS, tmp_path / "cluster", client.get_executor())
    assert contents(tmp_path / "alone") == contents(tmp_path / "cluster")


def test_shards_together_equal_one_run_to_the_byte(cases, tmp_path, monkeypatch, capsys):
    command = ["prepare", str(tmp_path / "data"), "--cube.size", "16"]
    for home, shards in (("whole", [[]]), ("three", [["--shard", f"{n}/3"] for n in (1, 2, 3)])):
        monkeypatch.setenv("LIVERLIB_HOME", str(tmp_path / home))
        for shard in shards:
            assert main([*command, "--workers", "1", *shard]) == 0
    assert "2 cubes" in capsys.readouterr().out
    assert contents(tmp_path / "whole") == contents(tmp_path / "three")
    assert len(contents(tmp_path / "whole")) == 8  # of the body, and of the liver


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
    assert [process.wait() for process in both] == [0, 0]
    groups = cube_groups(tmp_path / "home" / "data" / "cubes")  # of the body, and of the liver
    cubes = [cube for group in groups for cube in group.cubes]
    assert len(cubes) == 8
    assert all(Cube.load(path).image.shape == (16, 16, 16) for path in cubes)


def test_a_complete_cache_that_may_not_be_written_serves(cases, folder, monkeypatch):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    wait_until_old(*cases)  # what they hold would be noted now

    def refused(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "touch", refused)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


def test_the_cache_is_listed_and_pruned(cases, folder):
    paths = prepare(cases, SETTINGS, folder, workers=1)
    wait_until_old(*cases)
    prepare(cases, SETTINGS, folder, workers=1)
    (other,) = prepare(cases[:1], CubeSettings(size=8), folder)
    os.utime(other, (0, 0))
    latest, earlier = cube_groups(folder)
    assert (latest.folder, latest.cubes) == (folder_of(SETTINGS, folder), sorted(paths))
    assert latest.size == sum(map(size_on_disk, paths))
    assert prune(folder, days=1) == earlier.size
    assert cube_groups(folder) == [latest]
    assert not other.parent.exists()
    assert prune(folder, days=0) > latest.size  # with the notes
    assert not cube_groups(folder)
    assert prepare(cases, SETTINGS, folder, workers=1) == paths


def test_the_command_lists_what_is_cached(cases, tmp_path, own_home, capsys):
    assert main(["prepare", str(tmp_path / "data"), "--cube.size", "16"]) == 0
    next(own_home.rglob("settings.json")).unlink()  # as in caches of older versions
    assert main(["cache"]) == 0
    assert "8 cubes" in capsys.readouterr().out.splitlines()[-1]
    assert main(["cache", "--prune", "0"]) == 0
    assert main(["cache"]) == 0
    assert "no cubes" in capsys.readouterr().out
    assert {path.name for path in (own_home / "data" / "cubes").iterdir()} <= {"seen"}


def test_pruning_follows_no_link_and_keeps_what_others_wrote(cases, folder, tmp_path):
    (cube,) = prepare(cases[:1], SETTINGS, folder)
    mine = tmp_path / "mine"
    mine.mkdir()
    kept = [mine / name for name in (cube.name, "weights.safetensors", "settings.json")]
    kept += [folder / "notes" / "weights.safetensors", cube.with_name("weights.safetensors")]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    for link in (folder / "0123456789ab", folder / "weights", cube.with_name(f"x-{cube.name}")):
        link.symlink_to(mine if link.parent == folder else mine / cube.name)
    (folder / "seen").mkdir(exist_ok=True)
    (folder / "seen" / "note.txt").write_text("mine")
    left = cube.with_name(f".host-7-ab12.part.{cube.name}")  # by a killed process
    left.write_bytes(b"half")
    assert prune(folder, days=0) > 0
    assert not cube.exists() and not left.exists()
    assert all(path.read_text() == "mine" for path in [*kept, folder / "seen" / "note.txt"])
    assert (folder / "0123456789ab").is_symlink()
    assert not cube_groups(folder)


def test_a_linked_cache_is_a_cache(cases, folder, tmp_path):
    (tmp_path / "big disk").mkdir()
    folder.symlink_to(tmp_path / "big disk")
    (cube,) = prepare(cases[:1], SETTINGS, folder)
    assert prune(folder, days=0) > 0
    assert not cube.parent.exists()
