"""``liverlib prepare``, ``cache``, ``phantoms``, ``download`` and ``check``."""

import argparse
import time
from pathlib import Path

from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.core.files import read_json, size_on_disk
from liverlib.data.cases import find_dataset, labelled, present
from liverlib.pipeline.paths import data_folder, home
from liverlib.pipeline.run import Run
from liverlib.preprocessing.cache import cube_groups, folder_of, prune
from liverlib.preprocessing.cache import prepare as prepare_cubes

from .options import add_settings, add_workers, at_least, settings_of, short


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """The arguments of `prepare`."""
    parser.add_argument("data", type=Path, nargs="?", help="labelled scans (default: phantoms)")
    add_workers(parser)
    parser.add_argument(
        "--shard", type=_shard, default=slice(None), metavar="I/N", help="every Nth case, from I"
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first bad case")
    add_settings(parser, "phantom", "cube")


def prepare(options: argparse.Namespace) -> None:
    """Only as far as the cached cubes, of every labelled case."""
    if options.data:
        print(find_dataset(options.data))
    run = Run(settings_of(options), options.data)
    cases, folder = labelled(run.cases)[options.shard], data_folder() / "cubes"
    failures = []
    for stage in run.stages:
        settings = run.cube(stage)
        try:
            paths = prepare_cubes(cases, settings, folder, options.workers, options.strict)
        except SomeFailed as error:
            paths = error.done
            failures.append(str(error))
        size, where = sum(map(size_on_disk, paths)) / 1e6, short(folder_of(settings, folder))
        print(f"{len(paths)} cubes of the {settings.crop}, {size:.0f} MB: {where}")
    if failures:
        raise SomeFailed("\n".join(dict.fromkeys(failures)))


def add_cache(parser: argparse.ArgumentParser) -> None:
    """The arguments of `cache`."""
    parser.add_argument(
        "--prune", type=at_least(0, float), metavar="DAYS", help="remove what was not used since"
    )


def cache(options: argparse.Namespace) -> None:
    """What the cache of cubes holds; with --prune, less of it."""
    folder = data_folder() / "cubes"
    if options.prune is not None:
        print(f"freed {prune(folder, options.prune) / 1e6:.0f} MB")
    groups = cube_groups(folder)
    for group in groups:
        used = time.strftime("%Y-%m-%d", time.localtime(group.used))
        name, size = group.folder.name, group.size / 1e6
        print(f"{name}  {len(group.cubes):5} cubes  {size:7.0f} MB  used {used}")
        if (note := group.folder / "settings.json").is_file():
            print(f"    {read_json(note)}")
    total = sum(group.size for group in groups) / 1e6
    count = sum(len(group.cubes) for group in groups) or "no"
    print(f"{short(folder)}: {count} cubes, {total:.0f} MB. Safe to delete.")


def add_phantoms(parser: argparse.ArgumentParser) -> None:
    """The arguments of `phantoms`."""
    add_settings(parser, "phantom")


def phantoms(options: argparse.Namespace) -> None:
    """Only the phantoms, synthetic CTs written as an MSD dataset."""
    cases = Run(settings_of(options)).cases
    print(f"{len(cases)} phantoms: {short(cases[0].image.parents[1])}")


def add_download(parser: argparse.ArgumentParser) -> None:
    """The arguments of `download`."""
    parser.add_argument(
        "--cases", nargs="+", default=["10"], help="how many, names, all, or labels (default: 10)"
    )
    parser.add_argument("--url", help="a mirror, a tar on disk, or a folder (default: MSD's)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: data/Task03_Liver")
    parser.add_argument(
        "--into-cubes", action="store_true", help="keep only the cubes: 7 MB a case"
    )
    add_settings(parser, "cube")


def download(options: argparse.Namespace) -> None:
    """Some cases of MSD's Task03_Liver, or all: real CTs with labels, CC BY-SA 4.0."""
    from liverlib.data.download import LICENCE, TASK03, fetch  # with what reaches the web
    from liverlib.preprocessing.stream import fetch_cubes

    cases = options.cases[0] if len(options.cases) == 1 else options.cases
    if cases == "labels" and options.into_cubes:
        raise LiverlibError("--into-cubes: cubes need scans too. Name cases, or leave it out.")
    url, to = options.url or TASK03, options.to or data_folder() / "Task03_Liver"
    if options.into_cubes:
        run, folder = Run(settings_of(options)), data_folder() / "cubes"
        kinds = [run.cube(stage) for stage in run.stages]
        print(f"{len(fetch_cubes(cases, url, to, kinds, folder))} cubes: {short(folder)}")
    else:
        to = fetch(cases, url, to)
    if cases != "labels":
        print(find_dataset(to))
    print(f"{LICENCE}\ndata      {short(to / 'labels' if cases == 'labels' else to)}")


def add_check(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    parser.add_argument("data", type=Path, help="a dataset in any of the layouts")


def check(options: argparse.Namespace) -> None:
    """What a dataset holds, and everything in it that looks wrong, with a plot."""
    from liverlib.data.fingerprint import examine, fingerprint
    from liverlib.view import charts, figures  # matplotlib, only here

    print(dataset := find_dataset(options.data))
    with_scans = [case for case in dataset.cases if not case.cubes_alone]
    rows = examine(with_scans or present(dataset.cases))
    print("", fingerprint(rows), "", sep="\n")
    path = home() / "results" / f"check-{options.data.resolve().name}.png"
    print(f"plot  {short(figures.save(charts.fingerprint_chart(rows), path))}")


def _shard(text: str) -> slice:
    """ "2/8": the second of eight shards of the cases."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError("say which of how many: 1/4, 2/4, 3/4 or 4/4")
    return slice(int(number) - 1, None, int(count))
