"""The project's one address, from pyproject.toml into all that names it.

``python tests/support/address.py https://host/owner/project`` sets it: links, badges, the start
cells, the citation. An empty address takes them away again.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"https://[\w.-]+(/[\w.~-]+){2,}")
GITHUB = "https://github.com/"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
BADGE_LINK = re.compile(re.escape(BADGE) + r"\(\S+\)")
COLAB = "https://colab.research.google.com/github"
NARROW = "| notebook | what it shows |\n| --- | --- |\n"
WIDE = "| notebook | what it shows | in Colab |\n| --- | --- | --- |\n"
CLONE = re.compile(r"^(Clone this repository|Run `git clone \S+ liverlib`), then", re.MULTILINE)


def current() -> str:
    """The address that pyproject.toml holds; empty until one is set."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project.get("urls", {}).get("Repository", "")


def files() -> list[Path]:
    """All that names the address."""
    names = ("pyproject.toml", "README.md", "CITATION.cff", "liverlib/inference/export/hub.py")
    return [*(ROOT / name for name in names), *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def rewritten(name: str, text: str, address: str) -> str:
    """The text of one of `files` with another address, or with none."""
    if name.endswith(".ipynb"):
        return _notebook(text, name, address)
    if name.endswith(".py"):
        return re.sub(r'^HOME = ".*?"', f'HOME = "{address}"', text, flags=re.MULTILINE)
    parts = {"pyproject.toml": _pyproject, "README.md": _readme, "CITATION.cff": _citation}
    return parts[name](text, address)


def _pyproject(text: str, address: str) -> str:
    """``[project.urls]``, before the tools' tables."""
    text = re.sub(r"\[project\.urls\]\n(\w+ = .*\n)+\n", "", text)
    table = f'[project.urls]\nRepository = "{address}"\nIssues = "{address}/issues"\n\n'
    return text.replace("\n[tool.", f"\n{table}[tool.", 1) if address else text


def _citation(text: str, address: str) -> str:
    text = re.sub(r"repository-code: .*\n", "", text)
    return text + (f"repository-code: {address}\n" if address else "")


def _readme(text: str, address: str) -> str:
    """The command to clone, whole links (an index follows no others), and a column of badges."""
    clone = f"Run `git clone {address} liverlib`" if address else "Clone this repository"
    text = CLONE.sub(f"{clone}, then", text)
    text = BADGE_LINK.sub("", text).replace(" |  |\n", " |\n").replace(WIDE, NARROW)
    text = re.sub(r"\]\(https://[^()\s]+?/(blob|raw)/main/", "](", text)
    if address:
        whole = r"\1](" + address
        text = re.sub(r"(!\[[^]]*)\]\((?!https:)", rf"{whole}/raw/main/", text)
        text = re.sub(r"((?<!!)\[[^]]*)\]\((?!https:|#)", rf"{whole}/blob/main/", text)
    return _with_badges(text, address) if badge(address, "") else text


def _with_badges(text: str, address: str) -> str:
    rows = re.compile(r"^\| \[\d\d .*notebooks/(\w+\.ipynb)\).*\|$", re.MULTILINE)
    text = rows.sub(lambda row: f"{row[0]} {badge(address, row[1])} |", text)
    return text.replace(NARROW, WIDE)


def badge(address: str, notebook: str) -> str:
    """The badge that opens a notebook in Colab, which takes them from GitHub alone."""
    if not address.startswith(GITHUB):
        return ""
    return f"{BADGE}({COLAB}/{address.removeprefix(GITHUB)}/blob/main/notebooks/{notebook})"


def _notebook(text: str, name: str, address: str) -> str:
    """The badge at the end of the first cell, the address in the start cell."""
    notebook = json.loads(text)
    title, start = notebook["cells"][:2]
    words = BADGE_LINK.sub("", "".join(title["source"])).rstrip()
    title["source"] = "\n\n".join(filter(None, [words, badge(address, name)])).splitlines(True)
    code = re.sub(
        r'^ADDRESS = ".*?"', f'ADDRESS = "{address}"', "".join(start["source"]), flags=re.M
    )
    start["source"] = code.splitlines(True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main(words: list[str]) -> str:
    """Sets the address; what was done, or why not."""
    address = "".join(words).strip().removesuffix("/").removesuffix(".git")
    if address and not ADDRESS.fullmatch(address):
        return f"{address}: no address of a project. Give one such as https://host/owner/project."
    for path in files():
        text = rewritten(path.name, path.read_text("utf-8"), address)
        path.write_text(text, "utf-8", newline="\n")
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
