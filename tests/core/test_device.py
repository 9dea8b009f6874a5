import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from liverlib.core.device import (
    is_accurate,
    is_main,
    main_first,
    mixed_precision,
    peak_gb,
    precision,
)

CPU = torch.device("cpu")


def test_the_smallest_feature_map_may_forbid_lower_precision():
    """On CPUs torch 2.13's bfloat16 gives wrong gradients at 2×2×2 voxels."""
    assert not is_accurate(CPU, 2)
    assert is_accurate(CPU, 4)
    assert is_accurate(torch.device("cuda"), 2)
    with mixed_precision(CPU, 2):
        assert not torch.is_autocast_enabled("cpu")
    with mixed_precision(CPU, 4):
        assert torch.is_autocast_enabled("cpu") == (precision(CPU) != "no")


def test_of_several_processes_the_first_is_the_main_process(monkeypatch):
    assert is_main()
    monkeypatch.setenv("RANK", "1")
    assert not is_main()


def test_a_process_alone_waits_for_nobody():
    with main_first():
        assert 0 < peak_gb(CPU) < 1000


def test_where_a_system_lacks_resource_psutil_tells_the_peak(monkeypatch):
    """On Windows; psutil has `peak_wset` there alone, so it is a stand-in here."""
    told = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=3_000_000_000))
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: told))
    assert peak_gb(CPU) == 3


@pytest.mark.parametrize("package", ["core", "io", "data"])
def test_torch_is_imported_by_what_computes_with_it_alone(package):
    code = (
        "import importlib, sys;"
        f"import liverlib.{package} as package;"
        "names = set(package.__all__) - {'device', 'random'};"
        "[importlib.import_module(f'{package.__name__}.{name}') for name in names];"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
