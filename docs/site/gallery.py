"""Cases for the site: phantoms, segmented by the pretrained weights, each as a slice browser."""

import html
from dataclasses import dataclass
from pathlib import Path

import liverlib as ll
from liverlib.synthesis.phantom.phantom import PhantomSettings

HERE = Path(__file__).parent
CASES = 10  # phantoms that are segmented; the gallery shows some of them


@dataclass(frozen=True)
class Example:
    """A phantom, what the pretrained weights make of it, and its scores."""

    scan: ll.Volume
    label: ll.Volume
    prediction: ll.Prediction
    result: ll.CaseResult


def make_examples(fast: bool = False) -> list[Example]:
    """The first phantoms, segmented; in `fast` two of a quarter of the voxels."""
    settings = PhantomSettings(size=128 if fast else 256)
    segmenter = ll.Segmenter.load()
    examples = []
    for index in range(2 if fast else CASES):
        scan, label = ll.make_phantom(index, settings)
        prediction = segmenter.predict(scan)
        result = ll.score_volumes(scan.name, label, prediction.mask)
        examples.append(Example(scan, label, prediction, result))
    return examples


def write_cases(sources: Path, pages: Path, fast: bool = False) -> None:
    """Writes gallery and try-it page into `sources`, and the slice browsers into `pages`."""
    pages.mkdir(parents=True)
    shown = make_examples(fast)
    parts = [(HERE / "gallery.md").read_text("utf-8")]
    for e in shown:
        name, title = e.scan.name, e.scan.name.replace("_", " ")
        ll.show(e.scan, e.label, e.prediction.mask, size=128, title=title).save(
            pages / f"{name}.html"
        )
        parts.append(f"## {title}\n\n{sentence(e)}\n\n{frame(name, title)}")
    (sources / "gallery.md").write_text("\n".join(parts), "utf-8")
    e = shown[0]
    ll.edit(e.scan, e.prediction.mask, e.label, title="Correct the prediction", size=128).save(
        pages / "try.html"
    )
    text = (HERE / "try.md").read_text("utf-8") + frame("try", "Correct the prediction")
    (sources / "try.md").write_text(text, "utf-8")


def sentence(example: Example) -> str:
    """The scores of a case, and how far its mask may be believed."""
    liver, tumour = example.result.liver.dice, example.result.tumour.dice
    return f"Liver Dice {liver:.3f}, tumour Dice {tumour:.3f}. Verdict: {example.prediction.quality.headline}."


def frame(name: str, title: str) -> str:
    """A slice browser in a page of Markdown."""
    return (
        f'<iframe class="viewer" loading="lazy" title="{html.escape(title)}: slice browser" '
        f'src="viewer/{name}.html"></iframe>\n'
        f'<p><a href="viewer/{name}.html">This case on a page of its own</a></p>\n'
    )
