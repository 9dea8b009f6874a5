"""Cases for the site: phantoms, segmented by the pretrained weights, each as a slice browser."""

from dataclasses import dataclass
from pathlib import Path

import liverlib as ll
from liverlib.data.splits import SplitSettings, split_by
from liverlib.synthesis.phantom.phantom import PhantomSettings

HERE = Path(__file__).parent
SIZE = 128  # voxels along an axis of a page of the gallery, at most
FRAME = """\
<iframe class="viewer" title="Slice browser: {title}" data-src="viewer/{name}.html"></iframe>

<p><a href="viewer/{name}.html">This case on a page of its own</a></p>
"""


@dataclass(frozen=True)
class Example:
    """A phantom with its label, what the pretrained weights make of it, and its scores."""

    scan: ll.Volume
    label: ll.Volume
    prediction: ll.Prediction
    result: ll.CaseResult

    @property
    def title(self) -> str:
        """Such as "phantom 24"."""
        return f"phantom {int(self.scan.name.split('_')[1])}"

    def sentence(self) -> str:
        """Its scores, and how far its mask may be believed."""
        liver, tumour = self.result.liver.dice, self.result.tumour.dice
        verdict = self.prediction.quality.headline
        return f"Liver Dice {liver:.3f}, tumour Dice {tumour:.3f}. Verdict: {verdict}."


def test_phantoms(settings: PhantomSettings) -> list[int]:
    """The phantoms that a run with default settings keeps apart to be scored."""
    names = [f"phantom_{index:03}" for index in range(settings.cases)]
    cases = [ll.Case(name, Path("scan"), Path("label")) for name in names]
    return [int(case.name.split("_")[1]) for case in split_by(cases, SplitSettings())["test"]]


def make_examples(fast: bool = False) -> list[Example]:
    """The test phantoms, segmented; where it is to be `fast` two of them, of fewer voxels."""
    settings = PhantomSettings(size=96 if fast else PhantomSettings.size)
    segmenter = ll.Segmenter.load()
    examples = []
    for index in test_phantoms(settings)[: 2 if fast else None]:
        scan, label = ll.make_phantom(index, settings)
        prediction = segmenter.predict(scan)
        result = ll.score_volumes(scan.name, label, prediction.mask)
        examples.append(Example(scan, label, prediction, result))
    return examples


def chosen(examples: list[Example]) -> dict[str, Example]:
    """The best, median and worst by tumour Dice, and one without a tumour."""
    ranked = sorted(
        (example for example in examples if example.result.has_tumour),
        key=lambda example: -example.result.tumour.dice,
    )
    best, median, worst = ranked[0], ranked[len(ranked) // 2], ranked[-1]
    shown = {"The best": best, "The median": median, "The worst": worst}
    if free := [example for example in examples if not example.result.has_tumour]:
        shown["Without a tumour"] = free[0]
    return shown


def write_cases(sources: Path, pages: Path, fast: bool = False) -> None:
    """Writes the pages of the gallery and the editor, and the slice browsers that they show."""
    pages.mkdir(parents=True)
    shown = chosen(make_examples(fast))
    text = (HERE / "gallery.md").read_text("utf-8")
    for title, example in shown.items():
        scan, mask = example.scan, example.prediction.mask
        page = ll.show(scan, example.label, mask, size=SIZE, title=example.title)
        page.save(pages / f"{scan.name}.html")
        frame = FRAME.format(title=example.title, name=scan.name)
        text += f"\n## {title}: {example.title}\n\n{example.sentence()}\n\n{frame}"
    (sources / "gallery.md").write_text(text, "utf-8")
    _write_editor(sources, pages, shown["The median"])


def _write_editor(sources: Path, pages: Path, example: Example) -> None:
    mask, title = example.prediction.mask, f"{example.title}: correct the prediction"
    editor = ll.edit(example.scan, mask, example.label, around="liver", title=title)
    editor.save(pages / "try.html")
    text = (HERE / "try.md").read_text("utf-8")
    frame = FRAME.format(title=title, name="try")
    (sources / "try.md").write_text(f"{text}\n{example.sentence()}\n\n{frame}", "utf-8")
