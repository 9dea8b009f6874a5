"""The slice browser's own modules in a real Chromium's worker, where there is no document.

Only those are here that touch neither the document nor the page's state.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import WIDE, launched

from liverlib.view.viewer.page import WEB

ALONE = {
    "paint": "paint.js",
    "volume": "volume.js",
    "editing": "edit/edit.js",
    "brush": "edit/brush.js",
    "pieces": "edit/pieces.js",
    "operations": "edit/operations.js",
    "interpolation": "edit/interpolate.js",
    "maskFile": "edit/mask-file.js",
    "measures": "look/measures.js",
    "slab": "look/slab.js",
    "nets": "solid/nets.js",
    "camera": "solid/camera.js",
    "lesionTable": "measure/lesion-table.js",
}
# Runs one expression in a worker that has imported these modules; arrays come back as lists.
WORKER = """async ([expression, values, imports]) => {
  const loads = imports.map(([name, path]) =>
    `import * as ${name} from "${location.origin}/${path}";`).join("");
  const source = `
    ${loads}
    const plain = (key, value) => ArrayBuffer.isView(value) ? [...value] : value;
    onmessage = async ({ data: values }) => {
      try {
        if (self.document || self.window) throw new Error("not alone");
        postMessage({ json: JSON.stringify(await (${expression}), plain) });
      } catch (error) {
        postMessage({ error: String(error) });
      }
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const answer = await new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => resolve({ error: event.message || "a module did not load" });
    worker.postMessage(values);
  });
  worker.terminate();
  if (answer.error) throw new Error(answer.error);
  return JSON.parse(answer.json ?? "null");
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, scripts as scripts whatever the system calls them, and logs nothing."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def log_message(self, *_):
        pass


def copy_modules(folder: Path) -> Path:
    """The modules as they are, in a folder, beside an empty page."""
    for path in WEB.rglob("*.js"):
        copy = folder / path.relative_to(WEB)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (folder / "empty.html").write_text("<!doctype html>")
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server on a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def opened_tab(address: str) -> Iterator:
    """A tab of a Chromium on the empty page of a served folder."""
    with launched() as chromium:
        page = chromium.new_context(viewport=WIDE, bypass_csp=True).new_page()
        page.goto(f"{address}/empty.html")
        yield page


def run(tab, expression: str, **values):
    """The value of an expression in a worker; `ALONE` names the modules in it."""
    return tab.evaluate(WORKER, [expression, values, list(ALONE.items())])
