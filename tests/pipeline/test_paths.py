"""Where things are kept."""

from pathlib import Path

from liverlib.pipeline import paths
from liverlib.pipeline.paths import data_folder, home, phantoms
from liverlib.synthesis.phantom.phantom import PhantomSettings


def test_home_is_chosen_or_the_checkout(own_home, monkeypatch):
    assert home() == own_home
    monkeypatch.delenv("LIVERLIB_HOME")
    assert home() == Path(__file__).parents[2]
    assert data_folder() == home() / "data"


def test_an_installed_package_keeps_data_in_the_users_cache(tmp_path, monkeypatch):
    """The test stands in a folder of packages, where no pyproject.toml is."""
    (tmp_path / "site-packages" / "liverlib" / "notebooks").mkdir(parents=True)
    (tmp_path / "site-packages" / "liverlib" / "notebooks" / "01.ipynb").touch()
    monkeypatch.setattr(paths, "ROOT", tmp_path / "site-packages")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / "c" / name)
    monkeypatch.chdir(tmp_path)
    assert data_folder() == home() / "data"  # LIVERLIB_HOME holds everywhere
    monkeypatch.delenv("LIVERLIB_HOME")
    assert data_folder() == tmp_path / "c" / "liverlib"
    assert home() == tmp_path
    assert [path.name for path in paths.notebooks()] == ["01.ipynb"]


def test_phantoms_of_other_settings_lie_in_another_folder_and_are_made_once(own_home):
    settings = PhantomSettings(cases=2, unlabelled=1, size=32)
    cases = phantoms(settings, workers=1)
    assert [case.name for case in cases if case.label] == ["phantom_000", "phantom_001"]
    assert len(cases) == 3
    times = [case.image.stat().st_mtime_ns for case in cases]
    again = phantoms(settings, workers=1)
    assert [case.image.stat().st_mtime_ns for case in again] == times
    other = phantoms(PhantomSettings(cases=2, unlabelled=1, size=32, seed=1), workers=1)
    assert other[0].image.parent != cases[0].image.parent
    assert own_home in cases[0].image.parents
