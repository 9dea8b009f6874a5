"""Where a mask came from: what made it, from which file, with which weights, and when."""

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liverlib import __version__
from liverlib.core.text import printable


@dataclass(frozen=True)
class Provenance:
    """What made a mask; `dataclasses.asdict` makes it fit for JSON.

    Args:
        input: the scan's file or folder, by its name.
        input_sha256: of the file; of a folder, of its files' digests in the order of their paths.
        weights: the SHA-256 of each weight file, and of what lies beside it, by its name.
        options: what else the mask depends on.
        spacing_known: whether the input tells the size of its voxels.
        made: a digest of all that the mask depends on.
        version: of liverlib.
        time: when, in UTC.

    >>> Provenance.of("scan.nii.gz", [PRETRAINED], "", True).version
    '0.1.0'
    """

    input: str
    input_sha256: str
    weights: Mapping[str, str]
    options: str
    spacing_known: bool
    made: str = ""
    version: str = __version__
    time: str = field(default_factory=lambda: f"{datetime.datetime.now(datetime.UTC):%FT%TZ}")

    @classmethod
    def of(
        cls,
        scan: str | Path,
        weights: "list[Path] | tuple[Path, ...]",
        options: str,
        spacing_known: bool,
        made: str = "",
    ) -> "Provenance":
        """That of a mask made now of this scan with these weights."""
        names = [printable(Path(path).name) for path in weights]
        if len(set(names)) < len(names):  # every run calls its file weights.safetensors
            names = [printable(str(path)) for path in weights]
        named = dict(zip(names, map(sha256_of, weights), strict=True))
        name = printable(Path(scan).name)
        return cls(name, sha256_of(scan), named, options, spacing_known, made)

    def line(self) -> str:
        """All of it in one line."""
        weights = ", ".join(f"{name} sha256 {sha[:16]}…" for name, sha in self.weights.items())
        spacing = "known" if self.spacing_known else "unknown"
        return (
            f"liverlib {self.version}, {self.time}; input {self.input} sha256 "
            f"{self.input_sha256[:16]}…; weights {weights}; {self.options}; spacing {spacing}"
        )


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, or of the digests of all files below a folder."""
    path = Path(path)
    if not path.is_dir():
        return _sha256(path)
    digests = "".join(_sha256(file) for file in files_below(path))
    return hashlib.sha256(digests.encode()).hexdigest()


def files_below(path: Path) -> Iterator[Path]:
    """The file, or all files below the folder, in the order of their paths."""
    below = sorted(path.rglob("*")) if path.is_dir() else [path]
    yield from (file for file in below if file.is_file())


def _sha256(file: Path) -> str:
    """Nothing where it is a pipe or cannot be read: its reader says what is wrong."""
    if not file.is_file():
        return ""
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
