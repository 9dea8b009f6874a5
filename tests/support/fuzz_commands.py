"""Command lines by the thousand, from the settings' metadata: done as asked, or refused.

Most of them ask for something that is not allowed. Each goes through `liverlib.cli.main.main`, with
the work itself (training, cubes, networks) replaced. Line n depends on n alone:
`python tests/support/fuzz_commands.py 1 --first n` repeats it.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import io
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest import mock

from phantoms import simple_case

from liverlib.cli import data, main, train
from liverlib.core.errors import LiverlibError
from liverlib.data import fingerprint
from liverlib.data.cases import Case
from liverlib.evaluation import folder as evaluation
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.inference.segmenter import Segmenter, Stage
from liverlib.io.nifti import write_volume
from liverlib.models import weights
from liverlib.pipeline import inputs
from liverlib.pipeline import run as pipeline
from liverlib.pipeline.presets import PRESETS, STAGES, RunSettings, default_settings
from liverlib.preprocessing import stream
from liverlib.preprocessing.cube import CubeSettings
from liverlib.training import history, loop
from liverlib.view import charts, figures

SECONDS = 20  # for a line
TRAINING = ("run", "train")  # the commands that train
GROUPS = {  # of settings, by command
    "run": ("phantom", "synthesis", "cube", "split", *STAGES),
    "train": ("phantom", "synthesis", "cube", "split", *STAGES),
    "prepare": ("phantom", "cube"),
    "phantoms": ("phantom",),
    "download": ("cube",),
}
GOOD_AND_BAD = {  # of other arguments
    "--run": (["first", "a run"], ["../x", "a/b", "..", "/tmp/x", "n" * 300]),
    "--preset": (list(PRESETS), ["foo", ""]),
    "--init": (["", "pretrained"], ["nowhere.safetensors"]),
    "--stage": (list(STAGES), ["body", ""]),
    "--data": (["dataset"], ["nowhere"]),
    "--workers": (["1", "2"], ["0", "-1", "1.5", "x", ""]),
    "--shard": (["1/1", "1/2"], ["0/2", "3/2", "1/0", "x", "1", ""]),
    "--device": (["auto", "cpu"], ["gpu", "cuda:x", "cpu:0", ""]),
    "--prune": (["0", "1.5"], ["-1", "nan", "inf", "x", ""]),
    "--min-lesion-probability": (["0", "0.5", "1"], ["-0.1", "1.01", "nan", "inf", "x", ""]),
}
OPTIONS = {  # of the commands
    "run": ("--run", "--preset", "--init", "--data", "--device"),
    "train": ("--run", "--preset", "--init", "--data", "--stage", "--device"),
    "prepare": ("--workers", "--shard"),
    "phantoms": (),
    "download": (),
    "cache": ("--prune",),
    "check": (),
    "segment": ("--min-lesion-probability", "--device"),
    "evaluate": ("--workers",),
}
FIXED = {  # arguments that a command needs
    "prepare": ["dataset"],
    "download": ["--url", "dataset", "--into-cubes", "--to", "dataset"],
    "check": ["dataset"],
    "segment": ["dataset/imagesTr/liver_0.nii.gz", "-o", "mask.nii.gz"],
    "evaluate": ["--reference", "dataset", "--predicted", "dataset"],
}


@dataclasses.dataclass
class Line:
    """A command line, what it gives to each option, and whether all of it is allowed."""

    words: list[str]
    settings: dict[str, list[str]]
    options: dict[str, str]
    allowed: bool


class Work:
    """What the replaced work was asked for."""

    def __init__(self) -> None:
        self.settings: list[Any] = []
        self.done = False

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.done = True
        return []


def line(number: int) -> Line:
    """The command line of this number."""
    random_ = random.Random(number)
    command = random_.choice([*GROUPS] * 3 + [*OPTIONS])
    groups, bad = GROUPS.get(command, ()), random_.random() < 0.7
    names = [f"{group}.{f.name}" for group in groups for f in dataclasses.fields(of(group))]
    settings = {
        name: words_for(name, random_, bad)
        for name in random_.sample(names, min(len(names), random_.randint(1, 4)))
    }
    options = {}
    for name in OPTIONS[command]:
        if random_.random() < (0.3 if groups else 0.9):
            wrong = bad and random_.random() < (0.15 if groups else 1)
            options[name] = random_.choice(GOOD_AND_BAD[name][wrong])
    words = [command, *FIXED.get(command, [])]
    for name, value in options.items():
        words += [name, value]
    for name, values in settings.items():
        words += [f"--{name}", *values]
    fine = all(value in GOOD_AND_BAD[name][0] for name, value in options.items())
    return Line(words, settings, options, fine and _fits(command, settings, options))


def of(group: str) -> Any:
    """The default settings of a group."""
    return getattr(RunSettings(), group)


def words_for(name: str, random_: random.Random, bad: bool) -> list[str]:
    """Words for a setting: of what its field allows, or (often, where `bad`) anything near."""
    group, field_name = name.split(".")
    (field,) = (f for f in dataclasses.fields(of(group)) if f.name == field_name)
    kind = get_type_hints(type(of(group)))[field_name]
    if kinds := get_args(kind):
        count = random_.choice([1, 2, 3, 4]) if kinds[-1] is Ellipsis or bad else len(kinds)
        words = [word_for(kinds[0], field.metadata, random_, bad) for _ in range(count)]
        return words if bad or kinds[-1] is Ellipsis else sorted(words, key=float)
    return [word_for(kind, field.metadata, random_, bad)]


def word_for(kind: type, allowed: Any, random_: random.Random, bad: bool) -> str:
    """A word for a value of this kind."""
    if bad and random_.random() < 0.3:
        return random_.choice(
            ["", "x", "nan", "inf", "1.5", "-1", "0", "9" * 30, "1e400", "０", "ü"]
        )
    if kind is bool:
        return random_.choice(["yes", "no", "True", "FALSE", *(["1", "maybe"] if bad else [])])
    if kind is str:
        wrong = ["BODY", "foo", "are", "body "] if bad else []
        return random_.choice([*allowed["choices"], *wrong])
    low, high = allowed["low"], allowed["high"]
    if kind is int:
        usual = [low, high, min(high, low + 1), random_.randint(low, min(high, low + 64))]
        usual += [min(high, max(low, n)) for n in (0, 2, 16, 32, 64, 128)]
        return str(
            random_.choice([*usual, *([low - 1, high + 1, -high, 10 * high] if bad else [])])
        )
    usual = [float(low), float(high), random_.uniform(low, high), (low + high) / 2]
    step = (high - low) / 1000
    value = random_.choice([*usual, *([low - step, high + step, 2 * high] if bad else [])])
    return f"{value:f}" if value < 0 else str(value)


def _value(kind: Any, words: list[str]) -> Any:
    """What words say, as Python reads them; raises ValueError where they say nothing."""
    if kinds := get_args(kind):
        if kinds[-1] is not Ellipsis and len(words) != len(kinds):
            raise ValueError
        return tuple(kinds[0](word) for word in words)
    if kind is bool:
        return {"yes": True, "true": True, "no": False, "false": False}[words[0].lower()]
    return kind(words[0])


def asked(command: str, settings: dict[str, list[str]], options: dict[str, str]) -> dict[str, Any]:
    """Each setting of a run as the line asks for it; raises ValueError or KeyError for nonsense."""
    preset = default_settings(options.get("--preset", "demo") if command in TRAINING else "demo")
    values: dict[str, Any] = {}
    for group in GROUPS["run"]:
        kinds = get_type_hints(type(of(group)))
        for field in dataclasses.fields(of(group)):
            name = f"{group}.{field.name}"
            values[name] = getattr(getattr(preset, group), field.name)
            if name in settings:
                values[name] = _value(kinds[field.name], settings[name])
                _check_declared(values[name], field.metadata)
    return values


def _check_declared(value: Any, allowed: Any) -> None:
    """Raises ValueError for a value that its field's metadata does not allow."""
    for item in value if isinstance(value, tuple) else [value]:
        if isinstance(item, str) and item not in allowed["choices"]:
            raise ValueError
        number = isinstance(item, float | int) and not isinstance(item, bool)
        if number and not allowed["low"] <= item <= allowed["high"]:
            raise ValueError


def _fits(command: str, settings: dict[str, list[str]], options: dict[str, str]) -> bool:
    """Whether what the line asks for is allowed, by rules of its own."""
    if options.get("--preset", "demo") not in PRESETS:
        return False
    own_data = command == "prepare" or "--data" in options
    if own_data and any(name.startswith("phantom.") for name in settings):
        return False
    try:
        values = asked(command, settings, options)
    except (ValueError, KeyError):
        return False
    low, high = values["cube.window"]
    index, folds = values["split.fold"], values["split.folds"]
    kept = values["split.validation"] + (0 if folds else values["split.test"])
    patches = [values[f"{s}.tumour_fraction"] + values[f"{s}.liver_fraction"] for s in STAGES]
    right = high - low >= 1 and folds != 1 and (index < folds or index == 0) and kept < 1
    right = right and max(patches) <= 1 + 1e-9 and values["coarse.epochs"] > 0
    right = right and not (values["synthesis.count"] and values["cube.crop"] == "all")
    return right and (command not in TRAINING or _trainable(values, options))


def _trainable(values: dict[str, Any], options: dict[str, str]) -> bool:
    """Whether the networks' levels divide cubes and patches, and the stage asked for is one."""
    size = values["cube.size"]
    if values["cube.crop"] == "liver" or not values[f"{options.get('--stage') or 'coarse'}.epochs"]:
        return False
    for stage in STAGES:
        if values[f"{stage}.epochs"]:
            levels, block = len(values[f"{stage}.channels"]), values[f"{stage}.block_size"]
            norm = values[f"{stage}.norm"]
            init = options.get("--init", PRESETS[options.get("--preset", "demo")].init)
            if init:
                shape = inputs.initial_network("pretrained", stage).shape
                levels, block = len(shape["channels"]), shape["block_size"]
                norm = shape["norm"]
            divisor = block * 2 ** (levels - 1)
            edge = min(values[f"{stage}.patch_size"] or size, size)
            if size % divisor or edge % divisor or (norm and edge == divisor):
                return False
    return True


@contextlib.contextmanager
def replaced(work: Work) -> Iterator[None]:
    """A block in which nothing is trained, made or downloaded; `work` notes what was asked for."""
    real_init = pipeline.Run.__init__

    def init(self: pipeline.Run, *arguments: Any, **more: Any) -> None:
        real_init(self, *arguments, **more)
        work.settings.append(self.settings)

    def predict(self: Segmenter, scan: Any) -> Any:
        work(work.settings.append(self.settings))
        raise LiverlibError("the network was asked.")

    segmenter = Segmenter(Stage([], CubeSettings()))
    case = Case("liver_0", Path("dataset/imagesTr/liver_0.nii.gz"), Path("label"))
    instead = [
        (pipeline.Run, "__init__", init), (pipeline.Run, "batches", work),
        (pipeline.Run, "cubes", work), (pipeline.Run, "_check_cases", work),
        (pipeline.Run, "_claim", work), (pipeline.Run, "score", work),
        (pipeline.Run, "report", lambda self: Path("report")),
        (pipeline, "phantoms", lambda settings: work() or [case]),
        (train, "score_lines", lambda *_: []), (loop, "train", work),
        (history, "write_history", work), (weights, "save_networks", work),
        (inputs, "networks_by_stage", functools.cache(inputs.networks_by_stage)),
        (weights, "load_networks", lambda path: []), (data, "prepare_cubes", work),
        (data, "prune", lambda *_: work() or 0), (stream, "fetch_cubes", work),
        (fingerprint, "examine", work), (fingerprint, "fingerprint", work),
        (charts, "fingerprint_chart", work), (figures, "save", lambda figure, path: path),
        (evaluation, "evaluate", work), (Segmenter, "load", lambda *_: segmenter),
        (Segmenter, "predict", predict), (main, "_parser", functools.cache(main._parser)),
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for target, name, value in instead:
            stack.enter_context(mock.patch.object(target, name, value))
        yield


def outcome(line: Line, work: Work) -> str:
    """What became of a line, in a word; raises AssertionError where that is wrong."""
    work.settings.clear()
    work.done = False
    printed, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        try:
            code = main.main(line.words)
        except SystemExit as stopped:
            code = f"argparse {stopped.code}"
    text = told.getvalue()
    if not line.allowed:
        assert code in (2, "argparse 2"), f"accepted: {code}"
        assert "Traceback" not in text
        if code == 2:
            assert text.startswith("liverlib: ") and text.strip().count("\n") == 0, text
            assert text.rstrip().endswith("."), text
            given = [*line.options, *line.options.values()]
            given += [name.partition(".")[2] for name in line.settings]
            assert any(name[:60] in text for name in given), f"names none of its words: {text}"
        else:
            assert text.count("error: ") == 1, text
        return f"refused ({code})"
    if line.words[0] == "segment":
        assert work.done and "the network was asked." in text, text
        (settings,) = work.settings
        given = float(line.options.get("--min-lesion-probability", settings.min_lesion_probability))
        assert settings == PostprocessSettings(min_lesion_probability=given)
        return "done"
    assert code == 0, f"refused: {text}"
    for settings in work.settings:
        for name, value in asked(line.words[0], line.settings, line.options).items():
            group, field = name.split(".")
            reached = getattr(getattr(settings, group), field)
            assert reached == value and type(reached) is type(value), f"{name}: {reached}"
    return "done"


def timeout(*_: Any) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def tried(number: int, work: Work) -> str:
    """The outcome of the line of this number; raises where it is wrong, or takes too long."""
    signal.alarm(SECONDS)
    try:
        return outcome(line(number), work)
    finally:
        signal.alarm(0)


def run(first: int, count: int) -> tuple[collections.Counter, list[str]]:
    """How often each outcome came, and the lines that went wrong."""
    outcomes, wrong, work = collections.Counter(), [], Work()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), replaced(work):
        scan, label = simple_case(size=8)
        for part, volume in (("imagesTr", scan), ("labelsTr", label)):
            write_volume(Path("dataset", part, "liver_0.nii.gz"), volume.voxels, volume.grid)
        before = signal.signal(signal.SIGALRM, timeout)
        environment = {"LIVERLIB_HOME": folder, "LIVERLIB_FAST": "", "TQDM_DISABLE": "1"}
        with mock.patch.dict(os.environ, environment):
            for number in range(first, first + count):
                try:
                    outcomes[tried(number, work)] += 1
                except Exception as error:
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    text = f"{type(error).__name__} {error} ({last.name})"[:300]
                    wrong.append(f"{number}  {' '.join(line(number).words)[:300]}: {text}")
        signal.signal(signal.SIGALRM, before)
    return outcomes, wrong


def cli() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    outcomes, wrong = run(options.first, options.count)
    for text, count in outcomes.most_common():
        print(f"{count:7} {text}")
    print("\n".join([*wrong, f"{options.count} tried, {len(wrong)} wrong"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(cli())
