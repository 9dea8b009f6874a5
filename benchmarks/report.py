"""What a benchmark prints, kept as Markdown in benchmarks/results/<script>.md.

Each run is a dated section with its machine and versions. It replaces the section of the same
command on the same machine; other sections stay below it.
"""

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liverlib.core.files import atomic

BENCHMARKS = Path(__file__).parent
RESULTS = BENCHMARKS / "results"


class Report:
    """Prints text and tables, and writes them when its block ends without an error.

    With LIVERLIB_FAST set nothing is written: its small sizes say whether a script runs, no more.

    >>> with Report(__file__, "monai") as report:
    ...     report.columns("method", "seconds")
    ...     report.row("liverlib", "0.47")
    """

    def __init__(self, script: str, *packages: str) -> None:
        self.script = Path(script).resolve().relative_to(BENCHMARKS)
        self.packages = packages
        self.lines: list[str] = []

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self._finish()

    def text(self, paragraph: str) -> None:
        """Adds a paragraph."""
        self._gap()
        self._add(paragraph)

    def columns(self, *names: str) -> None:
        """Begins a table."""
        self._gap()
        self.row(*names)
        self.row(*["---"] * len(names))

    def row(self, *values: Any) -> None:
        """Adds a row to the table, at once."""
        self._add(f"| {' | '.join(map(str, values))} |")

    def table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds a table of rows with the same keys."""
        self.columns(*rows[0])
        for row in rows:
            self.row(*row.values())

    def _gap(self) -> None:
        if self.lines:
            self._add("")

    def _add(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)

    def _finish(self) -> None:
        """Prints the machine and the versions, and writes the section."""
        processor, about = machine(), f"`{command_line(self.script)}`; {versions(*self.packages)}."
        print(f"\n{processor}; {about}")
        if os.environ.get("LIVERLIB_FAST"):
            print("Nothing is written, as LIVERLIB_FAST is set.")
            return
        heading = f"{datetime.date.today().isoformat()}: {processor}"
        section = "\n".join([heading, "", about, "", *self.lines, ""])
        path = RESULTS / f"{self.script.stem}.md"
        old = path.read_text() if path.is_file() else f"# `{self.script.as_posix()}`\n"
        with atomic(path) as temporary:
            temporary.write_text(with_section(old, section))
        print(f"written to benchmarks/results/{path.name}")


def with_section(content: str, section: str) -> str:
    """The content of a results file with a new section on top.

    A section whose machine and command are the same is left out.
    """
    first, *others = content.split("\n## ")
    heading, _, about = section.split("\n")[:3]
    processor, command = heading.partition(": ")[2], about.partition("; ")[0]
    kept = [
        other
        for other in others
        if not (other.split("\n")[0].endswith(f": {processor}") and command in other)
    ]
    return "\n## ".join([first, section, *kept])


def machine() -> str:
    """The processor, its cores and its precision, and a GPU where there is one."""
    import torch  # not before: some scripts measure their own memory

    from liverlib.core.device import precision

    cuda = torch.cuda.is_available()
    names = [f"{torch.cuda.get_device_name()}, "] if cuda else []
    kind = precision(torch.device("cpu")).replace("no", "float32")
    return f"{''.join(names)}{os.cpu_count()} × {_processor()}, {kind}"


def versions(*packages: str) -> str:
    """Python's version, and those of torch, NumPy and of these packages, where installed."""
    shown = [f"Python {platform.python_version()}"]
    for name in ("torch", "numpy", *packages):
        try:
            shown.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            shown.append(f"no {name}")
    return ", ".join(shown)


def command_line(script: Path) -> str:
    """The command that was given; of absolute paths their names alone."""
    words = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]
    return " ".join(map(shlex.quote, ["python", f"benchmarks/{script.as_posix()}", *words]))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
