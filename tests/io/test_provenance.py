"""Where a mask came from changes with everything that it depends on."""

import hashlib
from dataclasses import asdict

from liverlib.io.provenance import Provenance, files_below, sha256_of


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"scan")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"scan").hexdigest()


def test_a_folders_digest_changes_with_any_file_in_it(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a", "b/c"):
        (tmp_path / name).write_bytes(name.encode())
    assert [path.name for path in files_below(tmp_path)] == ["a", "c"]
    before = sha256_of(tmp_path)
    (tmp_path / "b" / "c").write_bytes(b"other")
    assert sha256_of(tmp_path) != before


def test_all_is_told_in_one_line(tmp_path):
    (tmp_path / "ct.nii").write_bytes(b"scan")
    (tmp_path / "w").write_bytes(b"weights")
    origin = Provenance.of(tmp_path / "ct.nii", [tmp_path / "w"], "liver: the largest piece", False)
    for text in ("ct.nii", "largest piece", "spacing unknown", origin.version, origin.time):
        assert text in origin.line()
    content = asdict(origin)
    assert content["weights"] == {"w": hashlib.sha256(b"weights").hexdigest()}
    assert content["input_sha256"] == hashlib.sha256(b"scan").hexdigest()


def test_averaged_weights_of_one_file_name_are_all_told(tmp_path):
    """Every run calls its file weights.safetensors."""
    paths = [tmp_path / run / "weights.safetensors" for run in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(path.parent.name)
    weights = Provenance.of(tmp_path, paths, "", True).weights
    assert list(weights.values()) == [hashlib.sha256(run.encode()).hexdigest() for run in "ab"]


def test_what_cannot_be_read_has_no_digest(tmp_path):
    assert sha256_of(tmp_path / "missing") == ""
