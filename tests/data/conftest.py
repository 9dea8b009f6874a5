from pathlib import Path

import pytest
from web import CASES, Web, tarred, volumes

from liverlib.data import remote_tar


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """An MSD dataset of `CASES` labelled cases; no test changes it."""
    return volumes(tmp_path_factory.mktemp("data") / "Task03_Liver", CASES)


@pytest.fixture
def web(dataset, monkeypatch):
    """A server of that dataset's tar; the client does not wait long before it tries again."""
    monkeypatch.setattr(remote_tar, "PAUSES", (0.0, 0.0, 0.0))
    with Web(tarred(dataset)) as web:
        yield web
        web.shutdown()
