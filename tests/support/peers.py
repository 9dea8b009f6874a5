"""Other libraries to agree with, where they are installed.

They are no dependencies: pip install --no-deps monai surface-distance nnunetv2
"""

import warnings
from types import ModuleType

import numpy as np
import pytest
import torch


def peer(module: str, name: str) -> ModuleType:
    """The module of another library; the test that asks for it is skipped without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(module, reason=f"{name} is not installed")


def batch(mask: np.ndarray) -> torch.Tensor:
    """A mask as a batch of one with one channel."""
    return torch.from_numpy(np.ascontiguousarray(mask))[None, None]
