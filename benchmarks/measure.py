"""Seconds and memory, in a process of its own where other work would show in them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fresh(script: str, *arguments: object) -> Any:
    """What a fresh process of a script prints last, as JSON."""
    command = [sys.executable, "-W", "ignore", script, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def memory_mb(field: str = "VmHWM") -> float:
    """Memory of this process on Linux: its peak (VmHWM) or what it holds now (VmRSS).

    `resource.getrusage` would give the parent's peak too.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status[field].split()[0]) / 1024


def peak_gb() -> float:
    """The most memory that this process held, in GB, on Linux."""
    return memory_mb() * 2**20 / 1e9
