import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from liverlib.core.device import (
    VARIABLE,
    best_device,
    is_accurate,
    is_main,
    main_first,
    mixed_precision,
    peak_gb,
    precision,
    use_device,
)
from liverlib.core.errors import LiverlibError

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


def test_a_device_that_is_chosen_is_used(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")  # put back afterwards
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    use_device("auto")
    assert best_device() == torch.device("cuda")
    use_device("cpu")
    assert best_device() == CPU
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    use_device("cuda:1")
    assert best_device() == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps"])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2 if ":" in name else 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(LiverlibError, match=f"--device {name}: torch finds none"):
        use_device(name)


def test_one_device_is_not_for_several_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LiverlibError, match="Leave it out"):
        use_device("cpu")


def test_accelerate_trains_on_the_device_that_is_chosen():
    """In a process of its own, as Accelerate chooses once; meta is a device of every machine."""
    code = (
        "import os; from liverlib.core.device import VARIABLE, best_device;"
        "os.environ[VARIABLE] = 'meta'; from accelerate import Accelerator;"
        "print(Accelerator().device, best_device())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["meta", "meta"]


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
