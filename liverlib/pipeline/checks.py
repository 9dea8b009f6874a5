"""What is said or refused before a run trains: sizes that do not fit, scans that look wrong."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from liverlib.core.device import is_main
from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.core.parallel import in_processes
from liverlib.core.settings import digest, require
from liverlib.data.cases import Case
from liverlib.data.fingerprint import MIRRORED, NO_LIVER, Row, compared, examine_case, listed
from liverlib.preprocessing.cache import contents

from .inputs import initial_network
from .presets import STAGES, RunSettings

CHECK_VERSION = 2  # raised when equal cases come to have other suspicions
UNREADABLE = "cannot be read"  # why it cannot is told when its cube is made
SERIOUS = (UNREADABLE, NO_LIVER, MIRRORED)  # suspicions that are always named


def check_sizes(settings: RunSettings) -> None:
    """Raises `LiverlibError` where a stage's cubes or patches do not suit its network.

    The network is that of the settings, or that of the weights to start from.
    """
    crops = "body or all for a training: the ROI stage's cubes show the liver by themselves"
    require(settings.cube.crop != "liver", "--cube.crop", "liver", crops)
    for stage in STAGES:
        train = getattr(settings, stage)
        if train.epochs:
            if network := initial_network(settings.init, stage):
                train = replace(train, **network.shape)
            size, patch_size = settings.cube.size, train.patch_size
            allowed = (
                f"a multiple of {train.divisor}, at least {train.least_edge}, for the network of "
                f"the {stage} stage ({stage}.block_size, and halved at each further level of "
                f"{stage}.channels)"
            )
            require(train.fits(size), "--cube.size", size, allowed)
            edge = min(patch_size or size, size)
            require(train.fits(edge), f"--{stage}.patch_size", patch_size, allowed)


def check_cases(parts: Mapping[str, Sequence[Case]], cubes: Path, notes: Path, data: Path) -> None:
    """Prints, in two lines, what looks wrong in the labelled cases of a dataset.

    What a case looks like is noted in the folder `notes`, by its content, and not examined twice.
    Raises `LiverlibError` where one scan lies in two of the parts.

    Args:
        parts: the cases of "train", "validation" and "test".
        cubes: the cache, which knows the contents of files.
        notes: a folder for what was examined.
        data: the dataset's folder, to be named.
    """
    cases = [case for part in parts.values() for case in part]
    known = {case.name: _contents(case, cubes) for case in cases}
    rows = _examined(cases, known, notes)
    _refuse_shared(parts, rows, known)
    if is_main():
        tqdm.write(_told(compared(cases, rows), data))
        sys.stdout.flush()


def named_cases(
    parts: Mapping[str, Sequence[Case]], cases: Sequence[Case], cubes: Path
) -> dict[str, Any]:
    """The names of the cases in each part, and a digest of those with files of their own.

    These are no files of the dataset's `cases`, which are known otherwise: corrected labels, say.
    """
    names = {part: [case.name for case in members] for part, members in parts.items()}
    own = {file for case in cases for file in case.files}
    added = [case for part in parts.values() for case in part if not own.issuperset(case.files)]
    known = [(case.name, contents(case, cubes)) for case in added]
    return {"cases": names} | ({"added_cases": digest(known)} if known else {})


def _told(rows: Sequence[Row], data: Path) -> str:
    """The suspicions of all rows: how many cases have any, those that matter most, and where."""
    by_text: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for text in row["suspicions"]:
            by_text[text].append(row["name"])
    if not by_text:
        return f"check     nothing looks wrong in {len(rows)} cases"
    count = len({name for names in by_text.values() for name in names})
    serious = [text for text in SERIOUS if text in by_text]
    most = sorted(by_text.keys() - set(serious), key=lambda text: (-len(by_text[text]), text))
    named = [f"{text} ({listed(by_text[text])})" for text in [*serious, *most][:3]]
    return (
        f"check     {count} of {len(rows)} cases look wrong: {'; '.join(named)}\n"
        f"          liverlib check {data} tells all"
    )


def _contents(case: Case, cubes: Path) -> tuple[str, ...]:
    """SHA-256 of scan and label; nothing where they cannot be read, as `prepare` will tell."""
    try:
        return contents(case, cubes)
    except (LiverlibError, OSError):
        return ()


def _examined(
    cases: Sequence[Case], known: Mapping[str, tuple[str, ...]], notes: Path
) -> list[Row]:
    """The row of `examine_case` of each case, from its note where there is one."""
    rows: dict[str, Row] = {}
    paths, missing = {}, []
    for case in cases:
        key = digest(CHECK_VERSION, case.name, known[case.name])
        paths[case.name] = notes / f"{key}.json"
        if case.cubes_alone:
            rows[case.name] = {"name": case.name, "suspicions": []}
        elif known[case.name] and (row := _noted(paths[case.name])):
            rows[case.name] = row
        else:
            missing.append(case)
    examined = in_processes(examine_case, [(case,) for case in missing], title="check")
    for case, row in zip(missing, examined, strict=True):
        read = "digest" in row
        rows[case.name] = row if read else {"name": case.name, "suspicions": [UNREADABLE]}
        if read and known[case.name]:
            kept = {name: row[name] for name in ("name", "suspicions", "digest")}
            write_json(paths[case.name], kept)
    return [rows[case.name] for case in cases]


def _noted(path: Path) -> Row | None:
    """The row in a note; None where there is none, or a damaged one."""
    if not path.is_file():
        return None
    try:
        row = read_json(path)
        return {"name": row["name"], "suspicions": [*row["suspicions"]], "digest": row["digest"]}
    except (LiverlibError, KeyError, TypeError):
        return None


def _refuse_shared(
    parts: Mapping[str, Sequence[Case]],
    rows: Sequence[Row],
    known: Mapping[str, tuple[str, ...]],
) -> None:
    """Raises `LiverlibError` for a scan, by its voxels or its file, that lies in two parts."""
    voxels = {row["name"]: row.get("digest", "") for row in rows}
    first: dict[str, tuple[str, str]] = {}
    for part, cases in parts.items():
        for case in cases:
            for key in filter(None, (voxels[case.name], *known[case.name][:1])):
                name, other = first.setdefault(key, (case.name, part))
                if other != part:
                    raise LiverlibError(
                        f"{name} and {case.name}: the same scan, once to {_purpose(other)} and "
                        f"once to {_purpose(part)}. The scores would be too good. Remove one."
                    )


def _purpose(part: str) -> str:
    return {"train": "train on", "validation": "validate with", "test": "test"}[part]
