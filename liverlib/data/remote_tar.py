"""Files inside a tar that lies elsewhere: its list read once, its members read by byte ranges.

Made for MSD's tars, uncompressed and tens of gigabytes long: a member of them can be fetched
alone, once it is known where it begins. A tar on disk serves the same way.
"""

import io
import random
import re
import tarfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json

BLOCK = 4 << 20  # bytes of one request, and so the most that is read twice after a stop
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each new try
TIMEOUT = 30.0  # seconds without a byte
LEAST = 16 << 10  # holds a header, those of macOS' twin file, and what tar says of long names
MOST = 3 << 20  # takes about as long as a round trip
FOLDERS = ("imagesTr", "labelsTr", "imagesTs")


class Remote:
    """A file at a URL or a path, of known length, that is read in ranges."""

    def __init__(self, url: str) -> None:
        """Asks for the length; raises `LiverlibError` as `read` does."""
        from fsspec.core import url_to_fs  # costs half a second, with what it brings

        self.url = str(url)
        self._fs, self._path = url_to_fs(self.url, **_options(self.url))
        info = self._tried(lambda: self._fs.info(self._path))
        if not info.get("size"):
            raise LiverlibError(f"{url}: its length is not known. {_ELSEWHERE}")
        if info.get("partial") is False:
            raise LiverlibError(f"{url}: the server gives no parts of files. {_ELSEWHERE}")
        self.length = int(info["size"])
        known = (info.get(key) for key in ("ETag", "Last-Modified", "mtime"))
        self.version = next((str(value) for value in known if value), "")

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes from `start`; tried again, after growing pauses, where the fault may pass.

        Raises `LiverlibError` where it does not, and where the file ends before.
        """
        if start + size > self.length:
            raise LiverlibError(
                f"{self.url}: ends at byte {self.length:,}, before its own list of files says. "
                f"It is cut off. {_ELSEWHERE}"
            )

        def ranged() -> bytes:
            options = {"size": self.length, "cache_type": "none", "block_size": BLOCK}
            with self._fs.open(self._path, "rb", **options) as file:
                file.seek(start)
                content = file.read(size)
            if len(content) != size:
                raise OSError(f"{len(content):,} of {size:,} bytes came")
            return content

        return self._tried(ranged)

    def _tried(self, action):
        for pause in (*PAUSES, None):
            try:
                return action()
            except Exception as error:  # an HTTP client's are of many kinds
                fault = _fault(self.url, error)
                if pause is None:
                    raise LiverlibError(
                        f"{self.url}: {fault}, after {len(PAUSES) + 1} tries. What has come is "
                        "kept: give the same command again later."
                    ) from error
            time.sleep(pause * random.uniform(0.5, 1))  # many that wait must not return as one


@dataclass(frozen=True)
class Member:
    """One file in a dataset, such as "imagesTr/liver_3.nii.gz", and where its bytes lie."""

    name: str
    size: int
    remote: Remote
    offset: int = 0

    def read(self, start: int, size: int) -> bytes:
        """`size` bytes of this file from its `start`; raises as `Remote.read` does."""
        return self.remote.read(self.offset + start, size)


def tar_members(remote: Remote, kept: Path) -> list[Member]:
    """The scans and labels in a tar, in its order, read from the file `kept` after the first time.

    Raises `LiverlibError` where that list is of another version of the tar, and where a name
    leads out of the folder.
    """
    about = {"url": remote.url, "length": remote.length, "version": remote.version}
    before = read_json(kept) if kept.is_file() else {}
    if before.get("url") != remote.url:
        found = [(member.name, member.size, member.offset) for member in _listed(remote)]
        write_json(kept, about | {"members": found})
        before = read_json(kept)
    if any(before[key] != value for key, value in about.items()):
        raise LiverlibError(
            f"{remote.url}: is another file than when its list was made. Delete the folder "
            f"{kept.parent} to begin anew; cases that are complete stay."
        )
    return [Member(name, size, remote, offset) for name, size, offset in before["members"]]


def _listed(remote: Remote) -> list[Member]:
    """Reads all headers: one request each where files are large, one for many where small."""
    reader = _Ahead(remote)
    found = {}
    try:
        with tarfile.open(fileobj=reader, mode="r:") as tar:
            for info in tar:
                reader.sizes.append(info.size)
                if (name := _name(remote.url, info)) is None:
                    continue
                if name in found:
                    raise LiverlibError(f"{remote.url}: holds {name} twice. {_ELSEWHERE}")
                found[name] = Member(name, info.size, remote, info.offset_data)
    except tarfile.TarError as error:
        raise LiverlibError(
            f"{remote.url}: not a whole, uncompressed tar ({error}). {_ELSEWHERE}"
        ) from error
    if not found:
        raise LiverlibError(f"{remote.url}: holds no imagesTr/… and labelsTr/…. {_ELSEWHERE}")
    return list(found.values())


def _name(url: str, info: tarfile.TarInfo) -> str | None:
    """ "imagesTr/liver_3.nii.gz" for a scan or a label, None for all else in a tar."""
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


class _Ahead(io.RawIOBase):
    """A file for `tarfile` to find headers in, which reads ahead as far as members are small."""

    def __init__(self, remote: Remote) -> None:
        self.sizes = deque(maxlen=8)  # of the latest members
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
            block = min(max(size, self._block()), self._remote.length - self._at)
            self._start, self._held, within = self._at, self._remote.read(self._at, block), 0
        self._at += size
        return self._held[within : within + size]

    def _block(self) -> int:
        """32 members' worth, or one header's where as few as 13 would be more than `MOST`."""
        mean = sum(self.sizes) / max(1, len(self.sizes)) + 1024
        return int(max(LEAST, min(32 * mean, MOST))) if 13 * mean < MOST else LEAST


_ELSEWHERE = (
    "Use a mirror, or download the tar with a browser and give its path: --url Task03_Liver.tar."
)


def _options(url: str) -> dict:
    """For a web server: no compression on the way, the system's proxies, no endless waiting."""
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
