"""The slice browser's iframe on host pages: notebooks, reports, sandboxes, in a real Chromium."""

import html

import numpy as np
import pytest
from chromium import WIDE, make_case, needs_chromium, pixels, volumes
from lab import write_notebook

from liverlib.view.report.html import page as html_page
from liverlib.view.viewer.page import edit, show

pytestmark = needs_chromium()


def host_page(chromium, pages, style="", **options):
    """A tall page that holds browsers as a notebook does, and counts the keys that reach it."""
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True, **options)
    host = context.new_page()
    body = "".join(page._repr_html_() for page in pages)
    host.set_content(
        f"<style>{style}</style><body>{body}<div style='height: 3000px'></div>"
        "<script>window.keys = 0; addEventListener('keydown', () => keys++)</script>"
    )
    frames = host.frames[1:]
    for frame in frames:
        frame.wait_for_selector("main:not([hidden])")
    return context, host, frames


def test_ten_browsers_on_a_page_mind_their_own_business(chromium):
    """Each paints when its own keys are pressed; the others paint not a single slice."""
    pages = [show(*volumes(make_case(seed))) for seed in range(10)]
    context, host, frames = host_page(chromium, pages)
    for frame in frames:
        frame.evaluate("""() => {
          window.painted = 0;
          const put = CanvasRenderingContext2D.prototype.putImageData;
          CanvasRenderingContext2D.prototype.putImageData = function (...args) {
            window.painted++; put.apply(this, args); };
        }""")
    frame = frames[6]
    before = [f.evaluate("sliceBrowser.state.at") for f in frames]
    frame.locator("[data-plane=axial] .frame").scroll_into_view_if_needed()
    frame.locator("[data-plane=axial] .frame").click(position={"x": 40, "y": 40})
    host.keyboard.press("Home")
    host.keyboard.press("ArrowUp")
    frame.wait_for_function("sliceBrowser.state.at[2] === 1 && painted >= 3")
    assert [f.evaluate("painted") for f in frames if f is not frame] == [0] * 9
    after = [f.evaluate("sliceBrowser.state.at") for f in frames]
    assert [a == b for a, b in zip(before, after, strict=True)] == [i != 6 for i in range(10)]
    assert host.evaluate("keys") == 0
    context.close()


def test_the_frame_is_as_high_as_what_it_holds(chromium):
    context, host, (frame,) = host_page(chromium, [show(*volumes(make_case()))])
    host.wait_for_function("document.querySelector('iframe').style.height !== '560px'")
    inner = frame.evaluate("document.documentElement.scrollHeight")
    assert abs(host.locator("iframe").bounding_box()["height"] - inner) <= 2
    context.close()


def test_the_wheel_is_the_hosts_until_a_click_and_after_escape(chromium):
    context, host, (frame,) = host_page(chromium, [show(*volumes(make_case()))])
    frame.locator("[data-plane=axial] .frame").hover()
    host.mouse.wheel(0, 100)
    host.wait_for_function("scrollY === 100")
    host.evaluate("scrollTo(0, 0)")
    host.wait_for_function("scrollY === 0")
    frame.locator("[data-plane=axial] .frame").click()
    at = frame.evaluate("sliceBrowser.state.at[2]")
    host.mouse.wheel(0, 100)
    frame.wait_for_function(f"sliceBrowser.state.at[2] === {at - 1}")
    host.mouse.wheel(0, -120)
    frame.wait_for_function(f"sliceBrowser.state.at[2] === {at}")
    assert host.evaluate("scrollY") == 0
    host.keyboard.press("Escape")
    host.mouse.wheel(0, 100)
    host.wait_for_function("scrollY === 100")
    assert frame.evaluate("sliceBrowser.state.at[2]") == at
    context.close()


def test_it_follows_the_hosts_theme(chromium):
    style = "body { background: white } body.night { background: #111 }"
    context, host, (frame,) = host_page(chromium, [show(*volumes(make_case()))], style)
    assert frame.evaluate("document.documentElement.dataset.theme") == "light"
    host.evaluate("document.body.className = 'night'")
    frame.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    host.evaluate("document.body.className = ''")
    frame.wait_for_function("document.documentElement.dataset.theme === 'light'")
    context.close()


@pytest.mark.parametrize(
    ("style", "theme"), [("", "light"), (":root { color-scheme: light dark }", "dark")]
)
def test_on_a_host_without_colours_it_is_dark_only_where_the_host_is(chromium, style, theme):
    pages = [show(*volumes(make_case()))]
    context, _, (frame,) = host_page(chromium, pages, style, color_scheme="dark")
    assert frame.evaluate("document.documentElement.dataset.theme") == theme
    context.close()


def test_a_host_may_keep_it_apart(chromium):
    """In a sandbox, which hides the host's theme and height, it works all the same."""
    shown = show(*volumes(make_case()))
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True)
    host = context.new_page()
    host.set_content(shown._repr_html_().replace("<iframe", '<iframe sandbox="allow-scripts"'))
    frame = host.frames[1]
    frame.wait_for_selector("main:not([hidden])")
    frame.locator("[data-plane=axial] .frame").click()
    host.keyboard.press("Home")
    frame.wait_for_function("sliceBrowser.state.at[2] === 0")
    assert host.locator("iframe").bounding_box()["height"] == 560
    context.close()


def test_in_a_report_it_scrolls_with_no_network(chromium, tmp_path):
    shown = show(*volumes(make_case()))
    (tmp_path / "report.html").write_text(html_page("A run", shown._repr_html_()), "utf-8")
    scrolls_offline(chromium, tmp_path / "report.html")


def test_in_an_exported_notebook_it_scrolls_with_no_network(chromium, tmp_path):
    export = pytest.importorskip("nbconvert", reason="NO NBCONVERT: EXPORTED NOTEBOOKS UNTESTED")
    bundle = show(*volumes(make_case()))._repr_mimebundle_()
    output = {"output_type": "display_data", "metadata": {}, "data": bundle}
    path = write_notebook(tmp_path / "notebook.ipynb", ["show(scan)"], [output])
    text, _ = export.HTMLExporter().from_filename(str(path))
    (tmp_path / "exported.html").write_text(text, "utf-8")
    scrolls_offline(chromium, tmp_path / "exported.html")


def scrolls_offline(chromium, path):
    """Asserts that the browser in a page from disk goes through its slices."""
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True)
    host = context.new_page()
    host.goto(f"file://{path}", wait_until="commit")
    frame = host.locator("iframe").element_handle().content_frame()
    frame.wait_for_selector("main:not([hidden])")
    frame.locator("[data-plane=axial] .frame").click()
    before = pixels(frame)["axial"]
    for key in ("Home", "ArrowUp"):
        host.keyboard.press(key)
    frame.wait_for_function("sliceBrowser.state.at[2] === 1")
    assert not np.array_equal(pixels(frame)["axial"], before)
    context.close()


def test_a_hostile_name_does_not_run_on_the_host(chromium):
    name = "\"'><img src=x onerror='window.bad = 1'></script><script>window.bad = 1</script>"
    context, host, (frame,) = host_page(chromium, [show(*volumes(make_case()), title=name)])
    assert frame.inner_text("h1") == name
    assert host.evaluate("window.bad") is None
    context.close()


def test_the_title_of_a_frame_is_its_name(chromium):
    shown = show(*volumes(make_case()), title="<i>A</i>")
    context, host, _ = host_page(chromium, [shown])
    assert host.get_attribute("iframe", "title") == "<i>A</i>"
    assert html.escape("<i>A</i>") in shown._repr_html_()
    context.close()


def test_the_picture_for_untrusted_places_is_a_png(chromium):
    bundle = show(*volumes(make_case()))._repr_mimebundle_()
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.set_content(f'<img src="data:image/png;base64,{bundle["image/png"]}">')
    page.wait_for_function("document.querySelector('img').naturalHeight === 320")
    context.close()


def test_two_views_of_an_editor_do_not_overwrite_each_other(chromium):
    """What one view sent, the other takes up; where it was about to write, it says so."""
    shown = edit(*volumes(make_case())[::2]).page._repr_html_()
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True)
    host = context.new_page()
    view = f'<div class="liverlib-editor">{shown}<textarea hidden></textarea></div>'
    host.set_content(
        f"<body>{view}{view}<script>"
        "const texts = [...document.querySelectorAll('textarea')];"  # as widgets of one model
        "for (const text of texts) text.addEventListener('change', () => "
        "texts.forEach(other => { other.value = text.value; }))</script>"
    )
    first, second = host.frames[1:]
    sent = "document.querySelector('textarea').value"
    masks = "[...sliceBrowser.volume.pairs]"

    def paint(frame, at):
        frame.evaluate("at => sliceBrowser.change({ at, tool: 'brush', of: 'tumour' })", at)
        frame.evaluate("""document.body.dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", bubbles: true }))""")

    for frame in (first, second):
        frame.wait_for_selector("#tools:not([hidden])")
    paint(first, [4, 4, 4])
    host.wait_for_function(f"{sent} !== ''")
    text = host.evaluate(sent)
    assert second.evaluate(masks) != first.evaluate(masks)
    paint(second, [16, 12, 8])  # without a look at what the other one did
    second.wait_for_function("document.querySelector('#edit-note').textContent")
    assert "Another view" in second.inner_text("#edit-note")
    assert second.evaluate(masks) == first.evaluate(masks)
    assert host.evaluate(sent) == text
    paint(second, [16, 12, 8])
    host.wait_for_function("text => document.querySelector('textarea').value !== text", arg=text)
    first.evaluate("dispatchEvent(new Event('focus'))")
    first.wait_for_function("document.querySelector('#edit-note').textContent")
    assert first.evaluate(masks) == second.evaluate(masks)
    context.close()
