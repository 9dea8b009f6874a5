import pytest


@pytest.fixture(autouse=True)
def scans_are_believed(believed):
    """Most tests of the commands are about files, with scans that are no CT of a patient."""
