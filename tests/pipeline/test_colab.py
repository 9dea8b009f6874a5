import sys
from pathlib import Path

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.pipeline import colab


@pytest.fixture
def drive(tmp_path, monkeypatch) -> Path:
    """Colab's package, as far as it is used, and where it mounts Drive."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "support" / "colab")
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    yield tmp_path / "drive" / "MyDrive" / "liverlib"
    for name in [name for name in sys.modules if name.startswith("google.colab")]:
        del sys.modules[name]


def test_what_a_run_writes_is_on_drive_at_once(drive, own_home):
    write_json(own_home / "results" / "before" / "metrics.json", {"a": 1})
    assert colab.use_drive() == drive
    write_json(own_home / "results" / "run" / "last.json", {"epoch": 3})
    assert (drive / "results" / "run" / "last.json").is_file()
    assert (drive / "results" / "before" / "metrics.json").is_file()


def test_the_next_session_finds_results_and_data(drive, own_home, tmp_path, monkeypatch):
    colab.use_drive()
    write_json(own_home / "results" / "run" / "last.json", {"epoch": 3})
    write_json(own_home / "data" / "cubes" / "x" / "a.json", {"cube": 1})
    assert colab.keep_data().parent == drive
    assert {path.name for path in drive.iterdir()} == {"data.tar", "results"}
    monkeypatch.setenv("LIVERLIB_HOME", str(tmp_path / "new"))
    write_json(tmp_path / "new" / "data" / "cubes" / "x" / "b.json", {"cube": 2})
    for _ in range(2):
        colab.use_drive()
    assert (tmp_path / "new" / "results" / "run" / "last.json").is_file()
    names = {path.name for path in (tmp_path / "new" / "data" / "cubes" / "x").iterdir()}
    assert names == {"a.json", "b.json"}


def test_a_run_on_drive_is_not_written_over(drive, own_home):
    for folder, epochs in ((drive, 13), (own_home, 1)):
        write_json(folder / "results" / "run" / "last.json", {"epoch": epochs})
    with pytest.raises(LiverlibError, match="holds runs that Drive has too: run"):
        colab.use_drive()
    for folder, epochs in ((drive, 13), (own_home, 1)):
        assert read_json(folder / "results" / "run" / "last.json") == {"epoch": epochs}


def test_outside_colab_it_is_said(own_home, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    with pytest.raises(LiverlibError, match="this is not Colab"):
        colab.use_drive()
