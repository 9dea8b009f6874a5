"""Files in a remote tar: its list is read once, its members are read by byte ranges.

Made for MSD's tars, which are uncompressed and tens of gigabytes long. Once it is known where a
member begins, it can be fetched alone. A tar on disk is read in the same way.
"""

import io
import random
import re
import tarfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json

REQUEST_BYTES = 4 << 20  # the most of one request, and so the most that is read twice after a stop
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each new try
TIMEOUT = 30.0  # seconds without a byte
MIN_AHEAD = 16 << 10  # bytes: a header, that of macOS' twin file, and tar's records of long names
MAX_AHEAD = 3 << 20  # bytes: reading them takes about as long as a round trip
FOLDERS = ("imagesTr", "labelsTr", "imagesTs")
_ELSEWHERE = (
    "Use a mirror, or download the tar with a browser and give its path: --url Task03_Liver.tar."
)
_NAME = re.compile(rf"({'|'.join(FOLDERS)})/[^./\\][^/\\]*\.nii(\.gz)?")
_Result = TypeVar("_Result")


class Remote:
    """A file at a URL or a path, of known length, that is read in ranges."""

    def __init__(self, url: str) -> None:
        """Asks for the length; raises `LiverlibError` as `read` does."""
        from fsspec.core import url_to_fs  # its import takes half a second

        self.url = str(url)
        scheme, separator, _ = self.url.rpartition("://")
        if separator and scheme not in ("http", "https", "file"):
            raise LiverlibError(f"{url}: only http:// and https:// can be read. {_ELSEWHERE}")
        self._fs, self._path = url_to_fs(self.url, **_options(self.url))
        self.length, self.version = self._state()

    def _state(self) -> tuple[int, str]:
        """Length and version of the file as it is now."""
        info = self._tried(lambda: self._fs.info(self._path))
        if not info.get("size"):
            raise LiverlibError(f"{self.url}: its length is not known. {_ELSEWHERE}")
        if info.get("partial") is False:
            raise LiverlibError(f"{self.url}: the server gives no parts of files. {_ELSEWHERE}")
        versions = (info.get(key) for key in ("ETag", "Last-Modified", "mtime"))
        return int(info["size"]), next((str(version) for version in versions if version), "")

    def check_unchanged(self) -> None:
        """Raises `LiverlibError` where another file has come in the place of this one.

        Bytes that were read before this call are all of one version, unless that came back.
        """
        if self._state() != (self.length, self.version):
            raise LiverlibError(
                f"{self.url}: was replaced while it was read. Give the same command again."
            )

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes from `start`; faults that may pass are tried again, after growing pauses.

        Raises `LiverlibError` for a fault that stays, and where the file ends too early.
        """
        if start + size > self.length:
            raise LiverlibError(
                f"{self.url}: ends at byte {self.length:,}, before its own list of files says. "
                f"It is cut off. {_ELSEWHERE}"
            )

        def read_range() -> bytes:
            options = {"size": self.length, "cache_type": "none", "block_size": REQUEST_BYTES}
            with self._fs.open(self._path, "rb", **options) as file:
                file.seek(start)
                content = file.read(size)
            if len(content) != size:
                raise OSError(f"{len(content):,} of {size:,} bytes came")
            return content

        return self._tried(read_range)

    def _tried(self, action: Callable[[], _Result]) -> _Result:
        for pause in PAUSES:
            try:
                return action()
            except Exception as error:  # HTTP clients raise many kinds
                _fault(self.url, error)
            time.sleep(pause * random.uniform(0.5, 1))  # waiting clients must not return together
        try:
            return action()
        except Exception as error:
            raise LiverlibError(
                f"{self.url}: {_fault(self.url, error)}, after {len(PAUSES) + 1} tries. What has "
                "come is kept: give the same command again later."
            ) from error


@dataclass(frozen=True)
class Member:
    """A file of a dataset, such as "imagesTr/liver_3.nii.gz", and the position of its bytes."""

    name: str
    size: int
    remote: Remote
    offset: int = 0

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes of this file from its `start`; raises as `Remote.read` does."""
        return self.remote.read(self.offset + start, size)


def tar_members(remote: Remote, kept: Path) -> list[Member]:
    """The scans and labels in a tar, in its order; the file `kept` keeps their list.

    Raises `LiverlibError` where the kept list is damaged, of another version of the tar, or of a
    tar with other files, and for a name that leads out of the folder.
    """
    about = {"url": remote.url, "length": remote.length, "version": remote.version}
    content = _kept_list(kept) if kept.is_file() else {}
    again = f"Name another folder (--to), or delete {kept.parents[1]}: both must not mix."
    if content.get("url") != remote.url:
        members = [[member.name, member.size, member.offset] for member in _listed(remote)]
        remote.check_unchanged()
        if content and content["members"] != members:
            raise LiverlibError(f"{remote.url}: holds other files than {content['url']}. {again}")
        write_json(kept, about | {"members": members})
        content = _kept_list(kept)
    if any(content[key] != value for key, value in about.items()):
        raise LiverlibError(f"{remote.url}: is another file than when its list was made. {again}")
    return [Member(name, size, remote, offset) for name, size, offset in content["members"]]


def _kept_list(path: Path) -> dict[str, Any]:
    """The list as it was kept; raises `LiverlibError` for what is none."""
    content = read_json(path)
    with suppress(TypeError, ValueError):  # JSON of another kind
        if {"url", "length", "version", "members"} <= set(content) and all(
            _NAME.fullmatch(name) and type(size) is type(offset) is int and min(size, offset) >= 0
            for name, size, offset in content["members"]
        ):
            return content
    raise LiverlibError(f"{path}: no list of a tar's files. Delete it, and try again.")


def _listed(remote: Remote) -> list[Member]:
    """Reads all headers: one request for each large file, one for many small files."""
    reader = _ReadAhead(remote)
    members: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=reader, mode="r:") as tar:
            for info in tar:
                reader.sizes.append(info.size)
                if (name := _name(remote.url, info)) is None:
                    continue
                if name in members:
                    raise LiverlibError(f"{remote.url}: holds {name} twice. {_ELSEWHERE}")
                members[name] = Member(name, info.size, remote, info.offset_data)
    except tarfile.TarError as error:
        raise LiverlibError(
            f"{remote.url}: not a whole, uncompressed tar ({error}). {_ELSEWHERE}"
        ) from error
    if not members:
        raise LiverlibError(f"{remote.url}: holds no imagesTr/… and labelsTr/…. {_ELSEWHERE}")
    return list(members.values())


def _name(url: str, info: tarfile.TarInfo) -> str | None:
    """The name "imagesTr/liver_3.nii.gz" of a scan or a label; None for other files."""
    parts = re.split(r"[/\\]", info.name)
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise LiverlibError(
            f"{url}: names a file outside its folder, {info.name!r}. Do not use it."
        )
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or len(parts) < 2:
        return None
    folder, file = parts[-2:]
    wanted = folder in FOLDERS and file.endswith((".nii", ".nii.gz")) and file[0] != "."
    return f"{folder}/{file}" if wanted else None


class _ReadAhead(io.RawIOBase):
    """A file for `tarfile` to read headers from; it reads ahead while members are small."""

    def __init__(self, remote: Remote) -> None:
        self.sizes: deque[int] = deque(maxlen=8)  # of the latest members
        self._remote, self._at = remote, 0
        self._start, self._held = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._remote.length}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._remote.length - self._at)
        if size <= 0:
            return b""
        within = self._at - self._start
        if within < 0 or within + size > len(self._held):
            block = min(max(size, self._ahead()), self._remote.length - self._at)
            self._start, self._held, within = self._at, self._remote.read(self._at, block), 0
        self._at += size
        return self._held[within : within + size]

    def _ahead(self) -> int:
        """Bytes of 32 members, or of one header where 13 members exceed `MAX_AHEAD`."""
        mean = sum(self.sizes) / max(1, len(self.sizes)) + 1024
        if 13 * mean >= MAX_AHEAD:
            return MIN_AHEAD
        return int(max(MIN_AHEAD, min(32 * mean, MAX_AHEAD)))


def _options(url: str) -> dict[str, Any]:
    """For a web server: no compression in transit, the system's proxies, limited waiting."""
    if not url.startswith(("http://", "https://")):
        return {}
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=TIMEOUT)
    return {
        "headers": {"Accept-Encoding": "identity"},
        "client_kwargs": {"timeout": timeout, "trust_env": True},
        "skip_instance_cache": True,
    }


def _fault(url: str, error: BaseException) -> str:
    """What went wrong, in words; raises `LiverlibError` where trying again is of no use."""
    if isinstance(error, LiverlibError):
        raise error
    status = getattr(error, "status", None) or getattr(error.__cause__, "status", None)
    if status in (404, 410) or (isinstance(error, FileNotFoundError) and not error.__cause__):
        raise LiverlibError(f"{url}: is not there. Check the address. {_ELSEWHERE}") from error
    if isinstance(error, ValueError) and "range" in str(error):
        raise LiverlibError(f"{url}: the server gives no parts of files. {_ELSEWHERE}") from error
    if status and status < 500 and status not in (408, 416, 425, 429):
        raise LiverlibError(f"{url}: the server refuses ({status}). {_ELSEWHERE}") from error
    if status:
        return f"the server answers {status}"
    error = error.__cause__ or error
    return f"{error or type(error).__name__}"
