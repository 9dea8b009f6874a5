"""Builds the site: `python docs/site/build.py results/site`, or `make site`.

The sources are gathered in a folder that is laid out as the repository, so that links between
pages stay what they are. With LIVERLIB_FAST=1 the gallery has two small phantoms.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from conf import ADDRESS
from gallery import write_cases
from reference import write_reference
from sphinx.cmd.build import build_main

from liverlib.core.errors import LiverlibError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = (
    "docs/*.md", "benchmarks/README.md", "benchmarks/results/*.md", "data/README.md",
    "results/README.md", "liverlib/weights/README.md", "notebooks/*.ipynb",
)  # fmt: skip
FILES = (
    "LICENSE", "docs/*.png", "docs/*.svg", "benchmarks/results/*.png", "benchmarks/results/*.csv",
)  # fmt: skip
CAUTION = "**Not a medical device: for teaching and research.**\n"
LOOK = "Nothing to install: [scroll through cases](gallery.md) or [correct a mask](try.md) here.\n"
BADGE = re.compile(r"\[!\[([^]]*)\]\([^)]*\)\]")  # a picture from elsewhere, in a link
LIVE = (
    "Where the notebook runs, this picture scrolls, as those of [the gallery](../gallery.html) do."
)
CONTENTS = """
```{toctree}
:hidden:
:caption: In the browser

Gallery <gallery>
Try it <try>
```
```{toctree}
:hidden:
:glob:
:caption: Notebooks

notebooks/*
```
```{toctree}
:hidden:
:caption: Guides

docs/data
docs/training
docs/evaluation
docs/viewer
docs/cli
docs/handing-over
docs/synthesis
docs/architecture
```
```{toctree}
:hidden:
:caption: Reference

api/index
Model card <liverlib/weights/README>
docs/weights-history
benchmarks/README
data/README
results/README
docs/changelog
```
"""
RESULTS = """
```{toctree}
:hidden:
:glob:

results/*
```
"""


def gather(sources: Path, address: str) -> None:
    """Copies what the site shows into `sources`, with links as pages need them."""
    for pattern in (*PAGES, *FILES):
        for path in sorted(ROOT.glob(pattern)):
            target = sources / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                target.write_text(page(path.read_text("utf-8"), address), "utf-8")
            elif path.suffix == ".ipynb":
                target.write_text(notebook(path.read_text("utf-8")), "utf-8")
            else:
                shutil.copy(path, target)
    text = page((ROOT / "README.md").read_text("utf-8"), address)
    text = text.replace(CAUTION, f"{CAUTION}\n{LOOK}", 1)
    (sources / "index.md").write_text(text + CONTENTS, "utf-8")
    with (sources / "benchmarks" / "README.md").open("a", encoding="utf-8") as figures:
        figures.write(RESULTS)


def page(text: str, address: str) -> str:
    """A page of Markdown: links within the project lead to the site's pages."""
    if address:
        text = re.sub(rf"\]\({re.escape(address)}/(blob|raw)/main/", "](", text)
    text = BADGE.sub(r"[\1]", text)
    return re.sub(r"\]\(((?:\.\./)+)README\.md", r"](\1index.md", text)


def notebook(text: str) -> str:
    """A notebook: the start cell folded, a word below the picture of a slice browser."""
    content = json.loads(text)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    for cell in content["cells"]:
        cell["source"] = BADGE.sub(r"[\1]", "".join(cell["source"]))
    for cell in code:
        texts = [output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
        if any("<SliceBrowser" in "".join(text) for text in texts):
            note = {"output_type": "display_data", "data": {"text/markdown": LIVE}, "metadata": {}}
            cell["outputs"].append(note)
    code[0]["metadata"]["tags"] = ["hide-input"]
    return json.dumps(content)


def build(out: Path, fast: bool = False) -> int:
    """Writes the site into `out`, in the place of an older one; the exit code of Sphinx.

    Raises `LiverlibError` where `out` holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / "objects.inv").is_file():
        raise LiverlibError(f"{out}: holds something else than a site. Name another folder.")
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder)
        gather(sources, ADDRESS)
        write_reference(sources / "api")
        write_cases(sources, out / "viewer", fast)
        flags = ["-b", "html", "-c", str(HERE), "-d", str(sources / ".doctrees"), "-W", "-q"]
        code = build_main([*flags, "--keep-going", str(sources), str(out)])
    (out / ".nojekyll").touch()  # folders that begin with _ are published, too
    return code


if __name__ == "__main__":
    try:
        sys.exit(build(Path(sys.argv[1]).resolve(), bool(os.environ.get("LIVERLIB_FAST"))))
    except LiverlibError as error:
        sys.exit(str(error))
