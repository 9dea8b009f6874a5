"""Weights in Hugging Face's layout: a model card with its YAML header, and what can be run."""

import re
from pathlib import Path

from liverlib.core.files import atomic
from liverlib.core.text import NOT_MEDICAL
from liverlib.models.weights import PRETRAINED, load_networks

from ..segmenter import files_of
from .onnx_folder import copy_files, write_onnx_folder

HOME = ""  # of the project; written by: make address URL=https://…
_HEADER = """\
---
license: mit
library_name: liverlib
pipeline_tag: image-segmentation
tags:
- medical
- ct
- liver
- segmentation
- 3d
- onnx
- safetensors
---

"""
_USE = """\
## Use

Without liverlib, with numpy, nibabel and onnxruntime:

```bash
python segment.py scan.nii.gz mask.nii.gz
```

It writes a mask of every scan: only liverlib says whether one may be believed.

With {liverlib}:

```bash
liverlib segment scan.nii.gz -o mask.nii.gz --weights model.safetensors
```

"""


def write_hub_folder(folder: str | Path, weights: str | Path) -> list[Path]:
    """Writes what `write_onnx_folder` does, README.md, weights and what belongs to these; their
    paths."""
    folder, name = Path(folder), Path(weights).stem
    card = folder / "README.md"
    paths = write_onnx_folder(folder, weights)
    copies = {folder / f"model{file.name.removeprefix(name)}": file for file in files_of(weights)}
    copy_files(copies)
    with atomic(card) as temporary:
        temporary.write_text(
            _HEADER + model_card(weights, _USE.format(liverlib=_link("liverlib", HOME))), "utf-8"
        )
    return [card, *copies, *paths]


def model_card(weights: str | Path, use: str = "") -> str:
    """The card of the pretrained weights, or a short one of others; `use` stands in it too."""
    if Path(weights).resolve() == PRETRAINED.resolve():
        text = PRETRAINED.with_name("README.md").read_text("utf-8")
        text = re.sub(
            r"\[([^]]*)\]\(\.\./\.\./([^)]*)\)",
            lambda link: _link(link[1], f"{HOME}/blob/main/{link[2]}"),
            text,
        )
        title, _, rest = text.partition("\n## ")
        return f"{title}\n{use}## {rest}"
    trained = "".join(
        f"| {about['cube']['crop']} | {about.get('data') or 'not recorded'} |\n"
        for _, about in load_networks(weights)
    )
    return (
        f"# Model card: liver and liver tumours in CT\n\n**{NOT_MEDICAL}**\n\n{use}## Data\n\n"
        f"| network for the | trained on |\n| --- | --- |\n{trained}\n## Evaluation\n\n"
        "Not recorded here. Measure it with `liverlib evaluate` before you hand it on.\n"
    )


def _link(words: str, address: str) -> str:
    """A link, or only its words while the project has no address."""
    return f"[{words}]({address})" if HOME else words
