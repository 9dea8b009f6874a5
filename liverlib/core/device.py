"""What the machine has to compute on, how precisely it should, and how many processes share it."""

import os
import resource
import sys
from contextlib import AbstractContextManager, nullcontext

import torch


def best_device() -> torch.device:
    """A GPU where there is one, NVIDIA's or Apple's."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision(device: torch.device) -> str:
    """How convolutions multiply, in Accelerate's words: "bf16", "fp16" or "no" (float32).

    Half the time in bfloat16, where the hardware has it: GPUs from Ampere on, and CPUs with
    AVX-512 BF16 or AMX. Others only emulate it: older GPUs, a T4 too, take float16, which needs a
    gradient scaler, other CPUs and Apple's GPUs float32. Weights and sums stay float32 everywhere.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    has = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return "bf16" if has.get("avx512_bf16") or has.get("amx_bf16") else "no"


def is_accurate(device: torch.device, deepest: int) -> bool:
    """Whether lower precision may be used where the smallest feature map has this edge.

    On CPUs torch 2.13 computes wrong gradients in bfloat16 where it is 2.
    """
    return device.type != "cpu" or deepest != 2


def mixed_precision(device: torch.device, deepest: int) -> torch.autocast:
    """The context in which a network is applied, at the machine's `precision`."""
    kind = precision(device)
    dtype = torch.float16 if kind == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=kind != "no" and is_accurate(device, deepest))


def is_main() -> bool:
    """Whether this process is the only one, or the first of those launched together."""
    return int(os.environ.get("RANK", 0)) == 0


def main_first() -> AbstractContextManager:
    """A block that each machine's first process passes before its others."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return nullcontext()
    from accelerate import PartialState

    return PartialState(cpu=best_device().type == "cpu").local_main_process_first()


def peak_gb(device: torch.device) -> float:
    """The most memory used so far, in GB: a GPU's, or this process'."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
