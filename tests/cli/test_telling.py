"""What `segment` says of several scans."""

from pathlib import Path

from liverlib.cli.telling import made_how, tell_failures, tell_passed_over, tell_qualities
from liverlib.core.verdict import NOT_TO_BE_USED, Quality, Reason

REFUSED = Quality((Reason("air", "No body.", NOT_TO_BE_USED),))


def test_scans_that_are_not_to_be_used_are_listed(capsys):
    assert tell_qualities({Path("a.nii"): REFUSED, Path("b.nii"): Quality()})
    assert capsys.readouterr().err == "not to be used: a\n"
    assert not tell_qualities({Path("b.nii"): Quality(), Path("c.nii"): Quality()})


def test_failures_are_counted(capsys):
    tell_failures(["a: cut off"], 3)
    assert capsys.readouterr().err == "liverlib: 1 of 3 scans have no new mask:\n  a: cut off\n"


def test_what_is_passed_over_is_named(tmp_path, capsys):
    for name in ("a.nii", "b.nrrd"):
        (tmp_path / name).touch()
    tell_passed_over([tmp_path])
    assert "passed over b.nrrd" in capsys.readouterr().out


def test_settings_are_told_in_words():
    assert made_how("liver: all", True) == "liver: all; averaged over shifts of the scan"
