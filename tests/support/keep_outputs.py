"""Runs notebooks and keeps the outputs that show without a kernel: `make notebooks`.

These are printed text and PNG: no widgets, no HTML pages, no progress bars.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from liverlib.pipeline.paths import home
from liverlib.view.slices import COLOURS

KEPT = ("text/plain", "image/png")
FOLDED = ("tags", "jupyter", "collapsed", "cellView")  # metadata of solutions


def smaller(png: str) -> str:
    """A picture in 256 colours, the project's own exactly among them: a third of the size."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    own = [value for colour in COLOURS.values() for value in colour]
    count = 256 - len(COLOURS)
    others = picture.quantize(count).getpalette()[: 3 * count]
    palette, stream = Image.new("P", (1, 1)), io.BytesIO()
    palette.putpalette(others + own)
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return min(png, base64.b64encode(stream.getvalue()).decode(), key=len)


def kept(output: dict) -> dict | None:
    """The output without what is not kept; None where nothing is left."""
    if output["output_type"] == "stream":
        output["text"] = output["text"].replace(f"{home()}/", "")  # of this machine
        return output if output["name"] == "stdout" else None
    output["data"] = {kind: output["data"][kind] for kind in KEPT if kind in output["data"]}
    if "image/png" in output["data"]:
        output["data"]["image/png"] = smaller(output["data"]["image/png"])
    output["metadata"] = {}
    widget = "image/png" not in output["data"] and output["output_type"] == "display_data"
    return None if widget or not output["data"] else output


def run(path: Path) -> None:
    """Executes a notebook in its own folder, and writes it back."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": path.parent}}).execute()
    for n, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{path.stem[:2]}-{n:02}"
        cell["metadata"] = {key: cell["metadata"][key] for key in FOLDED if key in cell["metadata"]}
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in map(kept, cell["outputs"]) if output]
    notebook["metadata"] = {
        "kernelspec": dict(notebook["metadata"]["kernelspec"]),
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name).resolve())
