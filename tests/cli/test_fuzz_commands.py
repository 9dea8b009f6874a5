"""A short run of the command lines' fuzzer, and that it sees what goes wrong."""

import signal

import fuzz_commands
import pytest

from liverlib.core import settings
from liverlib.pipeline import checks

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms here")


def test_command_lines_are_done_as_asked_or_refused():
    outcomes, wrong = fuzz_commands.run(first=1_000_000, count=400)
    assert not wrong
    assert outcomes.total() == 400
    assert outcomes["done"] > 80 and outcomes["refused (2)"] > 80


@pytest.mark.parametrize("part", [(settings, "_within"), (checks, "require")])
def test_the_fuzzer_sees_what_is_accepted_silently(part, monkeypatch):
    monkeypatch.setattr(*part, lambda *_: True)
    _, wrong = fuzz_commands.run(first=0, count=300)
    assert wrong
