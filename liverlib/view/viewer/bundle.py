"""Joins the ES modules of the slice browser into the one inline script of its page.

A page that stands alone can load no modules, and its policy names one script by its hash. So each
module becomes a function that returns its exports, in the order in which they need each other.
A function scope each, instead of one for all: names stay private to their module, as they are
where a browser loads the modules themselves, so that a forgotten import fails in both. What is not
understood is refused. Modules may lie in folders, one deep; no two have the same name.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liverlib.core.errors import LiverlibError

_IMPORT = re.compile(r'import \{ (\w+(?:, \w+)*) \} from "((?:\./|\.\./)(?:[\w-]+/)?[\w-]+\.js)";')
_EXPORT = re.compile(r"export (?=(?:const|class|function|async function) (\w+)\b)")
_LOADS = re.compile(r"^(?:import|export)\b|\bimport\s*[(.]")  # what else could be one
_IN_HTML = re.compile(r"</script|<!--", re.IGNORECASE)  # would end the script, or hide its end


@dataclass(frozen=True)
class _Module:
    """One file: the names it imports, by path, those it exports, and the rest of its lines."""

    imports: dict[Path, list[str]]
    exports: list[str]
    lines: list[str]


def bundle_script(entry: Path) -> str:
    """The module `entry` and all that it imports, as one script. Equal files give equal text.

    Indentation and lines of comments are left out. Raises `LiverlibError` for forms other than
    `import { a, b } from "./file.js";` and `export` before a function, const or class; for imports
    in a circle; for a name that no module or that two modules export.
    """
    modules: dict[Path, _Module] = {}
    _collect(entry, (), modules)
    _check_names(modules)
    lines = [line for path in modules for line in _wrapped(path, modules[path])]
    return "\n".join(['"use strict";', "(() => {", *lines, "})();", ""])


def _collect(path: Path, importers: tuple[Path, ...], modules: dict[Path, _Module]) -> None:
    """Adds a module to `modules`, after those that it imports."""
    if path in importers:
        circle = " → ".join(p.name for p in (*importers[importers.index(path) :], path))
        raise LiverlibError(f"{path.name}: imports itself: {circle}. Move what both need to one.")
    if path in modules:
        return
    module = _read(path)
    for imported in module.imports:
        _collect(imported, (*importers, path), modules)
    modules[path] = module


def _read(path: Path) -> _Module:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LiverlibError(
            f"{path}: cannot be read ({error.strerror}). Install liverlib again."
        ) from error
    module = _Module({}, [], [])
    for number, line in enumerate(text.splitlines(), 1):
        _add(line.strip(), module, path, f"{path.name}, line {number}")
    return module


def _add(line: str, module: _Module, path: Path, where: str) -> None:
    """Sorts a line without its indentation into the module's imports, exports and lines."""
    if not line or line.startswith("//"):
        return
    if _IN_HTML.search(line):
        raise LiverlibError(f"{where}: would end the page's script. Join the text from parts.")
    if line.count("`") % 2:
        raise LiverlibError(f"{where}: begins or ends a template of several lines. Use one line.")
    if (match := _IMPORT.fullmatch(line)) and not module.lines:
        imported = Path(os.path.normpath(path.parent / match[2]))
        if imported in module.imports:
            raise LiverlibError(
                f"{where}: imports {imported.name} again. Import all from it at once."
            )
        module.imports[imported] = match[1].split(", ")
        return
    if match := _EXPORT.match(line):
        module.exports.append(match[1])
        line = line[match.end() :]
    if _LOADS.search(line):
        raise LiverlibError(
            f'{where}: "{line}" is not understood. Write `import {{ a, b }} from '
            '"./file.js";` in one line before all else, and `export` before a function, a const '
            "or a class (an exported let would not follow its changes)."
        )
    module.lines.append(line)


def _check_names(modules: dict[Path, _Module]) -> None:
    """Raises `LiverlibError` for a name exported twice, or imported but not exported."""
    owners: dict[str, Path] = {}
    files = [path.name for path in modules]
    if len(set(files)) < len(files):
        twice = next(name for name in files if files.count(name) > 1)
        raise LiverlibError(f"{twice}: two modules have this name. Rename one.")
    for path, module in modules.items():
        for name in module.exports:
            if name in owners:
                other = owners[name].name
                raise LiverlibError(f"{path.name}: exports {name}, as {other} does. Rename one.")
            owners[name] = path
        for imported, names in module.imports.items():
            for name in names:
                if owners.get(name) != imported:
                    raise LiverlibError(
                        f"{path.name}: imports {name} from {imported.name}, which does not export "
                        "it."
                    )


def _wrapped(path: Path, module: _Module) -> Iterator[str]:
    """A module as a function that is called at once: its imports, its code, its exports."""
    yield f"const {_identifier(path.name)} = (() => {{"
    for imported, names in module.imports.items():
        yield f"const {{ {', '.join(names)} }} = {_identifier(imported.name)};"
    yield from module.lines
    if module.exports:
        yield f"return {{ {', '.join(module.exports)} }};"
    yield "})();"


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
