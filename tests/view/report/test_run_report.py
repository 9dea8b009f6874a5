import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.files import write_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.case import score_case
from liverlib.evaluation.summary import summarise
from liverlib.io.volume import Grid, Volume
from liverlib.view import figures
from liverlib.view.animation import animate
from liverlib.view.report.html import image
from liverlib.view.report.run_report import MAX_FILMS, run_report


class Page(HTMLParser):
    """The text and the tags of a page, all of which must be closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, path) -> None:
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def images(self, kind: str) -> list[dict]:
        prefix = f"data:image/{kind};base64,"
        images = [attributes for tag, attributes in self.tags if tag == "img"]
        return [attributes for attributes in images if prefix in attributes["src"]]


def tumours(depth: int) -> np.ndarray:
    """A liver that fills its volume, with a tumour of 5 × 5 voxels in so many slices."""
    classes = np.ones((20, 20, 20), np.uint8)
    classes[:5, :5, :depth] = 2
    return classes


FREE, REFERENCE, PREDICTED = map(tumours, (0, 5, 4))


@pytest.fixture
def folder(tmp_path):
    """A run with two cases, one without a tumour, as training and scoring leave it."""
    run = tmp_path / "a <b> & run"
    write_metrics(run, {"case_1": (REFERENCE, PREDICTED), "case_2": (FREE, PREDICTED)})
    write_json(run / "settings.json", {"train": {"loss": "<i>ce</i>", "channels": [16, 32]}})
    columns = "epoch,learning_rate,train_loss,validation_loss"
    rows = "validation_liver_dice,validation_tumour_dice\n1,.1,.9,.8,.7,.6\n2,.1,.8,.7,.8,.6\n"
    (run / "history.csv").write_text(f"{columns},{rows}")
    grid = Grid.of(FREE.shape, np.diag([4, 4, 4, 1]))
    arrays = (FREE * np.int16(90), REFERENCE, PREDICTED)
    volumes = [Volume(array, grid, "case_1") for array in arrays]
    figures.save(figures.overlay(*volumes), run / "overlays" / "case_1.png")
    animate(run / "films" / "case_1.gif", *volumes)
    return run


def write_metrics(run, pairs: dict, spacing=(10, 10, 10)) -> None:
    cases = [score_case(*pair, spacing, name) for name, pair in pairs.items()]
    about = {
        "data": "phantoms (synthetic CT)",
        "phantoms": True,
        "seconds": {"cubes": 1.25, "training": 300},
        "machine": "a machine <x>",
        "versions": {"torch": "2.13.0"},
    }
    write_json(run / "metrics.json", summarise(cases).to_dict() | about)


def test_a_report_begins_by_saying_what_it_is_and_on_what(folder):
    page = Page(run_report(folder))
    name = "a <b> & run"
    start = f"{NOT_MEDICAL} {name} These scores were made on 2 synthetic CTs (phantoms), not on "
    assert start in page.text
    assert page.text.index(NOT_MEDICAL) == len(f"{name}: liverlib ")  # right after the title


def test_scores_on_real_scans_name_their_folder(folder):
    content = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", content | {"phantoms": False, "data": "/data/<mine>"})
    text = Page(run_report(folder)).text
    assert "made on 2 labelled scans of /data/<mine>" in text
    assert "synthetic" not in text


def test_a_report_holds_every_score(folder):
    text = Page(run_report(folder)).text
    assert "liver, tumours included 1.000 [1.000, 1.000] 2" in text
    assert "tumour, in cases that have one 0.889 1" in text
    assert "tumour, all cases, LiTS rule 0.444 [0.000, 0.889] 2" in text
    assert (
        "Cases without a tumour: 1. Tumour is predicted in 1 of them. "
        "The mean over all of them is 100.0 ml."
    ) in text
    assert "case_1 1.000 0.889 1 / 0 / 0 8,000 → 8,000 125.0 → 100.0 1.6 → 1.2" in text
    assert "case_2 1.000 no tumour 0 / 0 / 1 8,000 → 8,000 0.0 → 100.0 0.0 → 1.2" in text


def test_a_report_holds_distances_with_intervals_and_n(folder):
    text = Page(run_report(folder)).text
    assert "liver: ASSD, mm 0.00 [0.00, 0.00] 2 0" in text
    assert "liver: surface Dice, 1 mm 1.000 [1.000, 1.000] 2 0" in text
    distances = score_case(REFERENCE, PREDICTED, (10, 10, 10)).tumour
    assert f"tumour: ASSD, mm {distances.assd:.2f} 1 0" in text
    assert f"tumour: HD95, mm {distances.hd95:.2f} 1 0" in text
    assert f"tumour: surface Dice, 1 mm {distances.surface_dice_1:.3f} 1 0" in text


def test_a_report_pools_lesions_by_overlap_and_size(folder):
    text = Page(run_report(folder)).text
    row = "1 0 1 0.50 [0.00, 1.00] 1.00 0.67"
    assert f"IoU > 0 {row}" in text
    assert f"IoU > 0.5 {row}" in text
    assert "IoU > 0.5, under 10 mm 0 0 0 – – –" in text
    assert f"IoU > 0.5, over 20 mm {row}" in text


def test_what_is_unknown_is_a_dash(folder):
    mask = np.ones((4, 4, 4), np.uint8)
    write_metrics(folder, {"case_1": (mask, mask)}, spacing=None)
    text = Page(run_report(folder)).text
    assert "case_1 1.000 no tumour 0 / 0 / 0 – – 0.0 → 0.0" in text
    assert "liver: ASSD, mm – 0 1" in text
    assert "nan" not in text.lower().split()


def test_a_report_tells_how_it_was_made(folder):
    text = Page(run_report(folder)).text
    assert "training 300.0 together 301.2" in text
    assert "a machine <x>" in text and "torch 2.13.0" in text
    assert "train.loss <i>ce</i> train.channels 16, 32" in text


def test_pictures_are_inside_and_nothing_is_fetched(folder):
    path = run_report(folder)
    page = Page(path)
    assert len(page.images("png")) == 2  # the curves of the history, and the overlay
    (film,) = page.images("gif")
    assert film["loading"] == "lazy"
    pictures = [attributes for _, attributes in page.tags if "alt" in attributes]
    assert all(attributes["alt"] and int(attributes["width"]) for attributes in pictures)
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|<script|@import", path.read_text())


def test_curves_that_were_saved_are_used(folder):
    picture = figures.to_png(figures.compare({"": np.eye(3)}))
    (folder / "losses.png").write_bytes(picture)
    assert image(picture, "curves of the training") in run_report(folder).read_text()


def test_many_films_are_counted_and_not_all_embedded(folder):
    film = (folder / "films" / "case_1.gif").read_bytes()
    for i in range(MAX_FILMS + 2):
        (folder / "films" / f"more_{i}.gif").write_bytes(film)
    page = Page(run_report(folder))
    assert len(page.images("gif")) == MAX_FILMS
    assert "3 more are in films/" in page.text


def test_a_run_of_scores_alone_makes_a_report_too(tmp_path):
    mask = np.ones((4, 4, 4), np.uint8)
    write_metrics(tmp_path, {"case_1": (mask, mask)})
    page = Page(run_report(tmp_path))
    assert "made on 1 synthetic CT (phantoms)" in page.text
    assert not {"Films", "Overlays", "Training", "Settings"} & set(page.words)


def test_extra_html_is_put_in_as_it_is(folder):
    frame = '<iframe srcdoc="&lt;p&gt;slices&lt;/p&gt;"></iframe>'
    assert frame in run_report(folder, extra=frame).read_text()


def test_reports_repeat_to_the_byte(folder):
    assert run_report(folder).read_bytes() == run_report(folder).read_bytes()


def test_a_run_without_scores_is_named(tmp_path):
    with pytest.raises(LiverlibError, match=r"metrics\.json"):
        run_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_schema_are_named(folder):
    content = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", content | {"schema": 0})
    with pytest.raises(LiverlibError, match=r"metrics\.json: scores of schema 0.*score again"):
        run_report(folder)


@pytest.mark.parametrize(
    "change", [{"cases": [{}]}, {"measures": []}, {"lesions": None}, {"seconds": 3}]
)
def test_broken_scores_are_named(folder, change):
    content = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", content | change)
    with pytest.raises(
        LiverlibError, match=r"metrics\.json: (broken|damaged) .*Delete it and score"
    ):
        run_report(folder)
    assert not (folder / "report.html").exists()
