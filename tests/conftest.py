"""What every test has: folders of its own, and the real scans beside the checkout."""

from pathlib import Path

import pytest

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
