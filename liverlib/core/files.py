"""Files that a killed process or a full disk leaves either old or new, never half written."""

import errno
import json
import math
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import CannotWrite, LiverlibError

DISK_BLOCK = 4096  # bytes, on most disks
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk, by quota, or in a file


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary file beside `path`: renamed to `path` when the block succeeds, else removed.

    It has the suffixes of `path`, as writers choose a format by them. The folder is made.
    Raises `CannotWrite` where the folder cannot be written, and where the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(_temporary_name(path.name))
    with writable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
    try:
        with _full_disk_named(path, temporary):
            yield temporary
            temporary.chmod(mode)  # safetensors lets nobody else read its files
        with writable(path):
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # it must not hide why the block failed
            temporary.unlink(missing_ok=True)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turns an `OSError` of the block into a `CannotWrite` that names the file or folder."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise _no_room(path, error) from error
        raise CannotWrite(
            f"{path}: cannot be written ({error.strerror}). Choose another folder, or make "
            "room and allow writing there."
        ) from error


@contextmanager
def _full_disk_named(path: Path, temporary: Path) -> Iterator[None]:
    """Turns whatever the block raises on a full disk into a `CannotWrite` that names `path`.

    Not every writer raises `OSError`: that of safetensors has only the system's words.
    """
    try:
        yield
    except Exception as error:
        words = str(error)
        if getattr(error, "errno", None) in FULL or any(os.strerror(n) in words for n in FULL):
            with suppress(OSError):  # Windows removes no file that a writer still holds open
                temporary.unlink(missing_ok=True)  # its room counts as free
            raise _no_room(path, error) from error
        raise


def _no_room(path: Path, error: Exception) -> CannotWrite:
    """The sentence about a full disk: which file, and how much room there is for it."""
    folder = next(folder for folder in (path, *path.parents) if folder.is_dir())
    free = shutil.disk_usage(folder).free / 1e6
    reason = os.strerror(getattr(error, "errno", None) or errno.ENOSPC)
    return CannotWrite(
        f"{path}: cannot be written ({reason}). It needs more than the {free:,.1f} MB that are "
        "free there. Make room or choose another disk, and run the same command again. What was "
        "there before is kept."
    )


def _temporary_name(name: str) -> str:
    """A name that no other process has, on this machine or another that shares the disk."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:16]
    end = name[-48:]  # names have 255 bytes at most
    return f".{host}-{os.getpid()}-{secrets.token_hex(4)}.part.{end}"


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


def folder_size(folder: Path) -> int:
    """Bytes that the files below a folder occupy on the disk; links count nothing."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(map(size_on_disk, files))


def write_json(path: str | Path, content: object) -> None:
    """Writes `content` as indented JSON, atomically; NaN and infinity become null."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=2) + "\n", "utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file; raises `LiverlibError` where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
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
