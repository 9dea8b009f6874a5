"""The device to compute on, its precision, and the processes that share the work."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from .errors import LiverlibError

VARIABLE = "ACCELERATE_TORCH_DEVICE"  # Accelerate's own, so that training follows


def use_device(name: str) -> None:
    """Makes `best_device` take this device: auto, cpu, cuda, mps, or one of several GPUs, cuda:1.

    Raises `LiverlibError` where the machine lacks it, and where several processes share the work.
    """
    if name == "auto":
        return
    kind, _, number = name.partition(":")
    counts = {"cpu": 1, "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= counts.get(kind, torch.cuda.device_count()):
        raise LiverlibError(f"--device {name}: torch finds none here. Choose auto, or cpu.")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise LiverlibError(f"--device {name}: one for several processes. Leave it out.")
    os.environ[VARIABLE] = name


def best_device() -> torch.device:
    """The device in use, or else a GPU of NVIDIA's or Apple's, or else the CPU."""
    if chosen := os.environ.get(VARIABLE):
        return torch.device(chosen)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision(device: torch.device) -> str:
    """Number format of the convolutions, in Accelerate's words: "bf16", "fp16" or "no" (float32).

    bfloat16 halves the time on GPUs from Ampere on and on CPUs with AVX-512 BF16 or AMX. Other
    hardware only emulates it: older GPUs take float16, which needs a gradient scaler; other CPUs
    and Apple's GPUs take float32. Weights and sums stay float32 everywhere.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    capabilities: dict[str, Any] = {}
    if device.type == "cpu":
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.4 lacks it
    has_bf16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if has_bf16 else "no"


def is_accurate(device: torch.device, deepest: int) -> bool:
    """Whether lower precision is accurate for a network whose smallest feature map has this edge.

    On CPUs torch 2.13 computes wrong gradients in bfloat16 where the edge is 2.
    """
    return device.type != "cpu" or deepest != 2


def mixed_precision(device: torch.device, deepest: int) -> torch.autocast:
    """The context to apply a network in, with the `precision` of the device."""
    kind = precision(device)
    dtype = torch.float16 if kind == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=kind != "no" and is_accurate(device, deepest))


def is_main() -> bool:
    """Whether this process is alone, or the first of those launched together."""
    return int(os.environ.get("RANK", 0)) == 0


def main_first() -> AbstractContextManager:
    """A block that the first process of each machine passes before its other processes."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return nullcontext()
    from accelerate import PartialState

    return PartialState(cpu=best_device().type == "cpu").local_main_process_first()


def peak_gb(device: torch.device) -> float:
    """Peak memory so far, in GB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
