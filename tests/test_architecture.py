"""What holds the house together: the order of imports, sizes, and one word a notion."""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

import liverlib

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "liverlib"
MODULES = sorted(LIBRARY.rglob("*.py"))
ORDER = (
    "core", "io", "models", "data", "evaluation", "preprocessing", "view", "synthesis",
    "inference", "training", "pipeline", "cli",
)  # fmt: skip


def package(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> set[str]:
    """The packages that a module imports from, at the top or within functions."""
    here = ("liverlib", *path.relative_to(LIBRARY).parts)
    names = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            above = ".".join(here[: -node.level]) if node.level else ""
            module = ".".join(filter(None, (above, node.module)))
            names += [f"{module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("liverlib.")} & set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_package_imports_only_from_packages_before_it(name):
    before = set(ORDER[: ORDER.index(name) + 1])
    for path in (LIBRARY / name).rglob("*.py"):
        assert imported(path) <= before, path


def test_these_are_all_packages():
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == set(ORDER)


def module_graph() -> dict[str, set[str]]:
    """Each module's imports at its top, by dotted name; what is for type checkers is left out."""
    graph = {}
    for path in MODULES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts)
        graph[name] = set()
        for node in parsed(path).body:
            if isinstance(node, ast.ImportFrom):
                base = list(parts[: -node.level]) if node.level else []
                target = ".".join([*base, *(node.module or "").split(".")]).strip(".")
                graph[name] |= {target, *(f"{target}.{alias.name}" for alias in node.names)}
    return {name: found & graph.keys() for name, found in graph.items()}


def test_no_module_imports_itself_round_a_circle():
    graph = module_graph()

    def reached(name: str, seen: set[str]) -> set[str]:
        for other in graph[name] - seen:
            reached(other, seen | {name}) if other not in seen else None
            seen |= {other} | reached(other, seen | {other})
        return seen

    for name in graph:
        assert name not in reached(name, set()), name


def test_folders_and_files_are_small():
    by_folder = defaultdict(list)
    for path in MODULES:
        if path.name != "__init__.py":
            by_folder[path.parent].append(path.name)
        assert len(path.read_text().splitlines()) <= 260, path
    assert max(map(len, by_folder.values())) <= 9, by_folder


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)]


def test_functions_are_short_typed_and_documented():
    lengths = []
    for path in MODULES:
        for function in functions(path):
            length = function.end_lineno - function.lineno + 1
            assert length <= 60, f"{path}:{function.lineno} {function.name}: {length} lines"
            lengths.append(length)
        for node in parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = [*node.args.args, *node.args.kwonlyargs]
                assert all(argument.annotation for argument in arguments), f"{path}: {node.name}"
    assert sorted(lengths)[len(lengths) // 2] <= 12


def bound(path: Path) -> set[str]:
    """The public names that a module defines at its top level."""
    names = set()
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def test_no_public_name_is_bound_in_two_modules():
    """But for the commands, which are called as what they do."""
    homes = defaultdict(list)
    for path in MODULES:
        if package(path) != "cli" and path.parent != LIBRARY:
            for name in bound(path):
                homes[name].append(str(path.relative_to(LIBRARY)))
    assert not {name: paths for name, paths in homes.items() if len(paths) > 1}


# One word a notion: docs/architecture.md names the right ones.
IDENTIFIERS = set(
    """one said there way place places ours theirs look looks looked seen drawn occupancy shares
    anatomy anatomies viscera hepatic pose truth sure apart dropped fold unfold at_once
    compiled SHIPPED shipped""".split()
)
PHRASES = re.compile(
    r"(first|second|both|either) looks?\b|\blook-alikes?|\bstuffing|made-up|\boccupanc|"
    r"\bdrawn\b|\banatom(y|ies)\b|\bshipped\b|--sure\b|--start\b|--look\b|--(body|liver)\.\w|"
    r"\bviscera\b|\bunfold\b",
    re.IGNORECASE,
)
ALLOWED = {"fold": re.compile("splits|presets|run.py")}  # cross-validation's
TEXTS = sorted(
    path
    for pattern in (
        "liverlib/**/*.py", "liverlib/**/*.md", "liverlib/view/viewer/web/**/*", "tests/**/*.py",
        "benchmarks/**/*.py", "*.md", "data/*.md", "results/*.md", "docs/**/*.md", "docs/site/*.py",
        "benchmarks/*.md",
        "Makefile", "notebooks/*.ipynb",
    )
    for path in ROOT.glob(pattern)
    if path.is_file() and path.name not in ("weights-history.md", Path(__file__).name)
)  # fmt: skip


def sources(path: Path) -> str:
    """A file's text; of a notebook the cells' sources."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_speaks_the_old_words(path):
    text = sources(path)
    assert not [match[0] for match in PHRASES.finditer(text)]


@pytest.mark.parametrize(
    "path",
    [path for path in TEXTS if path.suffix == ".py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_code_uses_the_old_names(path):
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    allowed = {name for name, files in ALLOWED.items() if files.search(path.name)}
    assert not names & IDENTIFIERS - allowed


def test_the_public_face_is_lazy_and_cheap():
    code = (
        "import sys, liverlib as ll;"
        "print([n for n in ('torch', 'matplotlib', 'numpy', 'nibabel') if n in sys.modules]);"
        "ll.read_scan, ll.Run, ll.CubeSettings, ll.PRESETS;"
        "print([n for n in ('torch', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_every_public_name_can_be_had_and_is_known_to_type_checkers():
    for name in liverlib.__all__:
        assert getattr(liverlib, name) is not None
    (block,) = (node for node in parsed(LIBRARY / "__init__.py").body if isinstance(node, ast.If))
    checked = {alias.name for node in block.body for alias in node.names}
    assert checked == set(liverlib.__all__) - {"__version__"}
    assert set(dir(liverlib)) == set(liverlib.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = liverlib.nothing


def test_packages_name_their_modules_and_do_nothing_else():
    for path in LIBRARY.rglob("*/__init__.py"):
        document, names = parsed(path).body
        assert isinstance(document.value.value, str)
        listed = ast.literal_eval(names.value)
        modules = {p.stem for p in path.parent.glob("*.py")} - {"__init__"}
        folders = {p.parent.name for p in path.parent.glob("*/__init__.py")}
        assert set(listed) == modules | folders, path
