import pytest
from training_runs import write_cubes


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Five cubes of 32³, each with a liver and a tumour."""
    return write_cubes(tmp_path_factory.mktemp("cubes"))
