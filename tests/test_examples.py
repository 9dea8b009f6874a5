"""The examples in docstrings run as they stand there."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from phantoms import simple_case

import liverlib
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import write_volume
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps
from liverlib.training.settings import TrainSettings

ROOT = Path(__file__).parents[1]
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "liverlib").rglob("*.py"))
    if ">>>" in path.read_text()
]
TINY = TrainSettings(channels=(4, 8), epochs=1, steps=2, patch_size=16)


def test_every_public_function_and_class_shows_an_example():
    for name in liverlib.__all__:
        value = getattr(liverlib, name)
        if callable(value) and not (isinstance(value, type) and issubclass(value, Exception)):
            assert ">>>" in value.__doc__, name
            takes = not isinstance(value, type) and value.__code__.co_argcount
            assert "Args:" in value.__doc__ or not takes, name


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> dict:
    """What the examples speak of, in a folder that holds the files that they name."""
    folder = tmp_path_factory.mktemp("examples")
    dataset = folder / "data" / "Task03_Liver"
    for n in range(8):
        for part, volume in zip(("imagesTr", "labelsTr"), simple_case(n), strict=True):
            write_volume(dataset / part / f"liver_{n}.nii.gz", volume)
    scan, label = simple_case()
    for n in range(2):
        write_volume(folder / "labelsTr" / f"liver_{n}.nii.gz", label)
        write_volume(folder / "masks" / f"liver_{n}.nii.gz", label)
    write_volume(folder / "scan.nii.gz", scan)
    write_volume(folder / "label.nii.gz", label)
    cases = liverlib.find_cases(dataset)
    maps = LabelMapSettings(count=1, spacing=6.0)
    return {
        "folder": folder, "scan": scan, "label": label, "mask": label, "cases": cases,
        "prediction": Segmenter.load().predict(scan), "settings": TINY,
        "cubes": prepare(cases[:2], CubeSettings(size=32), folder / "cubes", 1),
        "paths": write_label_maps(folder / "label_maps", maps, 1),
    }  # fmt: skip


class AnyOutput(doctest.OutputChecker):
    """An example that shows no output may have any."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        return not want or super().check_output(want, got, flags)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module, names, monkeypatch):
    monkeypatch.chdir(names["folder"])
    runner = doctest.DocTestRunner(AnyOutput())
    known = vars(import_module(module)) | {k: v for k, v in names.items() if k != "folder"}
    known |= {name: getattr(liverlib, name) for name in liverlib.__all__ if name[0] != "_"}
    for example in doctest.DocTestFinder().find(import_module(module), globs=known):
        runner.run(example)
    assert runner.tries and not runner.failures
