"""The command line is made from the settings' fields."""

import argparse
import dataclasses
import subprocess
import sys

import pytest

from liverlib.cli.options import add_recipe, settings_of
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
        value = "no" if isinstance(default, bool) else "ce" if field.name == "loss" else "7"
        settings = getattr(parsed(f"--{stage}.{field.name}", value), stage)
        expected = {bool: False, str: "ce", tuple: (7,)}.get(type(default), 7)
        assert getattr(settings, field.name) == expected
        others = {f.name for f in dataclasses.fields(settings)} - {field.name}
        untouched = getattr(default_settings(), stage)
        assert all(getattr(settings, name) == getattr(untouched, name) for name in others)


def test_the_finetune_preset_goes_on_from_the_pretrained_weights_or_from_others():
    assert parsed("--preset", "finetune").init == "pretrained"
    assert parsed("--preset", "finetune", "--init", "a.safetensors").init == "a.safetensors"
    assert parsed("--preset", "finetune", "--init", "").init == ""


def test_help_shows_every_setting_with_its_default():
    command = [sys.executable, "-m", "liverlib", "run", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for words in (
        "--roi.learning_rate",
        "--coarse.patch_size",
        "--phantom.cases",
        "--synthesis.count",
    ):
        assert words in done.stdout
    assert "(default: 128)" in done.stdout
