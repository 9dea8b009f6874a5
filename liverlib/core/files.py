"""Writing files so that a killed process leaves the old one or the new one, never half of one."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LiverlibError

BLOCK = 4096  # bytes; what most disks are divided into


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary file beside `path`, renamed to it when the block ends well, else removed.

    Keeps the suffixes of `path` (writers choose a format by them) and makes its folder.
    Raises `LiverlibError` where the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.part.{path.name}")
    with writable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # safetensors lets nobody else read its files
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turns the system's refusal to write into a `LiverlibError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise LiverlibError(
            f"{folder}: cannot be written ({error.strerror}). Choose another folder, or make "
            "room and allow writing there."
        ) from error


def write_sparse(path: Path, content: bytes) -> None:
    """Writes `content`; its blocks of zeros take no room on a disk that knows holes in files."""
    with open(path, "wb") as file:
        for start in range(0, len(content), BLOCK):
            if (block := content[start : start + BLOCK]) != bytes(len(block)):
                file.seek(start)
                file.write(block)
        file.truncate(len(content))


def size_on_disk(path: Path) -> int:
    """Bytes that a file takes from the disk, where the system tells; else its length."""
    stat = path.stat()
    return getattr(stat, "st_blocks", -(-stat.st_size // 512)) * 512


def write_json(path: str | Path, content: object) -> None:
    """Writes `content` as indented JSON, atomically; NaN and inf, which JSON lacks, become null."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=2) + "\n")


def read_json(path: str | Path) -> dict:
    """The object in a JSON file; raises `LiverlibError` where it is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise LiverlibError(
            f"{path}: cannot be read as JSON ({error}). Delete it and run the step again."
        ) from error


def _finite(content: object) -> object:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def is_newer(one: Path, other: Path) -> bool:
    """Whether a file was written after another."""
    return one.stat().st_mtime_ns > other.stat().st_mtime_ns
