"""Fetching many files side by side, so that nothing that has come is fetched again.

Parts lie in a hidden folder beside the data and only ever grow by whole blocks of the right bytes;
how long a part is says where to go on.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from tqdm.auto import tqdm

from liverlib.core.errors import LiverlibError
from liverlib.core.files import writable
from liverlib.io.nifti_bytes import verify

from .remote_tar import BLOCK, Member


class Transfer:
    """Fetches members into the hidden folder of parts, where they are checked."""

    def __init__(self, to: Path, members: Collection[Member], room: int) -> None:
        """Raises `LiverlibError` where the disk has no `room`, in bytes, beside what has come."""
        self.folder, self.stop = to / ".download", Event()
        with writable(to):
            self.folder.mkdir(parents=True, exist_ok=True)
        parts = [self.folder / member.name for member in members]
        come = sum(part.stat().st_size for part in parts if part.is_file())
        self._free = shutil.disk_usage(to).free
        if room - come > self._free:
            raise LiverlibError(
                f"{to}: {(room - come) / 1e9:.1f} GB are needed there, {self._free / 1e9:.1f} GB "
                "are free. Ask for fewer cases, name another disk, or use --into-cubes."
            )
        total = sum(member.size for member in members)
        self.bar = tqdm(
            desc="download", total=total, initial=come, unit="B", unit_scale=True, disable=not total
        )

    def sound(self, group: list[Member]) -> list[Path]:
        """Each member's part, whole, sound, and the label of its scan's shape."""
        parts, shapes = zip(*(self._sound(member) for member in group), strict=True)
        if len(set(shapes)) > 1:
            raise LiverlibError(
                f"{group[1].remote.url}: {group[1].name} has shape {shapes[1]}, its scan "
                f"{shapes[0]}. They do not belong together: leave this case out."
            )
        return list(parts)

    def take_back(self, path: Path, member: Member) -> None:
        """Makes a file that came before a part again, so that it need not come twice."""
        part = self.folder / member.name
        part.parent.mkdir(exist_ok=True)
        os.replace(path, part)

    def drop_all_but(self, members: Collection[Member]) -> None:
        """Removes the parts of all others, which an earlier call left."""
        kept = {self.folder / member.name for member in members}
        for part in self.folder.glob("*/*.nii*"):
            if part not in kept:
                part.unlink()

    def _sound(self, member: Member) -> tuple[Path, tuple]:
        """A part and its shape. A broken one is fetched again: the fault may be on the way."""
        part = self.folder / member.name
        for tries_left in (1, 0):
            self._fill(part, member)
            try:
                header, unpacked = verify(part)
                if unpacked > self._free:
                    raise LiverlibError(f"{part}: unpacks to {unpacked:,} bytes, beyond the disk.")
                return part, header.get_data_shape()
            except LiverlibError as error:
                part.unlink()
                self.bar.update(-member.size)
                if not tries_left:
                    raise LiverlibError(
                        f"{member.remote.url}: {member.name} is broken there. Use a mirror, or "
                        f"leave this case out. ({error})"
                    ) from error

    def _fill(self, part: Path, member: Member) -> None:
        """Appends block after block to what there is."""
        with writable(part.parent):
            part.parent.mkdir(parents=True, exist_ok=True)
            if part.is_file() and part.stat().st_size > member.size:
                part.unlink()
            with open(part, "ab", buffering=0) as file:
                while (at := file.tell()) < member.size:
                    if self.stop.is_set():
                        raise _Stopped
                    self.bar.update(file.write(member.read(at, min(BLOCK, member.size - at))))


class _Stopped(Exception):
    """Another thread met an error, which is the one to tell."""


def side_by_side(work: Callable, items: Sequence, workers: int, transfer: Transfer) -> Iterator:
    """`work` of each item, in order, by several threads; the first error stops them all."""

    def guarded(item):
        try:
            return work(item)
        except BaseException:
            transfer.stop.set()
            raise

    futures: list[Future] = []
    with transfer.bar, ThreadPoolExecutor(workers) as pool:
        try:
            futures += [pool.submit(guarded, item) for item in items]
            for future in futures:
                yield future.result()
        except _Stopped:
            pool.shutdown(cancel_futures=True)
            met = (f.exception() for f in futures if not f.cancelled())
            raise next(one for one in met if one and not isinstance(one, _Stopped)) from None
        finally:
            transfer.stop.set()
            pool.shutdown(cancel_futures=True)
