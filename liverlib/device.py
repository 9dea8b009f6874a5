"""What the machine has to compute on, and how precisely it should."""

import torch


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device, deepest: int) -> torch.autocast:
    """Convolutions in bfloat16 where the hardware multiplies it, which takes half the time.

    That is GPUs from Ampere on and CPUs with AVX-512 BF16 or AMX; others only emulate it, a T4
    too, and stay with float32, as do weights and sums everywhere. `deepest` is the edge of the
    smallest feature map: on CPUs torch 2.13 computes wrong gradients where that is 2.
    """
    if device.type == "cuda":
        able = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        has = getattr(torch.cpu, "get_capabilities", dict)()
        able = deepest != 2 and (has.get("avx512_bf16", False) or has.get("amx_bf16", False))
    return torch.autocast(device.type, torch.bfloat16, enabled=able)
