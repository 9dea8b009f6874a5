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
    for name in liverlib.__all__:
        packages.setdefault(home(name), []).append(name)
    for package, names in packages.items():
        (folder / f"{package}.rst").write_text(package_page(package, names), "utf-8")
    rows = [f"   {package}" for package in packages]
    text = [
        *heading("API reference", "="),
        "What ``import liverlib as ll`` offers. Each name is loaded when it is first used.\n",
        *[f"* :doc:`{p}`: {', '.join(f'`{n}`' for n in names)}" for p, names in packages.items()],
        "\n.. toctree::\n   :hidden:\n",
        *rows,
    ]
    (folder / "index.rst").write_text("\n".join(text) + "\n", "utf-8")


def home(name: str) -> str:
    """The package that a public name comes from."""
    if name == "__version__":
        return "core"
    return (liverlib._HOMES.get(name) or liverlib._MODULES[name]).split(".")[0]


def package_page(package: str, names: list[str]) -> str:
    """The page of a package: its sentence, then its public names."""
    sentence = (import_module(f"liverlib.{package}").__doc__ or "").strip()
    lines = [*heading(package, "="), f"{sentence}\n", ".. py:currentmodule:: liverlib\n"]
    modules = [name for name in names if isinstance(getattr(liverlib, name), ModuleType)]
    for name in (name for name in names if name not in modules):
        lines += [*entry(name), ""]
    for name in modules:
        path = getattr(liverlib, name).__name__
        lines += [*heading(name, "-"), f".. automodule:: {path}\n   :members:\n"]
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
