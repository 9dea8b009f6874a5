"""The site: how large it is, and how long from its address to the first slice, in Chromium.

From a server on the loopback address, with an empty cache: as it is, and as a phone on a slow line
would see it (10 Mbit/s, 100 ms a request, a processor slowed to a quarter). Needs the site
(`make site`), chromium and playwright.
"""

import argparse
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from chromium import launched
from page_modules import served
from report import Report

ROOT = Path(__file__).parents[2]
PAGES = ("gallery.html", "try.html", "viewer/try.html")
SIZES = {"1280 px": (1280, 900), "360 px": (360, 740)}
LINES = {
    "this machine": None,
    "slow": {
        "offline": False,
        "latency": 100,
        "downloadThroughput": 1.25e6,
        "uploadThroughput": 1e6,
    },
}
# Runs in every frame; the pictures are painted before the slice browser can be asked.
WATCH = """(() => {
  const look = () => {
    if (!window.sliceBrowser) return requestAnimationFrame(look);
    top.firstSlice ??= performance.timeOrigin + performance.now();
  };
  look();
})()"""


def first_slice(chromium: Browser, address: str, size: tuple, line: dict | None) -> float:
    """Seconds from the request of a page to the slices of the first browser on it."""
    width, height = size
    context = chromium.new_context(viewport={"width": width, "height": height}, bypass_csp=True)
    page = context.new_page()
    page.add_init_script(WATCH)
    if line:
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", line)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address, wait_until="commit")
    page.wait_for_selector("iframe.viewer, main:not([hidden])")
    if (frame := page.query_selector("iframe.viewer")) is not None:
        frame.scroll_into_view_if_needed()
    page.wait_for_function("window.firstSlice", timeout=120_000)
    seconds = page.evaluate("firstSlice - performance.timeOrigin") / 1000
    context.close()
    return seconds


def tell_sizes(report: Report, site: Path) -> None:
    """A table of the site's parts."""
    files = [path for path in site.rglob("*") if path.is_file()]
    report.columns("part", "files", "MB")
    parts = {"all": "", "slice browsers": "viewer", "pictures": "_images", "search": "searchindex"}
    for name, start in parts.items():
        own = [path for path in files if str(path.relative_to(site)).startswith(start)]
        size = sum(path.stat().st_size for path in own)
        report.row(name, len(own), f"{size / 1e6:.1f}")


def main() -> None:
    """Measures the site that is there, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "results" / "site")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not (options.site / "index.html").exists():
        sys.exit(f"{options.site} holds no site: run `make site` first.")
    with Report(__file__, "sphinx", "myst-nb", "furo") as report:
        tell_sizes(report, options.site)
        report.text("Seconds to the first slice, the median and the most:")
        report.columns("page", "width", "line", "median", "most")
        with served(options.site) as address, launched() as chromium:
            for name in PAGES:
                for width, size in SIZES.items():
                    for line, limits in LINES.items():
                        seconds = [
                            first_slice(chromium, f"{address}/{name}", size, limits)
                            for _ in range(options.repeats)
                        ]
                        middle, most = statistics.median(seconds), max(seconds)
                        report.row(name, width, line, f"{middle:.2f}", f"{most:.2f}")


if __name__ == "__main__":
    main()
