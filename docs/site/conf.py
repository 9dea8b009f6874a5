"""How Sphinx makes the site, from the folder of sources that build.py writes."""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

from liverlib import __version__

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT.get("urls", {}).get("Repository", "")

project, version, copyright = "liverlib", __version__, "liverlib contributors; MIT"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"liverlib {version}"
html_static_path = [str(HERE / "static")]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_favicon = str(HERE / "static" / "favicon.svg")
html_copy_source = False
html_show_sphinx = False
html_baseurl = re.sub(r"https://github\.com/([^/]+)/(.+)", r"https://\1.github.io/\2/", ADDRESS)

# Notebooks as they were run; no widgets, whose scripts would come from elsewhere.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict] = {}
nb_merge_streams = True
nb_code_prompt_show = "The start cell"
nb_code_prompt_hide = "The start cell"
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a table or a picture may stand before the first heading

# Docstrings: `name` is a link where the name has an entry, and code elsewhere.
default_role = "py:obj"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
python_display_short_literal_types = True
python_use_unqualified_type_names = True
add_module_names = False


def escaped(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list) -> None:
    """What is plain in a docstring and markup to Sphinx: |A|, 4 * mask."""
    for n, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(`+[^`]+`+)", line)
            parts[::2] = [re.sub(r"([|*])", r"\\\1", part) for part in parts[::2]]
            parts[2::2] = [re.sub(r"^(?=\w|³)", r"\\ ", part) for part in parts[2::2]]
            lines[n] = "".join(parts)


def with_levels(app: Sphinx, page: str, template: str, context: dict, tree: object) -> None:
    """The headings of the list of pages say how deep they are, as ARIA asks of them."""
    name = "furo_navigation_tree"
    context[name] = context[name].replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> None:
    """Docstrings are escaped before their sections are read; the theme makes its list first."""
    app.connect("autodoc-process-docstring", escaped, priority=100)
    app.connect("html-page-context", with_levels, priority=900)
