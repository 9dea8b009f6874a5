import math
import os

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.files import (
    atomic,
    is_newer,
    read_json,
    size_on_disk,
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
