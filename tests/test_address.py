"""One address, which links, badges, start cells and the citation share."""

import json
import re
import tomllib
from pathlib import Path

import address as tool
import pytest

ROOT = Path(__file__).parents[1]
FORGE, OTHER = "https://github.com/owner/project", "https://forge.example/group/part/project"
TEXTS = {path.name: path.read_text("utf-8") for path in tool.files()}


def all_with(address: str, texts: dict[str, str] = TEXTS) -> dict[str, str]:
    return {name: tool.rewritten(name, text, address) for name, text in texts.items()}


def test_the_files_name_the_address_that_is_set_and_no_other():
    assert all_with(tool.current()) == TEXTS


@pytest.mark.parametrize("address", [FORGE, OTHER])
def test_an_address_can_be_changed_and_taken_away(address):
    unset, texts = all_with(""), all_with(address)
    assert all_with(address, texts) == texts
    assert all_with("", texts) == unset
    assert all_with(FORGE, texts) == all_with(FORGE)
    for name, text in texts.items():
        assert address in text, name
        assert "://" not in unset[name] or address not in unset[name]


def test_without_an_address_nothing_leads_elsewhere():
    """What is left leads to papers and documentation, to no repository."""
    for name, text in all_with("").items():
        assert tool.BADGE not in text, name
        assert "git clone http" not in text
    assert "Clone this repository, then" in all_with("")["README.md"]
    for text in (text for name, text in all_with("").items() if name.endswith(".ipynb")):
        assert 'ADDRESS = ""' in "".join(json.loads(text)["cells"][1]["source"])


def test_with_an_address_every_link_of_the_readme_is_whole_and_leads_to_a_file():
    text = all_with(FORGE)["README.md"]
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert all(link.startswith(("https://", "#")) for link in links)
    own = [link for link in links if link.startswith(FORGE)]
    assert len(own) > 10
    for link in own:
        kind, _, file = link.removeprefix(f"{FORGE}/").partition("/main/")
        assert (ROOT / file).exists(), link
        assert kind == ("raw" if file.endswith((".png", ".svg")) else "blob")


def test_the_badges_open_the_notebooks_from_github_alone():
    for name in (name for name in TEXTS if name.endswith(".ipynb")):
        target = f"colab.research.google.com/github/owner/project/blob/main/notebooks/{name}"
        cells = json.loads(all_with(FORGE)[name])["cells"]
        assert target in "".join(cells[0]["source"])
        assert f'ADDRESS = "{FORGE}"' in "".join(cells[1]["source"])
        assert target in all_with(FORGE)["README.md"]
        assert tool.BADGE not in all_with(OTHER)[name] + all_with(OTHER)["README.md"]


def test_the_setting_is_the_packages_repository():
    project = tomllib.loads(all_with(OTHER)["pyproject.toml"])["project"]
    assert project["urls"]["Repository"] == OTHER
    assert "urls" not in tomllib.loads(all_with("")["pyproject.toml"])["project"]


@pytest.mark.parametrize("words", ["project", "http://host/a/b", "https://host", "https://h/a/b c"])
def test_what_is_no_address_is_refused(words):
    assert "no address" in tool.main([words])
    assert {path.name: path.read_text("utf-8") for path in tool.files()} == TEXTS
