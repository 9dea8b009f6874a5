"""The slice browser's page as text: what a notebook and a file get, and what is refused."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from phantoms import simple_case
from viewer_cases import HOSTILE, LABEL, MASK, SCAN, volume

from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Volume
from liverlib.view.slices import HU_LEVELS, largest_slice, png, render_slice, to_levels
from liverlib.view.viewer.page import browse, show


class Parts(HTMLParser):
    """The tags of a page, in order, with their attributes, and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags:
            self.texts.setdefault(self.tags[-1][1].get("id"), data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_equal_input_gives_equal_bytes():
    first, second = (show(SCAN, LABEL, MASK) for _ in range(2))
    assert first.html == second.html
    assert first._repr_mimebundle_() == second._repr_mimebundle_()


def test_axes_in_any_order_of_memory_give_equal_bytes():
    turned = volume(np.asfortranarray(SCAN.voxels))
    assert show(SCAN, LABEL).html == show(turned, LABEL).html


def test_a_notebook_gets_an_iframe_with_the_picture_in_it():
    bundle = show(SCAN, LABEL, title="A title")._repr_mimebundle_()
    parts = Parts(bundle["text/html"])
    (iframe,) = parts.all("iframe")
    assert iframe["title"] == "A title"
    assert "DecompressionStream" in iframe["srcdoc"]
    (image,) = parts.all("img")
    assert image["alt"] == "A title: one axial slice, 20 × 18 × 14 voxels"
    assert image["src"] == f"data:image/png;base64,{bundle['image/png']}"
    best = largest_slice(LABEL)
    levels = HU_LEVELS[to_levels(SCAN.voxels)]
    expected = png(render_slice(levels, "axial", best, label=LABEL), 1.5, 320)
    assert base64.b64decode(bundle["image/png"]) == expected


def test_save_writes_a_page_that_needs_nothing_else(tmp_path):
    path = show(SCAN, LABEL, title="A title").save(tmp_path / "new" / "slices.html")
    text = path.read_text(encoding="utf-8")
    parts = Parts(text)
    assert "http:" not in text
    assert "https:" not in text
    assert not parts.all("link")
    assert not any("src" in script for script in parts.all("script"))
    assert parts.texts["facts"].startswith("{")
    assert all(image["src"].startswith("data:") for image in parts.all("img"))
    (policy,) = (m for m in parts.all("meta") if "http-equiv" in m)
    assert policy["content"].startswith("default-src 'none'")


def test_the_policy_names_the_one_script_by_its_hash():
    text = show(SCAN, LABEL).html
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


@pytest.mark.parametrize(
    ("label", "mask", "mode"),
    [(LABEL, MASK, "both"), (LABEL, None, "label"), (None, MASK, "mask"), (None, None, "label")],
)
def test_it_begins_with_all_that_is_given(label, mask, mode):
    assert show(SCAN, label, mask).facts["show"] == mode


def test_no_text_of_the_page_says_truth():
    text = show(SCAN, LABEL, MASK).html
    assert "reference" in text
    assert not re.search(r"\btruth\b", text, re.IGNORECASE)


def test_a_cube_of_128_takes_little_of_a_notebook():
    bundle = show(*simple_case(size=128))._repr_mimebundle_()
    assert len(json.dumps(bundle)) < 2.5e6


@pytest.mark.parametrize("by_name", [True, False])
def test_a_hostile_title_or_name_stays_text(by_name):
    case = Volume(SCAN.voxels, SCAN.grid, HOSTILE) if by_name else SCAN
    page = show(case, LABEL, title="" if by_name else HOSTILE)
    parts = Parts(page.html)
    assert len(parts.all("script")) == 4
    assert len(parts.all("img")) == 1
    assert json.loads(parts.texts["facts"])["title"] == HOSTILE
    outer = Parts(page._repr_html_())
    assert [tag for tag, _ in outer.tags] == ["iframe", "img"]
    assert outer.all("iframe")[0]["title"] == HOSTILE


@pytest.mark.parametrize("make", [show, browse])
def test_what_cannot_be_shown_is_refused(make):
    holes = SCAN.voxels.astype(np.float32)
    holes[1, 2, 3] = np.nan
    with pytest.raises(LiverlibError, match=r"case: holds NaN.*Replace"):
        make(volume(holes))
    with pytest.raises(
        LiverlibError, match=r"label case: its shape is \(20, 18, 13\).*that of case"
    ):
        make(SCAN, volume(LABEL.voxels[:, :, 1:]))
    unknown = volume(np.where(LABEL.voxels == 2, 7, LABEL.voxels), name="odd")
    with pytest.raises(LiverlibError, match=r"mask odd: holds \[7\]; expected 0 background"):
        make(SCAN, LABEL, unknown)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"show": "difference"}, "difference.*possible: label"),
        ({"show": "all"}, "all.*possible: label"),
        ({"around": "spleen"}, "spleen.*'liver'"),
        ({"window": "brain"}, "brain.*liver, soft tissue"),
        ({"plane": "oblique"}, "oblique.*three, axial"),
    ],
)
def test_an_unknown_option_is_named(options, words):
    with pytest.raises(LiverlibError, match=words):
        show(SCAN, LABEL, **options)


def test_the_page_needs_neither_widgets_nor_torch():
    code = (
        "import sys, liverlib.view.viewer.page; "
        "print([m for m in ('ipywidgets', 'torch', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
