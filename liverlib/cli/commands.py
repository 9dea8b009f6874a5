"""What each command of ``liverlib`` does with its arguments: the work itself is done elsewhere."""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, size_on_disk
from liverlib.core.text import NOT_MEDICAL
from liverlib.data.cases import find_dataset, labelled, present
from liverlib.io.nifti import read_label, volume_name, write_volume
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED
from liverlib.pipeline.paths import home
from liverlib.pipeline.presets import RunSettings, default_settings
from liverlib.pipeline.run import Run
from liverlib.preprocessing.cache import folder_of, kept, prune
from liverlib.preprocessing.cache import prepare as prepare_cubes

if TYPE_CHECKING:
    from liverlib.evaluation.lesion_table import LesionTable
    from liverlib.inference.prediction import Prediction


def _settings(options: argparse.Namespace) -> RunSettings:
    """The default settings of the preset, with what was given on the command line."""
    settings = default_settings(getattr(options, "preset", "demo"))
    settings = dataclasses.replace(settings, start=getattr(options, "start", settings.start))
    for name, value in vars(options).items():
        if "." in name:
            stage, field = name.split(".")
            value = tuple(value) if isinstance(value, list) else value
            changed = dataclasses.replace(getattr(settings, stage), **{field: value})
            settings = dataclasses.replace(settings, **{stage: changed})
    return settings


def _started(options: argparse.Namespace) -> Run:
    """The run that the arguments describe; says what was found in a folder of the user's."""
    if options.data:
        print(find_dataset(options.data))
    return Run(_settings(options), options.data, getattr(options, "run", None))


def run(options: argparse.Namespace) -> None:
    """The whole way: cases, cubes, training, scores, report."""
    from liverlib.core.device import is_main

    run = _started(options)
    run.train_all()
    if not is_main():
        return  # of several processes the first one scores
    report = run.report()
    print("\n".join(summary_lines(run)))
    print(f"report    {_short(report)}")


def train(options: argparse.Namespace) -> None:
    """Only as far as the trained weights."""
    from liverlib.core.device import is_main
    from liverlib.training.history import to_tensorboard

    run = _started(options)
    for look in [options.look] if options.look else run.looks:
        on_epoch = to_tensorboard(run.folder / look) if options.tensorboard else len
        history = run.train(look, on_epoch)
    if not is_main():  # of several processes the first one writes
        return
    if not options.look:
        history = run.train_all()
    weights = run.folder / (options.look or "") / "weights.safetensors"
    print(f"{len(history)} epochs: {_short(weights)}")


def prepare(options: argparse.Namespace) -> None:
    """Only as far as the cached cubes, of every labelled case."""
    run = _started(options)
    cases, folder = labelled(run.cases)[options.shard], home() / "data" / "cubes"
    for settings in map(run.cube, run.looks):
        paths = prepare_cubes(cases, settings, folder, options.workers, options.strict)
        size = sum(map(size_on_disk, paths)) / 1e6
        where = _short(folder_of(settings, folder))
        print(f"{len(paths)} cubes of the {settings.crop}, {size:.0f} MB: {where}")


def cache(options: argparse.Namespace) -> None:
    """What the cache of cubes holds; with --prune, less of it."""
    folder = home() / "data" / "cubes"
    if options.prune is not None:
        print(f"freed {prune(folder, options.prune) / 1e6:.0f} MB")
    found = kept(folder)
    for one in found:
        used = time.strftime("%Y-%m-%d", time.localtime(one.used))
        print(f"{one.folder.name}  {len(one.cubes):5} cubes  {one.size / 1e6:7.0f} MB  used {used}")
        if (note := one.folder / "settings.json").is_file():
            print(f"    {read_json(note)}")
    total = sum(one.size for one in found) / 1e6
    count = sum(len(one.cubes) for one in found) or "no"
    print(f"{_short(folder)}: {count} cubes, {total:.0f} MB. Safe to delete.")


def phantoms(options: argparse.Namespace) -> None:
    """Only the made-up CTs, as an MSD dataset."""
    cases = Run(_settings(options)).cases
    print(f"{len(cases)} phantoms: {_short(cases[0].image.parents[1])}")


def download(options: argparse.Namespace) -> None:
    """Some cases of MSD's Task03_Liver, or all: real CTs with labels, CC BY-SA 4.0."""
    from liverlib.data import download
    from liverlib.preprocessing import stream

    cases = options.cases[0] if len(options.cases) == 1 else options.cases
    url, to = options.url or download.TASK03, options.to or home() / "data" / "Task03_Liver"
    if options.into_cubes:
        run, folder = Run(_settings(options)), home() / "data" / "cubes"
        kinds = [run.cube(look) for look in run.looks]
        print(f"{len(stream.fetch_cubes(cases, url, to, kinds, folder))} cubes: {_short(folder)}")
        print(find_dataset(to))
    else:
        to = download.fetch(cases, url, to)
        print(f"labels: {_short(to / 'labels')}" if cases == "labels" else find_dataset(to))
    print(download.LICENCE)


def check(options: argparse.Namespace) -> None:
    """What a dataset holds, and everything in it that looks wrong, with a plot."""
    from liverlib.data.fingerprint import examine, fingerprint
    from liverlib.view import charts, figures

    print(dataset := find_dataset(options.data))
    there = [case for case in dataset.cases if not case.cubes_alone]
    rows = examine(there or present(dataset.cases))
    print("", fingerprint(rows), "", sep="\n")
    place = home() / "results" / f"check-{options.data.resolve().name}.png"
    print(f"plot  {_short(figures.save(charts.fingerprint(rows), place))}")


def segment(options: argparse.Namespace) -> None:
    """The mask of each scan, on the scan's own grid."""
    from liverlib.inference.postprocessing import PostprocessSettings
    from liverlib.io.scan import find_scans, read_scan

    scans = [scan for one in options.scans for scan in find_scans(one)]
    outputs = _masks(scans, options.output)
    weights = options.weights or [PRETRAINED]
    from liverlib.inference.segmenter import Segmenter  # torch is imported when it is needed

    rules = PostprocessSettings(not options.all_pieces, not options.tumours_anywhere, options.sure)
    segmenter = dataclasses.replace(Segmenter.load(*weights), tta=options.tta, rules=rules)
    for path, output in zip(scans, outputs, strict=True):
        scan = read_scan(path, options.series)
        prediction = segmenter.predict(scan)
        mask = prediction.mask()
        _write_mask(mask, output, path, options.series)
        if options.probabilities:
            _write_probabilities(prediction, output)
        if options.report:
            from liverlib.evaluation.lesion_table import (
                measure_lesions,  # scipy is imported when it is needed
            )

            found = measure_lesions(scan, mask, prediction.probability(2), prediction.tumour_ml())
            _write_report(options.report, scan, mask, found)
    print(f"{rules}{'; averaged over shifts of the scan' if options.tta else ''}")
    print(f"weights {', '.join(str(_short(path)) for path in weights)}. {NOT_MEDICAL}")


def _write_mask(mask: Volume, path: Path, scan: Path, series: str | None) -> None:
    if path.suffix == ".dcm":
        from liverlib.io.dicom_seg import write_seg  # highdicom is imported when it is needed

        write_seg(path, mask, scan, series)
        print(f"{_short(path)}: segments 1 liver (with its tumours), 2 tumour")
    else:
        write_volume(path, mask.voxels, mask.grid)
        print(f"{_short(path)}: 0 background, 1 liver, 2 tumour")


def _write_probabilities(prediction: "Prediction", mask: Path) -> None:
    """Bytes in 1/255, in a folder beside the mask's, as masks are scored by folders."""
    stem = mask.parent / "probabilities" / volume_name(mask).removesuffix(".dcm")
    for least, name in ((1, "liver"), (2, "tumour")):
        path = stem.with_name(f"{stem.name}_{name}.nii.gz")
        write_volume(path, prediction.probability(least), prediction.grid, slope=1 / 255)
        print(f"{_short(path)}: 0 to 1")


def _write_report(folder: Path, scan: Volume, mask: Volume, found: "LesionTable") -> None:
    from liverlib.view.report.scan_report import write_scan_report

    print("\n".join(str(_short(path)) for path in write_scan_report(folder, scan, mask, found)))


def _masks(scans: list[Path], output: Path) -> list[Path]:
    """Where each scan's mask goes: a file for one scan, or else a folder of files named alike."""
    if output.name.endswith((".nii", ".nii.gz")):
        if len(scans) > 1:
            raise LiverlibError(f"{output}: one file for {len(scans)} scans. Name a folder.")
        return [output]
    if output.suffix == ".dcm" and len(scans) == 1 and scans[0].is_dir():
        return [output]
    if len(scans) == 1 and output.suffix:
        raise LiverlibError(
            f"{output}: a mask is written as .nii or .nii.gz, that of a DICOM folder as .dcm too. "
            "Name it so."
        )
    masks = [output / f"{volume_name(scan.resolve())}.nii.gz" for scan in scans]
    if twice := {mask for mask in masks if masks.count(mask) > 1}:
        raise LiverlibError(f"{min(twice)}: two scans of that name. Segment them one by one.")
    return masks


def lesions(options: argparse.Namespace) -> None:
    """The lesions of a mask, measured: a page with the slices, CSV and JSON."""
    from liverlib.evaluation.lesion_table import (
        measure_lesions,  # scipy is imported when it is needed
    )
    from liverlib.io.scan import read_scan

    scan = read_scan(options.scan, options.series)
    mask = read_label(options.mask, scan)
    found = measure_lesions(scan, mask)
    print(NOT_MEDICAL)
    _write_report(options.output, scan, mask, found)


def evaluate(options: argparse.Namespace) -> None:
    """Every measure of the masks in one folder against the references in another."""
    from liverlib.evaluation.folder import evaluate  # scipy is imported when it is needed

    chosen = options.as_lits_script, options.subset, options.workers
    evaluation = evaluate(options.reference, options.predicted, *chosen)
    print(evaluation)
    if options.output:
        print(f"\nresults   {_short(evaluation.save(options.output))}")
    print(NOT_MEDICAL)


def summary_lines(run: Run) -> list[str]:
    """The scores of a run and the seconds of its stages, as a table of plain text."""
    metrics = run.score()
    summary = metrics["summary"]
    lines = ["", f"scored on {metrics['data']}, on each scan's own grid", ""]
    lines.append(f"{'class':9} {'Dice':>6}  {'95 % interval':14} cases")
    for name, key in (("liver", "liver_dice"), ("tumour", "tumour_dice")):
        one = summary[key]
        if one["n"]:
            interval = f"{one['low']:.3f} – {one['high']:.3f}"
            lines.append(f"{name:9} {one['mean']:6.3f}  {interval:14} {one['n']:5}")
    free, false = summary["tumour_free"], summary["tumour_free_with_false"]
    lines += [f"tumour drawn in {false} of {free} cases without any", ""]
    lines += [f"{stage:9} {seconds:6.0f} s" for stage, seconds in metrics["seconds"].items()]
    return [*lines, "", f"results   {_short(run.folder)}"]


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path
