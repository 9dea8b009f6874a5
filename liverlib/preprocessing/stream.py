"""Labelled cases of a remote dataset straight into cubes: their scans are never kept."""

from collections.abc import Sequence
from pathlib import Path

from liverlib.core.errors import LiverlibError
from liverlib.core.files import write_json
from liverlib.core.settings import to_dict
from liverlib.data.cases import Case, note_streamed, streamed
from liverlib.data.download import SPARE, TASK03, chosen, members_at
from liverlib.data.transfer import Transfer, side_by_side

from .cache import contents, cube_of, folder_of, streamed_cube
from .cube import CubeSettings

CUBE = 3  # bytes a voxel of a cube: one for the image, two for what it holds


def fetch_cubes(
    cases: int | str | Sequence[str] = "all",
    url: str | Path = TASK03,
    to: str | Path = "data/Task03_Liver",
    kinds: Sequence[CubeSettings] = (CubeSettings(),),
    cubes: str | Path = "data/cubes",
) -> list[Path]:
    """The cubes of the labelled `cases`, of each kind, in the cache `cubes`; the scans are dropped.

    They are those that `cache.prepare` makes from files. No more than two cases are on disk at a
    time, hidden in `to`. Raises as `fetch` does; a case that makes no cube, its label on another
    grid for instance, is said when all others are made.
    """
    to, cubes, refused = Path(to), Path(cubes), []
    groups = {
        name: group for name, group in chosen(members_at(url, to), cases).items() if len(group) == 2
    }
    noted = {case.name: case for case in streamed(to)}
    made = {
        name: [streamed_cube(noted[name], settings, cubes) for settings in kinds]
        for name in groups
        if name in noted
    }
    missing = [name for name in groups if None in made.get(name, [None])]
    for settings in kinds:
        write_json(folder_of(settings, cubes) / "settings.json", to_dict(settings))

    def make(name: str) -> None:
        case = Case(name, *transfer.sound(groups[name]))
        try:
            made[name] = [cube_of(case, settings, cubes) for settings in kinds]
            note_streamed(to, name, [m.name for m in groups[name]], contents(case, cubes))
        except LiverlibError as error:
            refused.append(str(error))
        for part in case.files:
            part.unlink()

    largest = sorted(sum(member.size for member in groups[name]) for name in missing)[-2:]
    room = SPARE + sum(largest) + len(missing) * sum(CUBE * one.size**3 for one in kinds)
    transfer = Transfer(to, [member for name in missing for member in groups[name]], room)
    transfer.drop_all_but([member for name in missing[:2] for member in groups[name]])
    for _ in side_by_side(make, missing, 2, transfer):
        pass
    if refused:
        raise LiverlibError("these cases made no cube, all others did:\n" + "\n".join(refused))
    return [path for name in groups for path in made[name]]
