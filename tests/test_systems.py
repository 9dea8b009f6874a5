"""Linux, macOS and Windows: nothing that one of them lacks, new processes spawned.

Windows itself is not here. What it lacks is taken away: its missing modules, and `fork`.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "liverlib").rglob("*.py"))
POSIX = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline")
WITHOUT = f"""
import multiprocessing, os, sys
sys.modules.update(dict.fromkeys({POSIX!r}))
for name in ("fork", "forkpty", "getuid", "geteuid", "mkfifo"):
    os.__dict__.pop(name, None)
multiprocessing.set_start_method("spawn", force=True)
"""
EVERY_MODULE = """
import importlib, pkgutil, liverlib
names = [m.name for m in pkgutil.walk_packages(liverlib.__path__, "liverlib.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture
def bare(tmp_path) -> dict[str, str]:
    """The environment of processes, and of those that they start, without what is POSIX's."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(WITHOUT, "utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "bare"), str(ROOT)])}


def python(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported_without_posix(bare):
    assert int(python(["-c", EVERY_MODULE], bare)) > 80
    assert python(["-c", "import sys; print(sys.modules['fcntl'])"], bare) == "None\n"


def test_several_processes_prepare_and_score_without_posix(bare, own_home, tmp_path):
    size = ["--phantom.cases", "4", "--phantom.size", "32", "--phantom.unlabelled", "0"]
    python(["-m", "liverlib", "phantoms", *size], bare)
    prepared = ["prepare", "--workers", "2", "--cube.size", "32", *size]
    assert "4 cubes of the body" in python(["-m", "liverlib", *prepared], bare)
    (labels,) = own_home.glob("data/phantoms/*/Task03_Liver/labelsTr")
    scored = ["evaluate", "--reference", str(labels), "--predicted", str(labels), "--workers", "2"]
    python(["-m", "liverlib", *scored, "-o", str(tmp_path / "scores")], bare)
    assert len((tmp_path / "scores" / "cases.csv").read_text("utf-8").splitlines()) == 5


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text("utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_text_without_encoding(call: ast.Call) -> bool:
    """Whether a call opens a text file in the encoding of the machine, UTF-8 on some alone."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = any(keyword.arg in ("encoding", None) for keyword in call.keywords)
    if name in ("read_text", "write_text"):
        return not named and len(call.args) < (1 if name == "read_text" else 2)
    if isinstance(call.func, ast.Name) and name == "open":
        modes = [
            argument.value for argument in call.args[1:2] if isinstance(argument, ast.Constant)
        ]
        return not named and not any("b" in mode for mode in modes)
    return False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_are_utf_8_on_every_system(path):
    assert not [call.lineno for call in calls(path) if is_text_without_encoding(call)]


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("open('a')", True),
        ("open('a', 'rb')", False),
        ("open('a', 'w', encoding='utf-8')", False),
        ("p.read_text()", True),
        ("p.write_text('x')", True),
        ("p.write_text('x', 'utf-8')", False),
    ],
)
def test_a_text_file_without_an_encoding_is_found(code, wrong):
    assert is_text_without_encoding(ast.parse(code).body[0].value) == wrong
