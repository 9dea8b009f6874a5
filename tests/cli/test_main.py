"""What a user reads who made a mistake, in one line, and the exit codes."""

import subprocess
import sys

import pytest

from liverlib import __version__
from liverlib.cli import main as cli
from liverlib.cli.main import COMMANDS, main


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--data", "nowhere"], "no such folder"),
        (["segment", "nowhere.nii.gz", "-o", "m.nii.gz"], "no such"),
        (["segment", "nowhere.nii.gz", "-o", "m.txt"], "written as .nii"),
        (["segment", "a.nii", "b.nii", "-o", "m.nii"], "one file for 2 scans"),
        (["segment", "x/a.nii", "y/a.nii", "-o", "m"], "two scans of that name"),
        (["segment", "a.nii", "-o", "m.nii", "--weights", "none"], "no such"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("liverlib: ")
    assert text in error
    assert "Traceback" not in error


def test_an_interrupted_command_says_that_it_goes_on(monkeypatch, capsys):
    def stopped(options):
        raise KeyboardInterrupt

    _, add_arguments = COMMANDS["cache"]
    monkeypatch.setitem(cli.COMMANDS, "cache", (stopped, add_arguments))
    assert main(["cache"]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_every_command_has_help_and_the_version_is_told(capsys):
    for name, (function, _) in COMMANDS.items():
        assert function.__doc__
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"liverlib {__version__}\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_help_is_printed_in_every_encoding_and_tells_the_exit_codes(encoding):
    words = [sys.executable, "-m", "liverlib.cli.main", "--help"]
    done = subprocess.run(words, capture_output=True, env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert b"exit codes:" in done.stdout and not done.stderr
