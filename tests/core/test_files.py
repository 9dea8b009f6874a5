import math
import os
import tarfile

import pytest
import torch
from safetensors.torch import save_file

from liverlib.core.errors import LiverlibError
from liverlib.core.files import (
    atomic,
    is_newer,
    read_json,
    size_on_disk,
    writable,
    write_json,
    write_sparse,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_file_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "a.nii.gz"
    with atomic(path) as temporary:
        assert temporary.suffixes[-2:] == [".nii", ".gz"]
        assert not path.exists()
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["a.nii.gz"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LiverlibError, match=r"file: cannot be written"),
        atomic(tmp_path / "file" / "a"),
    ):
        pass


def in_steps(path):
    with open(path, "w") as file:
        for _ in range(10_000):
            file.write("a" * 100)


def in_a_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "a")
        archive.addfile(tarfile.TarInfo("b"))
        archive.fileobj.write(bytes(1_000_000))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(bytes(1_000_000)),
        lambda path: save_file({"a": torch.rand(250_000)}, path),
        in_steps,
        in_a_tar,
    ],
    ids=["at once", "safetensors", "in steps", "tar"],
)
def test_a_full_disk_is_told_with_its_room_and_keeps_the_old_file(small_disk, write):
    path = small_disk / "new" / "a.bin"
    with atomic(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(LiverlibError) as caught, atomic(path) as temporary:
        write(temporary)
    assert str(caught.value).startswith(f"{path}: cannot be written (")
    assert " MB that are free there. Make room" in str(caught.value)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_is_full_from_the_start_is_told_too(small_disk):
    with pytest.raises(LiverlibError, match="more than the"), writable(small_disk):
        (small_disk / "a").write_bytes(bytes(1_000_000))


def test_other_errors_of_the_block_are_not_those_of_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a"):
        (tmp_path / "missing").read_text()


def test_a_folder_of_the_files_name_is_named(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    with pytest.raises(LiverlibError, match=r"a\.nii\.gz: cannot be written"):
        write_json(tmp_path / "a.nii.gz", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_processes_of_equal_number_on_two_machines_write_files_of_their_own(tmp_path, monkeypatch):
    names = set()
    for host in ("node1", "node2", "node2"):  # twice: a number is given anew after a while
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        with atomic(tmp_path / "a.txt") as temporary:
            names.add(temporary.name)
            assert host in temporary.name
            temporary.write_text(host)
    assert len(names) == 3


@pytest.mark.parametrize("name", ["a" * 248 + ".nii.gz", "é" * 124 + ".nii.gz", "caf\udce9.nii.gz"])
def test_long_names_and_names_that_are_not_utf8_can_be_written(tmp_path, name):
    with atomic(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_zeros_take_no_room_and_are_there_when_read(tmp_path):
    content = b"a" * 5000 + bytes(1_000_000) + b"b" + bytes(100_000)
    write_sparse(tmp_path / "sparse", content)
    assert (tmp_path / "sparse").read_bytes() == content
    write_sparse(tmp_path / "hole", bytes(1_000_000))
    if size_on_disk(tmp_path / "hole") == 0:  # this file system has sparse files
        assert size_on_disk(tmp_path / "sparse") == 3 * 4096


def test_json_has_null_for_what_is_no_number(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, math.nan, (math.inf, 2.5)], "b": "text"})
    assert read_json(tmp_path / "a.json") == {"a": [1, None, [None, 2.5]], "b": "text"}


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_that_is_missing_or_no_json_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    if content:
        path.write_text(content)
    with pytest.raises(LiverlibError, match=r"a\.json: cannot be read as JSON"):
        read_json(path)


def test_the_file_that_was_written_later_is_newer(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for nanoseconds, path in ((1, first), (2, second)):
        path.write_text("")
        os.utime(path, ns=(nanoseconds, nanoseconds))
    assert is_newer(second, first)
    assert not is_newer(first, second)
    assert not is_newer(first, first)
