"""Joining ES modules: what the bundler makes of them, and what it refuses."""

import re
from pathlib import Path

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.view.viewer.bundle import bundle_script
from liverlib.view.viewer.page import WEB

ROOT = Path(__file__).parents[3]


def joined(folder, **modules):
    """The bundle of modules given by name; `main` is where it begins."""
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return bundle_script(folder / "main.js")


def test_modules_become_functions_in_the_order_of_their_needs(tmp_path):
    script = joined(
        tmp_path,
        main='import { twice } from "./b.js";\n\n// Begins.\ntwice(2);\n',
        b='import { SCALE } from "./a.js";\n\nexport function twice(x) {\n  return x * SCALE;\n}\n',
        a="const two = 2; // not seen elsewhere\nexport const SCALE = two;\n",
    )
    assert script.splitlines() == [
        '"use strict";',
        "(() => {",
        "const a_js = (() => {",
        "const two = 2; // not seen elsewhere",
        "const SCALE = two;",
        "return { SCALE };",
        "})();",
        "const b_js = (() => {",
        "const { SCALE } = a_js;",
        "function twice(x) {",
        "return x * SCALE;",
        "}",
        "return { twice };",
        "})();",
        "const main_js = (() => {",
        "const { twice } = b_js;",
        "twice(2);",
        "})();",
        "})();",
    ]


def test_a_module_that_two_need_is_there_once(tmp_path):
    script = joined(
        tmp_path,
        main='import { b } from "./b.js";\nimport { c } from "./c.js";\nb(c);\n',
        b='import { a } from "./a.js";\nexport const b = (x) => a + x;\n',
        c='import { a } from "./a.js";\nexport const c = a;\n',
        a="export const a = 1;\n",
    )
    assert re.findall(r"const (\w+) = \(\(\)", script) == ["a_js", "b_js", "c_js", "main_js"]


@pytest.mark.parametrize("kind", ["function f() {", "async function f() {", "class f {"])
def test_every_kind_of_export_is_understood(tmp_path, kind):
    script = joined(
        tmp_path, main='import { f } from "./a.js";\nf;\n', a=f"export {kind}\n  return;\n}}\n"
    )
    assert f"\n{kind}\nreturn;\n}}\nreturn {{ f }};\n" in script


def test_equal_modules_give_equal_text():
    assert bundle_script(WEB / "main.js") == bundle_script(WEB / "main.js")


@pytest.mark.parametrize(
    "line",
    [
        'import x from "./a.js";',
        'import * as a from "./a.js";',
        'import { x as y } from "./a.js";',
        'import { x } from "https://example.org/a.js";',
        'import { x } from "../../a.js";',
        "import { x } from './a.js';",
        'import "./a.js";',
        "import {",
        'const a = await import("./a.js");',
        "const here = import.meta.url;",
        "export default 1;",
        "export let y = 1;",
        "export var y = 1;",
        "export { y };",
        "export const { y } = x;",
        "export function* y() {}",
        'export * from "./a.js";',
    ],
)
def test_other_forms_are_refused(tmp_path, line):
    with pytest.raises(LiverlibError, match=r"main\.js, line 2: .*not understood"):
        joined(tmp_path, main=f"// A line before.\n{line}\n", a="export const x = 1;\n")


def test_an_import_below_code_is_refused(tmp_path):
    text = 'let y = 1;\nimport { x } from "./a.js";\n'
    with pytest.raises(LiverlibError, match=r"main\.js, line 2: .*before all else"):
        joined(tmp_path, main=text, a="export const x = 1;\n")


def test_a_circle_is_named(tmp_path):
    with pytest.raises(LiverlibError, match=r"a\.js → b\.js → a\.js"):
        joined(
            tmp_path,
            main='import { a } from "./a.js";\na;\n',
            a='import { b } from "./b.js";\nexport const a = 1;\n',
            b='import { a } from "./a.js";\nexport const b = 1;\n',
        )


def test_a_name_exported_twice_is_refused(tmp_path):
    with pytest.raises(LiverlibError, match=r"b\.js: exports x, as a\.js does"):
        joined(
            tmp_path,
            main='import { x } from "./a.js";\nimport { y } from "./b.js";\nx + y;\n',
            a="export const x = 1;\n",
            b="export const y = 1;\nexport function x() {}\n",
        )


def test_a_name_that_is_not_exported_is_refused(tmp_path):
    with pytest.raises(LiverlibError, match=r"main\.js: imports y from a\.js, which does not"):
        joined(
            tmp_path, main='import { x, y } from "./a.js";\n', a="export const x = 1;\nlet y = 2;\n"
        )


def test_a_module_imported_twice_is_refused(tmp_path):
    text = 'import { x } from "./a.js";\nimport { y } from "./a.js";\n'
    with pytest.raises(LiverlibError, match=r"line 2: imports a\.js again"):
        joined(tmp_path, main=text, a="export const x = 1;\nexport const y = 2;\n")


def test_a_missing_module_is_named(tmp_path):
    with pytest.raises(LiverlibError, match=r"a\.js: cannot be read"):
        joined(tmp_path, main='import { x } from "./a.js";\n')


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!-- x -->"])
def test_what_would_end_the_pages_script_is_refused(tmp_path, text):
    with pytest.raises(LiverlibError, match="would end the page's script"):
        joined(tmp_path, main=f'const text = "{text}";\n')


def test_text_of_several_lines_is_refused_as_indentation_is_taken_away(tmp_path):
    with pytest.raises(LiverlibError, match="several lines"):
        joined(tmp_path, main="const text = `a\n  b`;\n")


def test_every_module_of_the_page_is_in_its_script():
    script = bundle_script(WEB / "main.js")
    names = [path.name.replace("-", "_").replace(".", "_") for path in WEB.rglob("*.js")]
    assert sorted(re.findall(r"^const (\w+_js) = \(\(\)", script, re.MULTILINE)) == sorted(names)


def test_modules_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in WEB.rglob("*.js")}
    assert {name: n for name, n in lengths.items() if n > 150} == {}
