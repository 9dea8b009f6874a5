"""The reference of liverlib's public names, from their docstrings: a page a package."""

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import liverlib

CONSTANTS = {
    "NOT_MEDICAL": "The sentence that stands in every report.",
    "PRESETS": "The settings of a whole run by name, as in ``liverlib run --preset``.",
    "PRETRAINED": "The file of the pretrained weights.",
    "__version__": "The version of liverlib, which weights and masks carry.",
}


def write_reference(folder: Path) -> None:
    """Writes a page of reStructuredText for each package, and a list of them."""
    folder.mkdir(parents=True)
    packages: dict[str, list[str]] = {}
    for name in sorted(liverlib.__all__, key=home):
        packages.setdefault(home(name), []).append(name)
    lines = [
        *heading("API reference", "="),
        "What ``import liverlib as ll`` offers. Each name is loaded when it is first used.\n",
    ]
    for package, names in packages.items():
        (folder / f"{package}.rst").write_text(package_page(package, names), "utf-8")
        links = ", ".join(f":py:obj:`{name} <{path(name)}>`" for name in names)
        lines.append(f"* :doc:`{package}`: {links}")
    lines += ["\n.. toctree::\n   :hidden:\n", *(f"   {package}" for package in packages)]
    (folder / "index.rst").write_text("\n".join(lines) + "\n", "utf-8")


def path(name: str) -> str:
    """Where a public name is documented: a module as itself, all else as liverlib's."""
    thing = getattr(liverlib, name)
    return thing.__name__ if isinstance(thing, ModuleType) else f"liverlib.{name}"


def home(name: str) -> str:
    """The package that a public name comes from."""
    if name == "__version__":
        return "core"
    return (liverlib._HOMES.get(name) or liverlib._MODULES[name]).split(".")[0]


def package_page(package: str, names: list[str]) -> str:
    """The page of a package: its sentence, then its public names."""
    sentence = (import_module(f"liverlib.{package}").__doc__ or "").strip()
    lines = [*heading(package, "="), ".. py:currentmodule:: liverlib\n", f"{sentence}\n"]
    modules = [name for name in names if path(name) != f"liverlib.{name}"]
    for name in (name for name in names if name not in modules):
        lines += [*entry(name), ""]
    for name in modules:
        lines += [*heading(name, "-"), f".. automodule:: {path(name)}\n   :members:\n"]
    return "\n".join(lines) + "\n"


def entry(name: str) -> list[str]:
    """The directive of a name. Raises `KeyError` for a constant without a sentence above."""
    thing = getattr(liverlib, name)
    if inspect.isclass(thing):
        return [f".. autoclass:: {name}", "   :members:"]
    if callable(thing):
        return [f".. autofunction:: {name}"]
    return [f".. py:data:: {name}", "", f"   {CONSTANTS[name]}"]


def heading(text: str, line: str) -> list[str]:
    """A title and the line below it."""
    return [text, line * len(text), ""]
