"""Weight files: networks with what they were trained on, in safetensors; nothing is executed."""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic

from .unet import UNet3D

FORMAT = 3  # of weight files; raised when an older liverlib could not read them


def save_networks(
    path: str | Path, networks: Sequence[tuple[UNet3D, dict]], half: bool = False
) -> None:
    """Writes networks into one file, each with what it was trained on and how.

    With `half` in numbers of 16 bits, half as large. Tensors are named ``0.…``, ``1.…``; shapes and
    descriptions are JSON in the file's header.
    """
    described = [{"network": network.shape, "about": about} for network, about in networks]
    tensors = {
        f"{n}.{name}": (tensor.half() if half else tensor).contiguous().cpu()
        for n, (network, _) in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    note = json.dumps({"format": FORMAT, "networks": described})
    with atomic(path) as temporary:
        save_file(tensors, temporary, {"liverlib": note})


def load_networks(path: str | Path) -> list[tuple[UNet3D, dict]]:
    """The networks in a weight file, ready to apply, each with what is said about it.

    Nothing in the file is executed. Raises `LiverlibError` for files that are not liverlib's, of
    another version, or whose weights do not fit the networks they name.

    Args:
        path: a ``weights.safetensors`` of a run, or `PRETRAINED`.

    >>> [about["cube"]["crop"] for _, about in load_networks(PRETRAINED)]
    ['body', 'liver']
    """
    try:
        with safe_open(path, "pt") as file:
            described = json.loads((file.metadata() or {})["liverlib"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise LiverlibError(f"{path}: no such weights. Train first: make run.") from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise LiverlibError(
            f"{path}: not liverlib's weights ({error}). Name a weights.safetensors from results/."
        ) from error
    if described["format"] != FORMAT:
        newer = described["format"] > FORMAT
        raise LiverlibError(
            f"{path}: written by {'a newer' if newer else 'an older'} liverlib. "
            + ("Update liverlib." if newer else "Train again.")
        )
    return [
        (_rebuilt(path, entry["network"], f"{n}.", tensors), entry["about"])
        for n, entry in enumerate(described["networks"])
    ]


def _rebuilt(path: str | Path, shape: dict, prefix: str, tensors: dict[str, Tensor]) -> UNet3D:
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    try:
        network = UNet3D(**shape)
        network.load_state_dict(own)
    except (TypeError, RuntimeError) as error:
        problem = str(error).splitlines()[-1].strip()
        raise LiverlibError(
            f"{path}: weights of another shape ({problem}). Train again, or update liverlib."
        ) from error
    return network.eval()


PRETRAINED = Path(__file__).parents[1] / "weights" / "pretrained.safetensors"  # see README.md there
