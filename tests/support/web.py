"""A web server on the loopback address that serves a file by ranges, and fails when told to."""

import io
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid

CASES = 12  # labelled ones in a test's dataset


class Web(ThreadingHTTPServer):
    """`sent` holds (start, bytes) of every range served; `faults` are used up one a request.

    A fault takes the handler, start and stop, and answers in the server's place; True from it
    means that the request is then served as usual. `meanwhile` is called before each range.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = content, '"1"'
        self.sent: list[tuple[int, int]] = []
        self.requests = 0
        self.faults: list[Callable] = []
        self.meanwhile: Callable[[], None] = lambda: None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/Task03_Liver.tar"

    def handle_error(self, request, client_address) -> None:
        """A client that went away is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(200, {"Content-Length": len(self.server.content), "Accept-Ranges": "bytes"})

    def do_GET(self) -> None:
        web, asked = self.server, self.headers.get("Range")
        web.requests += 1
        first, last = asked.removeprefix("bytes=").split("-") if asked else (0, "")
        start, stop = int(first), int(last or len(web.content) - 1) + 1
        if web.faults and not web.faults.pop(0)(self, start, stop):
            return
        web.meanwhile()
        body = web.content[start:stop]
        web.sent.append((start, len(body)))
        content_range = f"bytes {start}-{start + len(body) - 1}/{len(web.content)}"
        self.answer(206, {"Content-Length": len(body), "Content-Range": content_range}, body)

    def answer(self, status: int, headers: dict | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (
            {"Content-Length": len(body), "ETag": self.server.etag} | (headers or {})
        ).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()


def volumes(folder: Path, cases: int, size: int = 24) -> Path:
    """An MSD dataset of noise with a box of liver and tumour; one scan more without a label."""
    random = np.random.default_rng(0)
    grid = Grid.of((size, size, 20), np.diag([2.0, 2, 3, 1]), "LPS")
    label = np.zeros(grid.shape, np.uint8)
    label[4:16, 4:16, 4:16] = 1
    label[8:11, 8:11, 8:11] = 2
    for n in range(cases + 1):
        part = "imagesTr" if n < cases else "imagesTs"
        scan = random.integers(-1000, 1000, grid.shape).astype(np.int16)
        write_volume(folder / part / f"liver_{n}.nii.gz", scan, grid)
        if n < cases:
            write_volume(folder / "labelsTr" / f"liver_{n}.nii.gz", label, grid)
    return folder


def tarred(folder: Path, top: str = "Task03_Liver") -> bytes:
    """The folder as macOS' tar writes it: a twin ``._`` file before each."""
    files = [(path.relative_to(folder), path.read_bytes()) for path in folder.rglob("*.nii.gz")]
    return tar_of((f"{top}/{name}", content) for name, content in sorted(files))


def tar_of(files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files:
            folder, _, file = name.rpartition("/")
            for path, data in ((f"{folder}/._{file}", b"Mac OS X" * 20), (name, content)):
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def content(folder: Path) -> dict[str, bytes]:
    """Files by name; what a stopped download keeps in its hidden folder is left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(f): (folder / f).read_bytes() for f in files if f.parts[0] != ".download"}


def only(dataset: Path, *numbers: int) -> dict[str, bytes]:
    """The files, by name, of the cases with these numbers."""
    names = {f"liver_{n}.nii.gz" for n in numbers}
    return {name: data for name, data in content(dataset).items() if Path(name).name in names}
