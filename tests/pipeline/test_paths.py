"""Where things are kept."""

from pathlib import Path

from liverlib.pipeline.paths import home, phantoms
from liverlib.synthesis.phantom.phantom import PhantomSettings


def test_home_is_chosen_or_the_checkout(own_home, monkeypatch):
    assert home() == own_home
    monkeypatch.delenv("LIVERLIB_HOME")
    assert home() == Path(__file__).parents[2]


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
