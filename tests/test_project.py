"""What a clone is held to: dependencies, notebooks, the tests that say what they skip."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from liverlib import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def names(requirements):
    return {re.match(r"[\w-]+", line)[0].lower() for line in requirements}


def test_the_lock_pins_everything_that_is_asked_for():
    lock = dict(
        line.lower().split("==")
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    extras = PROJECT["project"]["optional-dependencies"]
    asked = names(PROJECT["project"]["dependencies"]).union(*map(names, extras.values()))
    assert asked <= set(lock)
    assert lock["torch"] == "2.13.0"
    assert not [name for name in lock if name.startswith("nvidia")]


def test_the_torch_release_with_slow_convolutions_is_excluded():
    (torch,) = (d for d in PROJECT["project"]["dependencies"] if d.startswith("torch"))
    assert "!=2.9.*" in torch


def test_conda_and_make_point_to_the_one_list_of_dependencies():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    assert environment["dependencies"][0] == "python=3.12"
    (pip,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert len(pip) == 1
    extras = re.fullmatch(r"-e \.\[(.+)\]", pip[0])[1].split(",")
    assert set(extras) == set(PROJECT["project"]["optional-dependencies"])
    makefile = (ROOT / "Makefile").read_text()
    assert '-c requirements.lock -e ".[notebooks]"' in makefile


def test_one_number_is_the_version():
    assert PROJECT["project"]["dynamic"] == ["version"]
    changes = (ROOT / "docs" / "changelog.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", changes, re.MULTILINE)[0] == __version__
    assert "version:" not in re.sub("cff-version:", "", (ROOT / "CITATION.cff").read_text("utf-8"))


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_what_web_services_read_is_as_their_schemas_say(schema, pattern):
    files = sorted(map(str, ROOT.glob(pattern)))
    tool = [sys.executable, "-m", "check_jsonschema", "--default-filetype", "yaml"]
    done = subprocess.run(
        [*tool, "--builtin-schema", schema, *files], capture_output=True, text=True
    )
    assert files and done.returncode == 0, done.stdout


def test_the_wheel_holds_the_whole_package():
    """hatchling takes what git does not ignore; weights, the page and py.typed are no Python."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["liverlib"] and not {"include", "exclude"} & set(wheel)
    files = [str(path) for path in (ROOT / "liverlib").rglob("*") if path.is_file()]
    files = [file for file in files if "__pycache__" not in file]
    ignored = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True)
    assert not ignored.stdout and len(files) > 150


def test_containers_name_what_is_there():
    folder = ROOT / ".devcontainer"
    listed = re.findall(r"^!(.+)$", (folder / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in listed)
    forced = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {"liverlib", "pyproject.toml", "README.md", "LICENSE", *forced} <= set(listed)
    target = json.loads((folder / "devcontainer.json").read_text())["postCreateCommand"]
    assert re.search(rf"^{target.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.M)
    binder = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()
    assert (ROOT / ".binder" / binder[1].removeprefix("-c ")).is_file()


def test_ci_runs_the_readmes_test_command():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", ["chromium", "jupyterlab"])
def test_without_a_chromium_the_browsers_tests_say_what_is_not_tested(name, tmp_path):
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        code,
        "-p",
        "no:cacheprovider",
        f"tests/view/viewer/test_page_{name}.py",
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"PATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert re.search(
        r"SKIPPED .*THE SLICE BROWSER IS NOT TESTED.*apt install chromium", done.stdout
    )


def cells(path, kind):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def is_solution(cell):
    return "solution" in cell["metadata"].get("tags", [])


def test_there_are_nine_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(1, 10)]


def test_the_picture_of_the_series_names_every_notebook_and_the_minutes_that_it_takes():
    picture = re.sub(r"\s+", " ", (ROOT / "docs" / "notebooks.svg").read_text("utf-8"))
    assert "docs/notebooks.svg" in (ROOT / "README.md").read_text("utf-8")
    for path in NOTEBOOKS:
        takes = re.search(
            r"\*Takes\* (?:about|under) (\w+) minute", source(cells(path, "markdown")[0])
        )
        minutes = {"a": 1, "two": 2}.get(takes[1], takes[1])
        assert re.search(
            rf">{path.stem.replace('_', ' ')}</text> <text [^>]*>{minutes} min<", picture
        )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_begins_with_title_and_the_common_start_cell(self, path):
        assert source(cells(path, "markdown")[0]).startswith("# ")
        assert source(cells(path, "code")[0]) == source(cells(NOTEBOOKS[0], "code")[0])

    def test_keeps_outputs_of_a_real_run_and_nothing_else(self, path):
        notebook = json.loads(path.read_text())
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert "widgets" not in notebook["metadata"]
        assert path.stat().st_size < 1_000_000
        code = cells(path, "code")
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell["outputs"]]
        assert any("image/png" in output.get("data", {}) for output in outputs)
        assert not [output for output in outputs if output["output_type"] == "error"]
        allowed = {"text/plain", "text/html", "text/markdown", "image/png"}
        kinds = {kind for output in outputs for kind in output.get("data", {})}
        assert kinds <= allowed

    def test_cells_are_short(self, path):
        lengths = sorted(
            sum(bool(line.strip()) for line in source(cell).splitlines())
            for cell in cells(path, "code")[1:]
            if not is_solution(cell)
        )
        assert 10 <= len(lengths) + 1 <= 30
        assert lengths[len(lengths) // 2] <= 6
        assert lengths[-1] <= 25

    def test_ends_in_exercises_whose_solutions_are_folded_away_and_run(self, path):
        """Folded in JupyterLab and in Colab; the sentences stand in the cell before the code."""
        every = json.loads(path.read_text())["cells"]
        (start,) = (n for n, cell in enumerate(every) if source(cell).startswith("## Exercises"))
        tasks = re.findall(r"^(\d)\. ", source(every[start]), re.MULTILINE)
        assert tasks == [str(n) for n in range(1, len(tasks) + 1)] and len(tasks) >= 2
        solutions = [n for n, cell in enumerate(every) if is_solution(cell)]
        assert solutions == list(range(start + 2, start + 2 + 2 * len(tasks), 2))
        for number, n in zip(tasks, solutions, strict=True):
            assert source(every[n - 1]).startswith(f"### Solution {number}\n")
            assert len(source(every[n - 1]).split()) > 10
            code, folded = source(every[n]), every[n]["metadata"]
            assert code.startswith(f"# @title Solution {number}\n")
            assert sum(bool(line.strip()) for line in code.splitlines()) <= 25
            assert folded["jupyter"] == {"source_hidden": True} and folded["collapsed"]
            assert folded["cellView"] == "form"
        assert not any("nbval-skip" in cell["metadata"].get("tags", []) for cell in every)

    def test_says_nothing_about_the_machine_it_was_run_on(self, path):
        assert not re.search(r"/(work|home|root|tmp)/", path.read_text())

    def test_01_does_not_need_torch(self, path):
        if path.stem.startswith("01"):
            assert "torch" not in "".join(map(source, cells(path, "code")))
