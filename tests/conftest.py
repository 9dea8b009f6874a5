"""What every test has: folders of its own, and the real scans beside the checkout."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from web import CASES, Web, tarred, volumes

from liverlib.data import remote_tar

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    """The folder of real scans beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real scans: {SHARED} is not there")
    return SHARED


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch) -> Path:
    """Every test has data/ and results/ of its own."""
    monkeypatch.setenv("LIVERLIB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def believed(monkeypatch) -> None:
    """No scan is examined: those of many tests are no CT of a patient, and are not about that."""
    monkeypatch.setattr("liverlib.inference.segmenter.examine_scan", lambda *_: [])


@pytest.fixture
def small_disk(tmp_path, request) -> Iterator[Path]:
    """A folder that holds a quarter of a megabyte; for users who may not mount one, each file.

    A test may parametrise it with another size in bytes.
    """
    folder, size = tmp_path / "disk", getattr(request, "param", 1 << 18)
    folder.mkdir()
    resource = pytest.importorskip("resource", reason="no small disk can be had here")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.geteuid() == 0 and not subprocess.run(mount, capture_output=True).returncode:
        yield folder
        subprocess.run(["umount", folder], check=True)
        return
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """An MSD dataset of `CASES` labelled cases, the one that `web` serves; no test changes it."""
    return volumes(tmp_path_factory.mktemp("data") / "Task03_Liver", CASES)


@pytest.fixture
def web(dataset, monkeypatch):
    """A server of that dataset's tar; the client does not wait long before it tries again."""
    monkeypatch.setattr(remote_tar, "PAUSES", (0.0, 0.0, 0.0))
    with Web(tarred(dataset)) as web:
        yield web
        web.shutdown()
