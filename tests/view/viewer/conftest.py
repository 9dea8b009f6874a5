"""What the browser tests of this folder share: a Chromium, a page on disk, a tab with modules."""

import pytest
from chromium import launched, make_case, volumes
from page_modules import copy_modules, opened_tab, served

from liverlib.view.viewer.page import show


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium."""
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    """The saved page of the case that `chromium.make_case` makes."""
    page = show(*volumes(make_case()), title="A case")
    return page.save(tmp_path_factory.mktemp("browser") / "case.html")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A tab that can load those of the page's modules that need no document."""
    folder = copy_modules(tmp_path_factory.mktemp("web"))
    with served(folder) as address, opened_tab(address) as tab:
        yield tab
