"""The first cell of each notebook: where it finds liverlib, and what it says where it does not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_explore.ipynb"
CELL = "".join(json.loads(NOTEBOOK.read_text("utf-8"))["cells"][1]["source"])
CODE = CELL.replace("%matplotlib inline", "import liverlib; print(liverlib.__file__)")
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="no git")


def package(folder: Path) -> Path:
    """A folder that holds a package named liverlib."""
    (folder / "liverlib").mkdir(parents=True)
    (folder / "liverlib" / "__init__.py").touch()
    return folder


def repository(folder: Path) -> str:
    """The address of a git repository of what the folder holds."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    return folder.as_uri()


def start(folder: Path, address: str = "", path: str = "") -> subprocess.CompletedProcess:
    """Runs the cell in a folder; -S hides the packages that are installed."""
    environment = {**os.environ, "LIVERLIB_PROJECT": address, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-S", "-c", CODE],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def found(done: subprocess.CompletedProcess) -> Path:
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1]).parents[1].resolve()


@pytest.fixture
def other(tmp_path) -> str:
    """A repository that holds something else."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").touch()
    return repository(tmp_path / "other")


@pytest.fixture
def own(tmp_path) -> str:
    """A repository that holds liverlib."""
    return repository(package(tmp_path / "own"))


@pytest.fixture
def here(tmp_path) -> Path:
    """The folder of the notebook, alone."""
    (tmp_path / "alone" / "here").mkdir(parents=True)
    return tmp_path / "alone" / "here"


def test_beside_the_notebook_it_is_taken_first(here, tmp_path):
    package(here.parent)
    assert found(start(here, "file:///nowhere", str(package(tmp_path / "site")))) == here.parent


def test_an_installed_one_is_taken_and_nothing_cloned(here, tmp_path):
    site = package(tmp_path / "site")
    assert found(start(here, "file:///nowhere", str(site))) == site
    assert not list(here.iterdir())


@needs_git
def test_else_it_is_cloned_once_and_then_needs_no_network(here, own, tmp_path):
    assert found(start(here, own)) == here / "liverlib-project"
    shutil.rmtree(tmp_path / "own")
    assert found(start(here, own)) == here / "liverlib-project"


@needs_git
def test_a_clone_of_something_else_is_replaced(here, own, other):
    assert start(here, other).returncode == 1
    assert (here / "liverlib-project" / "README.md").is_file()
    assert found(start(here, own)) == here / "liverlib-project"
    assert not (here / "liverlib-project" / "README.md").exists()


@needs_git
def test_a_folder_of_the_users_is_not_replaced(here, own):
    (here / "liverlib-project").mkdir()
    (here / "liverlib-project" / "mine.txt").touch()
    assert start(here, own).returncode == 1
    assert (here / "liverlib-project" / "mine.txt").is_file()


@needs_git
def test_an_empty_folder_named_liverlib_is_no_package(here, own):
    (here / "liverlib").mkdir()
    assert found(start(here, own)) == here / "liverlib-project"


@pytest.mark.parametrize("address", ["", "file:///nowhere", "ftp://127.0.0.1:9/a/b"])
def test_a_wrong_address_ends_in_one_sentence_that_says_what_to_do(here, address):
    done = start(here, address)
    assert done.returncode == 1 and not done.stdout
    assert "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("liverlib is neither beside this notebook nor installed")
    assert address in sentence and "%env LIVERLIB_PROJECT=" in sentence


def test_without_git_it_says_the_same(here, own, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "clone the project" in start(here, own).stderr
