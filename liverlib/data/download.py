"""Downloads some cases of MSD's Task03_Liver without its other 27 GB, or all of them.

Each file is fetched by byte ranges into a hidden folder, where a stopped download goes on in the
middle of a file. A scan and its label get their final names when both are whole.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.text import natural_key
from liverlib.io.nifti import volume_name

from .cases import find_cases
from .remote_tar import FOLDERS, REQUEST_BYTES, Member, Remote, tar_members
from .transfer import Transfer

TASK03 = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task03_Liver.tar"
TASK03_MD5 = "a90ec6c4aa7f6a3d087205e23d4e6397"  # as MONAI publishes it (monai/apps/datasets.py)
SPARE = 200 << 20  # bytes of the disk to leave free
LICENCE = "MSD Task03_Liver (the scans of LiTS): CC BY-SA 4.0. Cite MSD and LiTS: data/README.md."
Group = list[Member]  # comes together or not at all: a scan and its label, or one of them


def fetch(
    cases: int | str | Sequence[str] = 10,
    url: str | Path = TASK03,
    to: str | Path = "data/Task03_Liver",
    workers: int = 4,
    md5: str | None = None,
) -> Path:
    """Adds `cases` to the folder `to`, a dataset in MSD's layout, and returns the folder.

    `cases` is a number of labelled cases, their names, "all", or "labels" (the labels alone, into
    ``to/labels``). `url` is that of the tar, or the path of a tar or of a dataset's folder. With
    "all", the whole tar is checked against `md5`, by default the published one of the default
    `url`. Raises `LiverlibError` for whatever goes wrong; the same call then goes on from there.
    """
    to = Path(to)
    members = members_at(url, to)
    groups = list(chosen(members, cases).values())

    def complete(group: Group) -> Group:
        finished = [member for member in group if _is_finished(to, member)]
        if len(finished) < len(group):
            for member in finished:  # a kill between two renames left it without the other
                transfer.take_back(to / member.name, member)
            for member, part in zip(group, transfer.fetch(group), strict=True):
                (to / member.name).parent.mkdir(exist_ok=True)
                os.replace(part, to / member.name)
        return group

    missing = [member for group in groups for member in group if not _is_finished(to, member)]
    for member in missing:
        if (to / member.name).exists():
            raise LiverlibError(
                f"{to / member.name}: is there, and is not as {url} has it: changed since? It is "
                "kept. Move it away, or name another folder (--to)."
            )
    transfer = Transfer(to, missing, SPARE + sum(member.size for member in missing))
    completed = transfer.each(complete, groups, workers)
    if cases == "all" and (md5 := md5 or (TASK03_MD5 if url == TASK03 else None)):
        _check_md5(md5, members, to, completed)
    for _ in completed:
        pass
    return to


def chosen(members: Sequence[Member], cases: int | str | Sequence[str]) -> dict[str, Group]:
    """The files of each of the `cases`, as `fetch` takes them, by the case's name.

    Raises `LiverlibError` for a case that does not exist, and for a scan without label or the
    reverse.
    """
    images, labels, unlabelled = (_in_folder(folder, members) for folder in FOLDERS)
    if cases == "labels":
        return {
            name: [replace(member, name=f"labels/{Path(member.name).name}")]
            for name, member in labels.items()
        }
    paired = sorted(set(images) & set(labels), key=natural_key)
    cases = int(cases) if isinstance(cases, str) and cases.isdigit() else cases
    if isinstance(cases, int):
        if not 1 <= cases <= len(paired):
            raise LiverlibError(f"{cases} cases: there are 1 to {len(paired)} to be had.")
        names = paired[:cases]
    elif cases == "all":
        names = sorted({*images, *labels, *unlabelled}, key=natural_key)
    else:
        names = [cases] if isinstance(cases, str) else list(cases)
    for name in names:
        if name not in paired and name not in unlabelled:
            exists = name in {*images, *labels}
            what = "lacks scan or label there" if exists else "is not there"
            known = f"{paired[0]} to {paired[-1]}" if paired else "none"
            raise LiverlibError(f"{name}: {what}. Labelled: {known}.")
    return {
        name: [images[name], labels[name]] if name in images else [unlabelled[name]]
        for name in names
    }


def members_at(url: str | Path, to: Path) -> list[Member]:
    """The scans and labels at a URL, in a tar on disk, or in a folder (LiTS gets MSD's names).

    The list of a tar is kept in `to`. Raises as `Remote`, `tar_members` and `find_cases` do.
    """
    if not Path(url).is_dir():
        return tar_members(Remote(str(url)), to / ".download" / "list.json")
    members = []
    for case in find_cases(url):
        name = case.name.replace("volume-", "liver_")
        parts = ("imagesTr", "labelsTr") if case.label else ("imagesTs",)
        for part, path in zip(parts, case.files, strict=True):
            suffix = path.name.removeprefix(volume_name(path))
            remote = Remote(str(path))
            members.append(Member(f"{part}/{name}{suffix}", remote.length, remote))
    return members


def _in_folder(folder: str, members: Sequence[Member]) -> dict[str, Member]:
    """The members of one folder, by the name of their case."""
    return {
        re.sub("_0000$", "", volume_name(member.name)): member
        for member in members
        if member.name.startswith(folder)
    }


def _is_finished(to: Path, member: Member) -> bool:
    path = to / member.name
    return path.is_file() and path.stat().st_size == member.size


def _check_md5(md5: str, members: Sequence[Member], to: Path, completed: Iterator[Group]) -> None:
    """Hashes the whole tar while members come in: their files, and the bytes between them.

    Raises `LiverlibError` where its md5 is another.
    """
    remote, digest = members[0].remote, hashlib.md5(usedforsecurity=False)
    position, come = 0, set[str]()

    def hash_between(start: int, stop: int) -> None:
        for at in range(start, stop, REQUEST_BYTES):
            digest.update(remote.read(at, min(REQUEST_BYTES, stop - at)))

    for member in sorted(members, key=lambda member: member.offset):
        while member.name not in come:
            come.update(item.name for item in next(completed))
        hash_between(position, member.offset)
        with open(to / member.name, "rb") as file:
            while block := file.read(REQUEST_BYTES):
                digest.update(block)
        position = member.offset + member.size
    hash_between(position, remote.length)
    if digest.hexdigest() != md5:
        raise LiverlibError(
            f"{remote.url}: has md5 {digest.hexdigest()}, not the published {md5}: another "
            f"version, or damaged. Each file in {to} is whole by itself; take the tar from another "
            "place."
        )
