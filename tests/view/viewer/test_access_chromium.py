"""The slice browser for everybody: by axe-core's rules, by keys alone, in colours of the system."""

import pytest
from chromium import needs_chromium, opened, state

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="THE RULES OF ACCESSIBILITY ARE NOT TESTED"
)
pytestmark = needs_chromium()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_it_breaks_no_rule_of_axe(chromium, case_file, scheme, width):
    """As it opens, and with the tools, the surfaces and the help open."""
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with opened(chromium, case_file, **options) as page:
        results = axe.Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        page.click("#edit")
        page.click("#whole")
        page.click("summary")
        page.wait_for_function("document.querySelector('#volumes').textContent")
        results = axe.Axe().run(page)
        assert results.violations_count == 0, results.generate_report()


def test_a_mask_is_corrected_by_keys_alone(chromium, case_file):
    """From the button on: brush, size, class, crosshair, stroke, undo, redo, another tool."""
    with opened(chromium, case_file) as page:
        page.focus("#edit")
        page.keyboard.press("Enter")
        page.wait_for_selector("#tools:not([hidden])")
        before = page.evaluate("[...sliceBrowser.volume.pairs]")
        for key in ("b", "]", "]", "[", "t", "k", "Shift+ArrowLeft", "Shift+ArrowUp", "Tab"):
            page.keyboard.press(key)
        shown = state(page)
        assert (shown["tool"], shown["of"], shown["solid"]) == ("brush", "liver", True)
        assert shown["radius"] > 5
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("e")
        page.keyboard.press("Enter")
        after = page.evaluate("[...sliceBrowser.volume.pairs]")
        assert after != before
        page.keyboard.press("Control+z")
        assert page.evaluate("[...sliceBrowser.volume.pairs]") == before
        page.keyboard.press("Control+y")
        assert page.evaluate("[...sliceBrowser.volume.pairs]") == after


def test_tools_say_why_they_did_nothing(chromium, case_file):
    with opened(chromium, case_file) as page:
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        page.evaluate("sliceBrowser.change({ at: [0, 0, 0], tool: 'delete' })")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("Enter")
        assert page.inner_text("#edit-note").startswith("There is no piece here")
        assert page.get_attribute("#edit-note", "role") == "status"


def test_in_the_systems_colours_what_is_on_can_be_told(chromium, case_file):
    with opened(chromium, case_file, forced_colors="active") as page:
        style = "e => [getComputedStyle(e).textDecorationLine, getComputedStyle(e).borderWidth]"
        assert page.eval_on_selector("#cross", style) == ["underline", "2px"]
        assert page.eval_on_selector("#play", style)[0] == "none"
        swatch = "e => getComputedStyle(e).backgroundColor"
        assert page.eval_on_selector("#liver + .swatch", swatch) == "rgb(86, 180, 233)"


def test_nothing_moves_by_itself(chromium, case_file):
    """So there is nothing to be reduced: no animation, and no transition."""
    with opened(chromium, case_file, reduced_motion="reduce") as page:
        moving = """[...document.querySelectorAll("*")].filter((e) => {
          const style = getComputedStyle(e);
          return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
        }).length"""
        assert page.evaluate(moving) == 0
        assert page.evaluate("document.getAnimations().length") == 0
