"""What a benchmark prints is what its results file keeps: a section a machine and command."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def report(tmp_path, monkeypatch):
    """The module, which writes into a folder of the test's."""
    spec = importlib.util.spec_from_file_location("report", BENCHMARKS / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "machine", lambda: "2 × a processor, bf16")
    monkeypatch.setattr("sys.argv", ["step.py", "--size", "/tmp/a b"])
    monkeypatch.delenv("LIVERLIB_FAST", raising=False)
    return module


def measured(report, seconds: float) -> None:
    with report.Report(str(BENCHMARKS / "speed" / "step.py"), "nibabel", "no-such") as lines:
        lines.text("Seconds a step")
        lines.table([{"method": "liverlib", "seconds": seconds}])


def test_what_is_printed_is_kept(report, tmp_path, capsys):
    measured(report, 0.47)
    printed = capsys.readouterr().out
    content = (tmp_path / "results" / "step.md").read_text()
    title, heading, about, section = content.split("\n\n", 3)
    assert title == "# `speed/step.py`"
    assert heading.startswith("## 20") and heading.endswith(": 2 × a processor, bf16")
    assert about.startswith("`python benchmarks/speed/step.py --size 'a b'`; Python 3.")
    assert "nibabel " in about and "no no-such" in about
    assert section == "Seconds a step\n\n| method | seconds |\n| --- | --- |\n| liverlib | 0.47 |\n"
    assert printed.startswith(section) and about in printed


def test_a_section_replaces_that_of_its_machine_and_command_alone(report, tmp_path, monkeypatch):
    measured(report, 0.47)
    monkeypatch.setattr(report, "machine", lambda: "1 × another, float32")
    measured(report, 0.8)
    monkeypatch.setattr("sys.argv", ["step.py"])
    measured(report, 0.9)
    measured(report, 1.0)
    content = (tmp_path / "results" / "step.md").read_text()
    assert [line.split()[-2] for line in content.splitlines() if "liverlib |" in line] == [
        "1.0",
        "0.8",
        "0.47",
    ]
    assert content.count("# `speed/step.py`") == 1


@pytest.mark.parametrize("fast", ["", "1"])
def test_a_run_that_failed_or_is_only_tried_writes_nothing(report, tmp_path, monkeypatch, fast):
    monkeypatch.setenv("LIVERLIB_FAST", fast)
    if fast:
        measured(report, 0.47)
    else:
        with pytest.raises(ZeroDivisionError), report.Report(str(BENCHMARKS / "report.py")):
            _ = 1 / 0
    assert not (tmp_path / "results").exists()
