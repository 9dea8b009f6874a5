"""The command line is made from the settings' fields."""

import argparse
import dataclasses

import pytest

from liverlib.cli.main import main
from liverlib.cli.options import add_recipe, settings_of
from liverlib.core.errors import LiverlibError
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.pipeline.checks import check_sizes
from liverlib.pipeline.presets import PRESETS, STAGES, RunSettings, default_settings


def parsed(*words: str) -> RunSettings:
    parser = argparse.ArgumentParser()
    add_recipe(parser)
    return settings_of(parser.parse_args(words))


def test_without_arguments_the_preset_holds():
    assert parsed() == default_settings()
    for preset in PRESETS:
        assert parsed("--preset", preset) == default_settings(preset)


@pytest.mark.parametrize("stage", STAGES)
def test_every_field_of_a_stage_is_an_argument(stage):
    for field in dataclasses.fields(getattr(RunSettings(), stage)):
        default = getattr(getattr(RunSettings(), stage), field.name)
        fraction = 0 if default else field.metadata["high"]
        value = {bool: False, str: "ce", tuple: (7,), int: 7, float: fraction}[type(default)]
        if field.name == "learning_rate":
            value = 0.5
        words = {bool: "no", tuple: "7"}.get(type(default), str(value))
        settings = getattr(parsed(f"--{stage}.{field.name}", words), stage)
        assert getattr(settings, field.name) == value
        others = {f.name for f in dataclasses.fields(settings)} - {field.name}
        untouched = getattr(default_settings(), stage)
        assert all(getattr(settings, name) == getattr(untouched, name) for name in others)


def test_the_finetune_preset_goes_on_from_the_pretrained_weights_or_from_others():
    assert parsed("--preset", "finetune").init == "pretrained"
    assert parsed("--preset", "finetune", "--init", "a.safetensors").init == "a.safetensors"
    assert parsed("--preset", "finetune", "--init", "").init == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--cube.crop foo", "--cube.crop foo: must be body, liver or all."),
        ("--cube.window 200 -60", "--cube.window 200.0 -60.0: must be 2 numbers, the second"),
        ("--cube.window 1", "--cube.window 1.0: must be 2 numbers"),
        ("--roi.batch 0", "--roi.batch 0: must be a whole number from 1 to 4096."),
        ("--coarse.batch 0", "--coarse.batch 0: must be"),
        ("--roi.seed -1", "--roi.seed -1: must be a whole number from 0"),
        ("--roi.channels 8 0", "--roi.channels 8 0: must be one or more whole numbers"),
        ("--roi.learning_rate 0", "--roi.learning_rate 0.0: must be"),
        ("--roi.learning_rate nan", "--roi.learning_rate nan: must be"),
        ("--roi.implants 1.5", "--roi.implants 1.5: must be a number from 0 to 1."),
        ("--roi.tumour_fraction 0.8", "together with liver_fraction, which is 0.5"),
        ("--coarse.epochs 0", "--coarse.epochs 0: must be 1 or more"),
        ("--phantom.size 4", "--phantom.size 4: must be a whole number from 16 to 1024."),
        ("--phantom.tumour_free inf", "--phantom.tumour_free inf: must be"),
        ("--data scans --phantom.size 96", "--phantom.size: your scans take the place"),
        ("--split.folds 1", "--split.folds 1: must be 2 or more, or 0 for none."),
        ("--split.folds 5 --split.fold 5", "--split.fold 5: must be one of the folds, 0 to 4."),
        ("--split.fold 2", "--split.fold 2: must be 0 without folds; or set folds too."),
        ("--split.test 0.95", "--split.validation 0.08: must be below 1 together with test."),
        ("--synthesis.spacing 0", "--synthesis.spacing 0.0: must be a number from 0.5 to 10."),
        ("--synthesis.count 2 --cube.crop all", "--cube.crop all: must be body or liver"),
    ],
)
def test_a_value_out_of_range_is_named_as_on_the_command_line(words, text):
    with pytest.raises(LiverlibError) as error:
        parsed(*words.split())
    assert str(error.value).startswith("--") and text in str(error.value)


def test_values_are_judged_together_and_not_one_by_one():
    settings = parsed(*"--roi.tumour_fraction 0.9 --roi.liver_fraction 0.1".split())
    assert settings.roi.tumour_fraction == 0.9
    split = parsed(*"--split.fold 2 --split.folds 5".split()).split
    assert dataclasses.astuple(split)[-2:] == (5, 2)


@pytest.mark.parametrize("fast", ["", "1"])
def test_every_preset_fits_its_networks(fast, monkeypatch):
    monkeypatch.setenv("LIVERLIB_FAST", fast)
    for preset in PRESETS:
        check_sizes(default_settings(preset))


@pytest.mark.parametrize("words", ["run --workers 1", "evaluate --workers 0", "cache --prune nan"])
def test_numbers_of_other_arguments_are_checked_too(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    assert "error: " in capsys.readouterr().err


def test_help_shows_what_every_setting_allows_and_its_default(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split("options:")[1].split())
    settings = default_settings()
    for group in ("phantom", "synthesis", "cube", "split", *STAGES):
        values = getattr(settings, group)
        for field in dataclasses.fields(values):
            value, allowed = getattr(values, field.name), field.metadata
            _, _, text = shown.partition(f"--{group}.{field.name} ")
            text, _, default = text.partition("default: ")
            if isinstance(value, bool):
                assert text.startswith("{yes,no} ")
                assert default.startswith("yes)" if value else "no)")
            elif allowed["choices"]:
                assert text.startswith(f"{{{','.join(allowed['choices'])}}} ")
                assert default.startswith(f"{value})")
            else:
                assert text.endswith(f"(from {allowed['low']} to {allowed['high']}; ")


def test_help_shows_what_a_lesion_needs_as_its_setting_allows(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["segment", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    (field,) = (f for f in dataclasses.fields(PostprocessSettings) if f.metadata["option"])
    low, high = (field.metadata[key] for key in ("low", "high"))
    assert f"(from {low} to {high}; default: {field.default})" in shown
