"""Labelled cases of a remote dataset, straight into cubes: their scans are not kept."""

from collections.abc import Sequence
from pathlib import Path

from liverlib.core.errors import CannotWrite, LiverlibError, failure
from liverlib.core.files import write_json
from liverlib.core.settings import to_dict
from liverlib.data.cases import Case, note_streamed, streamed
from liverlib.data.download import SPARE, TASK03, chosen, members_at
from liverlib.data.transfer import Transfer

from .cache import contents, cube_of, folder_of, streamed_cube
from .cube import CubeSettings

CUBE_BYTES = 3  # a voxel of a cube: one byte for the image, two for the soft labels


def fetch_cubes(
    cases: int | str | Sequence[str] = "all",
    url: str | Path = TASK03,
    to: str | Path = "data/Task03_Liver",
    kinds: Sequence[CubeSettings] = (CubeSettings(),),
    cubes: str | Path = "data/cubes",
) -> list[Path]:
    """The cubes of the labelled `cases`, one of each kind, in the cache `cubes`.

    They equal those that `cache.prepare` makes from files. The scans are deleted; at most two
    cases are on disk at a time, hidden in `to`. Raises as `download.fetch` does. Raises
    `SomeFailed` for cases that make no cube, once all others are made.
    """
    to, cubes = Path(to), Path(cubes)
    groups = {
        name: group for name, group in chosen(members_at(url, to), cases).items() if len(group) == 2
    }
    made = _made(to, list(groups), kinds, cubes)
    missing = [name for name in groups if name not in made]
    refused: list[str] = []
    for settings in kinds:
        write_json(folder_of(settings, cubes) / "settings.json", to_dict(settings))

    def make(name: str) -> None:
        image, label = transfer.fetch(groups[name])
        case = Case(name, image, label)
        try:
            made[name] = [cube_of(case, settings, cubes) for settings in kinds]
            files = [member.name for member in groups[name]]
            note_streamed(to, name, files, contents(case, cubes))
        except CannotWrite:
            raise
        except LiverlibError as error:
            refused.append(str(error))
        for part in case.files:
            part.unlink()

    largest = sorted(sum(member.size for member in groups[name]) for name in missing)[-2:]
    cube_bytes = sum(CUBE_BYTES * settings.size**3 for settings in kinds)
    room = SPARE + sum(largest) + len(missing) * cube_bytes
    transfer = Transfer(to, [member for name in missing for member in groups[name]], room)
    transfer.drop_all_but([member for name in missing[:2] for member in groups[name]])
    for _ in transfer.each(make, missing, 2):
        pass
    paths = [path for name in groups if name in made for path in made[name]]
    if refused:
        raise failure("cases made no cube; the others did", refused, len(groups), paths)
    return paths


def _made(
    to: Path, names: Sequence[str], kinds: Sequence[CubeSettings], cubes: Path
) -> dict[str, list[Path]]:
    """The cubes of the cases that have all kinds of them already, by the case's name."""
    notes = {case.name: case for case in streamed(to)}
    made = {}
    for name in names:
        if name in notes:
            paths = [streamed_cube(notes[name], settings, cubes) for settings in kinds]
            known = [path for path in paths if path]
            if len(known) == len(kinds):
                made[name] = known
    return made
