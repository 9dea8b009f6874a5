"""The cache of cubes: each is made once, and found again by what it was made from.

A cube's folder is named after the settings and its file after the content of scan and label, so
that a changed input or setting never meets a stale cube, and a moved dataset keeps its cubes.
Files are only hashed anew where their place, size or times have changed.
"""

import hashlib
import re
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from liverlib.core.errors import CannotWrite, LiverlibError, failure
from liverlib.core.files import atomic, size_on_disk, write_json
from liverlib.core.parallel import in_processes
from liverlib.core.settings import digest, to_dict
from liverlib.data.cases import Case, present

from .cube import Cube, CubeSettings, to_cube

CUBE_VERSION = 3  # raised when equal scans and settings come to give other cubes
NOTES = "seen"  # the folder of notes: which content a file had
_DIGEST = re.compile(r"[0-9a-f]{12}")
_CUBE = re.compile(r"[^.].*-[0-9a-f]{12}\.safetensors")
_PART = re.compile(r"\..*part\.(.*-)?[0-9a-f]{12}(\.safetensors)?|\..*part\.settings\.json")
FRESH = 2_000_000_000  # ns; a file this young may yet change without its times telling


def prepare(
    cases: Sequence[Case],
    settings: CubeSettings = CubeSettings(),
    folder: str | Path = "data/cubes",
    workers: int | Executor | None = None,
    strict: bool = False,
) -> list[Path]:
    """The cached cube of each case, made where it is missing or corrupt.

    `workers` is a number of processes (None: one a processor) or any executor whose workers see
    the same files: Dask's ``Client(…).get_executor()``, or ``MPIPoolExecutor()`` of mpi4py.futures
    in a script started by ``mpiexec -n 8 python -m mpi4py.futures``. Raises `SomeFailed` for
    bad cases, once the others are done (`LiverlibError` where none is); with `strict` at the first.
    """
    folder = Path(folder)
    known = {case: _known(case, settings, folder) for case in cases}
    paths = {case: path for case, path in known.items() if path}
    missing = [case for case in known if case not in paths]
    kept = folder_of(settings, folder) / "settings.json"
    if present(missing) and not kept.is_file():
        write_json(kept, to_dict(settings))
    bad = []
    calls = [(case, settings, folder) for case in missing]
    for case, outcome in zip(missing, in_processes(_outcome, calls, workers, "cubes"), strict=True):
        if isinstance(outcome, Path):
            paths[case] = outcome
        elif strict:
            raise outcome
        else:
            bad.append(outcome)
    if bad:
        done = list(paths.values())
        raise failure("cases could not be prepared; the others are", bad, len(cases), done)
    return [paths[case] for case in cases]


def folder_of(settings: CubeSettings, folder: str | Path) -> Path:
    """Where the cubes with these settings are kept."""
    return Path(folder) / digest(settings, CUBE_VERSION)


@dataclass(frozen=True)
class CubeGroup:
    """The cubes of equal settings: their folder, files, and size on disk in bytes."""

    folder: Path
    cubes: list[Path]
    size: int
    used: float  # seconds since 1970


def cube_groups(folder: str | Path) -> list[CubeGroup]:
    """What the cache holds, the latest used first."""
    groups = []
    for subfolder in _folders(folder):
        if cubes := _files(subfolder, _CUBE):
            used = max(cube.stat().st_mtime for cube in cubes)
            groups.append(CubeGroup(subfolder, cubes, sum(map(size_on_disk, cubes)), used))
    return sorted(groups, key=lambda group: -group.used)


def prune(folder: str | Path, days: float) -> int:
    """Removes the cubes not used for so many days, and what killed processes left; bytes freed.

    Links are not followed. What is not named as the cache names its own files stays.
    """
    before, freed = time.time() - days * 86_400, 0
    notes = [note for note in Path(folder).glob(NOTES) if not note.is_symlink()]
    written = [(path, _files(path, _CUBE, _PART)) for path in _folders(folder)]
    written += [(path, _files(path, _DIGEST, _PART)) for path in notes]
    for subfolder, paths in written:
        for path in paths:
            with suppress(FileNotFoundError):  # another process may be faster
                if path.lstat().st_mtime <= before:
                    size = size_on_disk(path)
                    path.unlink()
                    freed += size
        if subfolder.name != NOTES and not _files(subfolder, _CUBE, _PART):
            for note in _files(subfolder, re.compile(r"settings\.json")):
                note.unlink(missing_ok=True)
            with suppress(OSError):  # it holds something of the user's
                subfolder.rmdir()
    return freed


def _folders(folder: str | Path) -> list[Path]:
    """The cache's own folders of cubes, named by a digest; links are left out."""
    folders = [path for path in Path(folder).glob("*") if _DIGEST.fullmatch(path.name)]
    return sorted(path for path in folders if path.is_dir() and not path.is_symlink())


def _files(folder: Path, *names: re.Pattern[str]) -> list[Path]:
    """The plain files in a folder whose whole name matches; links are left out."""
    paths = [path for path in folder.glob("*") if any(n.fullmatch(path.name) for n in names)]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _outcome(case: Case, settings: CubeSettings, folder: Path) -> Path | LiverlibError:
    """The case's cube, or what is wrong with the case: one bad case must not stop the others."""
    try:
        return cube_of(case, settings, folder)
    except CannotWrite:
        raise
    except LiverlibError as error:
        return error
    except (OSError, MemoryError) as error:
        return LiverlibError(f"{case.image}: {error or 'not enough memory'}. Make room, try again.")


def cube_of(case: Case, settings: CubeSettings, folder: Path) -> Path:
    """The cached cube of one case, made where it is missing; raises for a bad case."""
    before = [stat_of(file) for file in case.files]
    path = _path(case, settings, folder, contents(case, folder))
    if not _intact(path):
        to_cube(*case.read(), settings).save(path)
    if [stat_of(file) for file in case.files] != before:
        path.unlink()
        raise LiverlibError(f"{case.image}: changed while it was read. Run the step again.")
    return path


def contents(case: Case, folder: Path) -> tuple[str, ...]:
    """SHA-256 of the case's scan and label, which its cubes are found by."""
    if case.cubes_alone:
        return case.sha256
    return tuple(_content(file, folder) for file in case.files)


def streamed_cube(case: Case, settings: CubeSettings, folder: Path) -> Path | None:
    """The cube of a case that was streamed, if it is there, whether its files are or not."""
    path = _path(case, settings, folder, case.sha256)
    return path if case.sha256 and _intact(path) else None


def _known(case: Case, settings: CubeSettings, folder: Path) -> Path | None:
    """The cube, where that can be told without reading scan and label."""
    if case.cubes_alone:
        return streamed_cube(case, settings, folder)
    with suppress(LiverlibError, FileNotFoundError):  # told when the case's turn comes
        contents = tuple(_note(file, folder).read_text("utf-8") for file in case.files)
        path = _path(case, settings, folder, contents)
        return path if _intact(path) else None
    return None


def _intact(path: Path) -> bool:
    """Whether the cube is there; a corrupt one is said and counts as missing."""
    if not path.is_file():
        return False
    try:
        Cube.load(path)
    except LiverlibError as error:
        warnings.warn(f"{error}", stacklevel=2)
        return False
    with suppress(OSError):  # a cache that others keep
        path.touch()  # when it was last used, for `prune`
    return True


def _path(case: Case, settings: CubeSettings, folder: Path, contents: tuple[str, ...]) -> Path:
    return folder_of(settings, folder) / f"{case.name}-{digest(contents)}.safetensors"


def _content(file: Path, folder: Path) -> str:
    """SHA-256 of a file; noted, so that it need not be read again while it stays as it is."""
    note = _note(file, folder)
    if note.is_file():
        return note.read_text("utf-8")
    with open(file, "rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    if time.time_ns() - max(stat_of(file)[1:3]) > FRESH:
        with suppress(CannotWrite), atomic(note) as temporary:
            temporary.write_text(content, "utf-8")
    return content


def _note(file: Path, folder: Path) -> Path:
    return folder / NOTES / digest([str(file.resolve()), *stat_of(file)])


def stat_of(file: Path) -> tuple[int, int, int, int]:
    """Size, times of content and of inode (which no tool sets back), and inode.

    Raises `LiverlibError` where there is no such file, as behind a link to what was not fetched.
    """
    try:
        stat = file.stat()
    except OSError as error:
        advice = " Fetch it first, with `datalad get` for instance." if file.is_symlink() else ""
        raise LiverlibError(f"{file}: cannot be read ({error.strerror}).{advice}") from error
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
