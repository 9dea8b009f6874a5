"""Files that a killed process leaves either old or new, never half written."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import LiverlibError

DISK_BLOCK = 4096  # bytes, on most disks


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary file beside `path`: renamed to `path` when the block succeeds, else removed.

    It has the suffixes of `path`, as writers choose a format by them. The folder is made.
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
    """Turns an `OSError` of the block into a `LiverlibError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise LiverlibError(
            f"{folder}: cannot be written ({error.strerror}). Choose another folder, or make "
            "room and allow writing there."
        ) from error


def write_sparse(path: Path, content: bytes) -> None:
    """Writes `content`; blocks of zeros take no space where the file system has sparse files."""
    with open(path, "wb") as file:
        for start in range(0, len(content), DISK_BLOCK):
            if (block := content[start : start + DISK_BLOCK]) != bytes(len(block)):
                file.seek(start)
                file.write(block)
        file.truncate(len(content))


def size_on_disk(path: Path) -> int:
    """Bytes that a file occupies on the disk; its length where the system does not tell."""
    stat = path.stat()
    return getattr(stat, "st_blocks", -(-stat.st_size // 512)) * 512


def write_json(path: str | Path, content: object) -> None:
    """Writes `content` as indented JSON, atomically; NaN and infinity become null."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=2) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file; raises `LiverlibError` where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise LiverlibError(
            f"{path}: cannot be read as JSON ({error}). Delete it and run the step again."
        ) from error


def _finite(content: object) -> object:
    """The content with NaN and infinity, which JSON lacks, as None."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def is_newer(path: Path, than: Path) -> bool:
    """Whether a file was written after another."""
    return path.stat().st_mtime_ns > than.stat().st_mtime_ns
