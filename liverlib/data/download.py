"""Some cases of MSD's Task03_Liver without its 27 GB, or all of them straight into cubes.

Each file is fetched by byte ranges into a hidden folder, where a stopped download goes on in the
middle of it; only a scan and its label that are both whole get their final names.
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
from .remote_tar import BLOCK, Member, Remote, tar_members
from .transfer import Transfer, side_by_side

TASK03 = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task03_Liver.tar"
TASK03_MD5 = "a90ec6c4aa7f6a3d087205e23d4e6397"  # as MONAI publishes it (monai/apps/datasets.py)
SPARE = 200 << 20  # bytes of the disk to leave free
LICENCE = "MSD Task03_Liver (the scans of LiTS): CC BY-SA 4.0. Cite MSD and LiTS: data/README.md."
Group = list[Member]  # what comes together or not at all: a scan and its label, or one of them


def fetch(
    cases: int | str | Sequence[str] = 10,
    url: str | Path = TASK03,
    to: str | Path = "data/Task03_Liver",
    workers: int = 4,
    md5: str | None = None,
) -> Path:
    """The folder `to`, a dataset in MSD's layout that now holds the `cases`; others there stay.

    `cases` is how many labelled ones, their names, "all", or "labels" (alone, into ``to/labels``).
    `url` may be a mirror's, a tar on disk, or a folder. With "all" the whole tar is held against
    `md5`, by default the published one where `url` is the default. Raises `LiverlibError`, saying
    what to do, for whatever goes wrong; the same call then goes on from there.
    """
    to = Path(to)
    members = members_at(url, to)
    groups = list(chosen(members, cases).values())

    def complete(group: Group) -> Group:
        there = [member for member in group if _is_there(to, member)]
        if len(there) < len(group):
            for member in there:  # a kill between two renames left it alone
                transfer.take_back(to / member.name, member)
            for member, part in zip(group, transfer.sound(group), strict=True):
                (to / member.name).parent.mkdir(exist_ok=True)
                os.replace(part, to / member.name)
        return group

    missing = [member for group in groups for member in group if not _is_there(to, member)]
    transfer = Transfer(to, missing, SPARE + sum(member.size for member in missing))
    done = side_by_side(complete, groups, workers, transfer)
    if cases == "all" and (md5 := md5 or (TASK03_MD5 if url == TASK03 else None)):
        _hold_against(md5, members, to, done)
    for _ in done:
        pass
    return to


def chosen(members: Sequence[Member], cases: int | str | Sequence[str]) -> dict[str, Group]:
    """The files of each case asked for, by the case's name: scan and label, or one of them.

    Raises `LiverlibError` for what there is not, and for a scan without label or the reverse.
    """
    images, labels, others = (
        {re.sub("_0000$", "", volume_name(m.name)): m for m in members if m.name.startswith(part)}
        for part in ("imagesTr", "labelsTr", "imagesTs")
    )
    if cases == "labels":
        return {n: [replace(m, name=f"labels/{Path(m.name).name}")] for n, m in labels.items()}
    paired = sorted(set(images) & set(labels), key=natural_key)
    cases = int(cases) if isinstance(cases, str) and cases.isdigit() else cases
    if isinstance(cases, int):
        if not 1 <= cases <= len(paired):
            raise LiverlibError(f"{cases} cases: there are 1 to {len(paired)} to be had.")
        names = paired[:cases]
    elif cases == "all":
        names = sorted({*images, *labels, *others}, key=natural_key)
    else:
        names = [cases] if isinstance(cases, str) else list(cases)
    for name in names:
        if name not in paired and name not in others:
            what = "is not there" if name not in {*images, *labels} else "lacks scan or label there"
            raise LiverlibError(f"{name}: {what}. Labelled: {paired[0]} to {paired[-1]}.")
    return {n: [images[n], labels[n]] if n in images else [others[n]] for n in names}


def members_at(url: str | Path, to: Path) -> list[Member]:
    """The scans and labels at a URL, in a tar on disk, or in a folder (LiTS gets MSD's names)."""
    if not Path(url).is_dir():
        return tar_members(Remote(str(url)), to / ".download" / "list.json")
    members = []
    for case in find_cases(url):
        name = case.name.replace("volume-", "liver_")
        parts = ("imagesTr", "labelsTr") if case.label else ("imagesTs",)
        for part, path in zip(parts, (case.image, case.label), strict=False):
            suffix = path.name.removeprefix(volume_name(path))
            remote = Remote(str(path))
            members.append(Member(f"{part}/{name}{suffix}", remote.length, remote))
    return members


def _is_there(to: Path, member: Member) -> bool:
    path = to / member.name
    return path.is_file() and path.stat().st_size == member.size


def _hold_against(md5: str, members: Sequence[Member], to: Path, done: Iterator[Group]) -> None:
    """Feeds the whole tar to md5 while members come in; what lies between them is read for it."""
    remote, found, at, come = members[0].remote, hashlib.md5(usedforsecurity=False), 0, set()

    def between(start: int, stop: int) -> None:
        for place in range(start, stop, BLOCK):
            found.update(remote.read(place, min(BLOCK, stop - place)))

    for member in sorted(members, key=lambda member: member.offset):
        while member.name not in come:
            come.update(one.name for one in next(done))
        between(at, member.offset)
        with open(to / member.name, "rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
        at = member.offset + member.size
    between(at, remote.length)
    if found.hexdigest() != md5:
        raise LiverlibError(
            f"{remote.url}: has md5 {found.hexdigest()}, not the published {md5}: another version, "
            f"or damaged. Each file in {to} is whole by itself; take the tar from another place."
        )
