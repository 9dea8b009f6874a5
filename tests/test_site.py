"""The site: built once, served from the loopback address, and looked at in Chromium."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urldefrag

import address as tool
import pytest
from chromium import launched, needs_chromium, pixels, state
from page_modules import served

from liverlib import __all__ as public_names
from liverlib.io.nifti import read_label

for name in ("sphinx", "myst_nb", "furo"):
    pytest.importorskip(name, reason='THE SITE IS NOT TESTED: pip install -e ".[site]"')
bs4 = pytest.importorskip("bs4")
ROOT = Path(__file__).parents[1]
BUILD = ROOT / "docs" / "site"
SIZES = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
OUTWARD = ("https:", "http:", "mailto:")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of a site with a small gallery."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder / "site")
    assert done.returncode == 0, done.stderr
    return folder / "site"


def build(folder: Path) -> subprocess.CompletedProcess:
    fast = {"LIVERLIB_FAST": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, BUILD / "build.py", folder]
    return subprocess.run(command, env=os.environ | fast, capture_output=True, text=True)


@pytest.fixture(scope="module")
def parsed(site) -> dict[Path, object]:
    """Each page of the site, parsed; the slice browsers hold no links."""
    pages = [path for path in site.rglob("*.html") if path.parent.name != "viewer"]
    return {path: bs4.BeautifulSoup(path.read_bytes(), "html.parser") for path in pages}


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium."""
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Where the site is served."""
    with served(site) as address:
        yield address


@contextmanager
def tab(chromium, address: str, size: str) -> Iterator:
    """A tab; a request to elsewhere, one that fails or a script's error fails the test."""
    context = chromium.new_context(bypass_csp=True, **SIZES[size])
    page, faults = context.new_page(), []
    own = (address, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(own) or faults.append(r.url))
    page.on("response", lambda r: r.status < 400 or faults.append(f"{r.status} {r.url}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def viewer(page, number: int = 0):
    """A slice browser of a page, scrolled to and ready, as a frame."""
    element = page.locator("iframe.viewer").nth(number)
    element.scroll_into_view_if_needed()
    frame = element.element_handle().content_frame()
    frame.wait_for_function("window.sliceBrowser")
    return frame


def test_it_holds_what_the_project_has(site):
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    for pattern in ("docs/*.md", "notebooks/*.ipynb", "benchmarks/results/*.md"):
        for path in ROOT.glob(pattern):
            assert str(path.relative_to(ROOT).with_suffix(".html")) in pages
    assert {"index.html", "gallery.html", "try.html", "liverlib/weights/README.html"} <= pages


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    done = build(tmp_path)
    assert done.returncode == 1 and "Name another folder" in done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "thesis.txt").exists()


def test_with_an_address_pages_still_lead_to_each_other(monkeypatch):
    """And no badge, which is a picture from elsewhere, is left."""
    monkeypatch.syspath_prepend(str(BUILD))
    gathering = import_module("build")
    forge, links = "https://github.com/owner/project", r"\]\((?!https:)([^)]+)\)"
    text = (ROOT / "README.md").read_text("utf-8")
    unset, with_address = (tool.rewritten("README.md", text, a) for a in ("", forge))
    shown = gathering.page(with_address, forge)
    assert tool.BADGE in with_address and "badge.svg" not in shown
    assert re.findall(links, shown) == re.findall(links, unset) != []


def test_every_public_name_is_in_the_reference(parsed):
    ids = {e["id"] for path, page in parsed.items() if "api" in path.parts for e in page(id=True)}
    for name in public_names:
        assert {f"liverlib.{name}", f"module-liverlib.view.{name}"} & ids, name


def test_notebooks_show_their_pictures(parsed):
    notebooks = {path.stem: page for path, page in parsed.items() if "notebooks" in path.parts}
    for path in ROOT.glob("notebooks/*.ipynb"):
        kept = path.read_text("utf-8").count('"image/png"')
        assert kept and len(notebooks[path.stem].select(".cell_output img")) == kept


def targets(page) -> Iterator[str]:
    """All that a page leads to or loads."""
    for kind in ("href", "src", "data-src"):
        yield from (element[kind] for element in page(attrs={kind: True}))


def test_every_link_within_the_site_leads_to_a_page_and_an_anchor_in_it(site, parsed):
    anchors = {path: {e["id"] for e in page(id=True)} for path, page in parsed.items()}
    checked = 0
    for path, page in parsed.items():
        for target in targets(page):
            if target.startswith((*OUTWARD, "data:")):
                continue
            file, anchor = urldefrag(unquote(re.sub(r"\?.*", "", target)))
            reached = (path.parent / file).resolve() if file else path
            assert reached.is_file(), f"{path}: {target}"
            assert not anchor or anchor in anchors[reached], f"{path}: {target}"
            checked += 1
    assert checked > 1000


def test_nothing_is_loaded_from_elsewhere(site, parsed):
    """No script, style, font, picture or frame; links may lead to papers."""
    for path, page in parsed.items():
        loads = [e["src"] for e in page(src=True)] + [e["href"] for e in page("link", href=True)]
        assert not [load for load in loads if load.startswith((*OUTWARD, "//"))], path
        preloads = [e for e in page("link") if {"preconnect", "dns-prefetch"} & set(e["rel"])]
        assert not preloads, path
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", path.read_text("utf-8"))


@needs_chromium(" ON THE SITE")
def test_no_page_asks_anything_of_elsewhere_or_is_wider_than_a_phone(chromium, site, address):
    with tab(chromium, address, "phone") as page:
        for path in sorted(site.rglob("*.html")):
            page.goto(f"{address}/{path.relative_to(site)}")
            root = "document.documentElement"
            assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), path


@needs_chromium(" ON THE SITE")
@pytest.mark.parametrize(("size", "number"), [("wide", 0), ("phone", 0), ("phone", 2)])
def test_the_gallery_shows_slices_and_scrolls_by_key(chromium, address, size, number):
    with tab(chromium, address, size) as page:
        page.goto(f"{address}/gallery.html")
        frame = viewer(page, number)
        before = pixels(frame)
        assert all(picture.std() > 10 for picture in before.values())
        frame.locator(".picture").first.click()
        at = state(frame)["at"]
        page.keyboard.press("ArrowUp")
        assert state(frame)["at"][2] == at[2] + 1
        assert (pixels(frame)["axial"] != before["axial"]).any()
        frame.click("#side")
        assert len(frame.query_selector_all("#second-views canvas")) > 0
        frame.wait_for_function("document.documentElement.scrollHeight <= innerHeight")


@needs_chromium(" ON THE SITE")
@pytest.mark.parametrize("size", SIZES)
def test_a_mask_is_corrected_and_saved_on_the_page(chromium, address, size, tmp_path):
    with tab(chromium, address, size) as page:
        page.goto(f"{address}/try.html")
        frame = viewer(page)
        frame.wait_for_selector("#tools:not([hidden])")
        frame.click("#tool-brush")
        frame.locator(".picture").first.click()
        assert frame.is_enabled("#undo")
        with page.expect_download() as download:
            frame.click("#save-mask")
        download.value.save_as(tmp_path / "mask.nii.gz")
    assert 2 in read_label(tmp_path / "mask.nii.gz").voxels


@needs_chromium(" ON THE SITE")
@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_axe_finds_nothing_serious(chromium, address, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    names = ("index", "gallery", "try", "search", "api/io", "docs/cli", "notebooks/05_overlays")
    with tab(chromium, address, size) as page:
        page.emulate_media(color_scheme=scheme)
        for name in names:
            page.goto(f"{address}/{name}.html")
            found = axe.Axe().run(page).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            told = [(v["id"], [node["html"] for node in v["nodes"]][:3]) for v in serious]
            assert not told, f"{name}: {told}"
