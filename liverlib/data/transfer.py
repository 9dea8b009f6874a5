"""Fetches many files in several threads, and never fetches again what has come.

Parts lie in a hidden folder beside the data. They only grow by whole blocks of the right bytes, so
the length of a part says where to go on.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import TypeVar

from tqdm.auto import tqdm

from liverlib.core.errors import LiverlibError
from liverlib.core.files import writable
from liverlib.core.parallel import Stopped, in_threads
from liverlib.io.nifti_bytes import verify

from .remote_tar import REQUEST_BYTES, Member

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Transfer:
    """Fetches members into the hidden folder of parts, and checks them there."""

    def __init__(self, to: Path, members: Collection[Member], room: int) -> None:
        """Raises `LiverlibError` where the disk has no `room`, in bytes, beside what has come."""
        self.folder, self._stop = to / ".download", Event()
        with writable(to):
            self.folder.mkdir(parents=True, exist_ok=True)
        parts = [self.folder / member.name for member in members]
        come = sum(part.stat().st_size for part in parts if part.is_file())
        self._free = shutil.disk_usage(to).free
        if room - come > self._free:
            raise LiverlibError(
                f"{to}: {(room - come) / 1e9:.1f} GB are needed there, {self._free / 1e9:.1f} GB "
                "are free. Ask for fewer cases, or name another disk."
            )
        total = sum(member.size for member in members)
        self._bar = tqdm(
            desc="download", total=total, initial=come, unit="B", unit_scale=True, disable=not total
        )

    def each(
        self, work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int
    ) -> Iterator[_Result]:
        """`work` of each item, in order, in several threads, under one progress bar.

        The first error stops all fetching, and is raised.
        """
        with self._bar:
            yield from in_threads(work, items, threads, self._stop)

    def fetch(self, group: Sequence[Member]) -> list[Path]:
        """The whole, sound part of each member of a group: a scan and its label, or one of them.

        Raises `LiverlibError` for a member that is broken at its source, and where scan and label
        differ in shape.
        """
        parts, shapes = zip(*(self._fetch(member) for member in group), strict=True)
        if len(set(shapes)) > 1:
            raise LiverlibError(
                f"{group[1].remote.url}: {group[1].name} has shape {shapes[1]}, its scan "
                f"{shapes[0]}. They do not belong together: leave this case out."
            )
        return list(parts)

    def take_back(self, path: Path, member: Member) -> None:
        """Turns a finished file into a part again, so that it is not fetched twice."""
        part = self.folder / member.name
        part.parent.mkdir(exist_ok=True)
        os.replace(path, part)

    def drop_all_but(self, members: Collection[Member]) -> None:
        """Removes the parts of all other members, which an earlier call left."""
        kept = {self.folder / member.name for member in members}
        for part in self.folder.glob("*/*.nii*"):
            if part not in kept:
                part.unlink()

    def _fetch(self, member: Member) -> tuple[Path, tuple[int, ...]]:
        """A part and its shape. A broken one is fetched once more: transit may have broken it."""
        part = self.folder / member.name
        for _ in range(2):
            self._fill(part, member)
            try:
                member.remote.check_unchanged()
            except LiverlibError:
                part.unlink()  # it may hold bytes of both
                raise
            try:
                return part, self._verified_shape(part)
            except LiverlibError as error:
                fault = error
                part.unlink()
                self._bar.update(-member.size)
        raise LiverlibError(
            f"{member.remote.url}: {member.name} is broken there. Use a mirror, or leave this "
            f"case out. ({fault})"
        ) from fault

    def _fill(self, part: Path, member: Member) -> None:
        """Appends block after block to what has come."""
        with writable(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            if part.is_file() and part.stat().st_size > member.size:
                part.unlink()
            with open(part, "ab", buffering=0) as file:
                while (at := file.tell()) < member.size:
                    if self._stop.is_set():
                        raise Stopped
                    content = member.read(at, min(REQUEST_BYTES, member.size - at))
                    self._bar.update(file.write(content))

    def _verified_shape(self, part: Path) -> tuple[int, ...]:
        header, unpacked = verify(part)
        if unpacked > self._free:
            raise LiverlibError(f"{part}: unpacks to {unpacked:,} bytes, beyond the disk.")
        return header.get_data_shape()
