"""Weight files: networks with what they were trained on, in safetensors; nothing is executed."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic

from .unet import UNet3D

FORMAT = 3  # of weight files; raised when an older liverlib could not read them
PRETRAINED = Path(__file__).parents[1] / "weights" / "pretrained.safetensors"  # see README.md there


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
    write_tensors(path, tensors, "liverlib", {"format": FORMAT, "networks": described})


def load_networks(path: str | Path) -> list[tuple[UNet3D, dict]]:
    """The networks in a weight file, ready to apply, each with what is said about it.

    Nothing in the file is executed. Raises `LiverlibError` for files that are not liverlib's, of
    another version, or damaged, and for weights that do not fit the networks they name.

    Args:
        path: a ``weights.safetensors`` of a run, or `PRETRAINED`.

    >>> [about["cube"]["crop"] for _, about in load_networks(PRETRAINED)]
    ['body', 'liver']
    """
    if not Path(path).exists():
        raise LiverlibError(f"{path}: no such weights. Train first: make run.")
    described, tensors = read_tensors(
        path, "liverlib", "liverlib's weights", "Name a weights.safetensors from results/."
    )
    version = described.get("format")
    if isinstance(version, int) and version != FORMAT:
        newer = version > FORMAT
        raise LiverlibError(
            f"{path}: written by {'a newer' if newer else 'an older'} liverlib. "
            + ("Update liverlib." if newer else "Train again.")
        )
    networks = [
        (_rebuilt(path, entry["network"], f"{n}.", tensors), entry["about"])
        for n, entry in enumerate(_entries(path, described))
    ]
    weights = [weight for network, _ in networks for weight in network.state_dict().values()]
    if not all(math.isfinite(weight.sum()) for weight in weights):  # a sum shows what is no number
        raise LiverlibError(
            f"{path}: some weights are no numbers (NaN or infinite). Use another file, or train "
            "again."
        )
    return networks


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], key: str, content: Mapping[str, Any]
) -> None:
    """Writes tensors atomically; the header holds `content` as JSON and a SHA-256 of it all."""
    text = json.dumps({**content, "sha256": _checksum(tensors, content)})
    with atomic(path) as temporary:
        save_file(dict(tensors), temporary, {key: text})


def read_tensors(
    path: str | Path, key: str, kind: str, advice: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write_tensors` wrote; raises `LiverlibError` for any other file and a damaged one.

    `kind` says what the file should be, and `advice` what to do; the error repeats both. Files of
    earlier versions have no checksum.
    """
    try:
        with safe_open(path, "pt") as file:
            content = json.loads((file.metadata() or {})[key])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not isinstance(content, dict):
            raise ValueError("its header holds no description")
    except PermissionError as error:
        raise LiverlibError(f"{path}: permission denied. Allow reading it.") from error
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        problem = f"no {error} in its header" if isinstance(error, KeyError) else error
        raise LiverlibError(f"{path}: not {kind}, or cut off ({problem}). {advice}") from error
    checksum = content.pop("sha256", None)
    if checksum is not None and checksum != _checksum(tensors, content):
        raise LiverlibError(f"{path}: damaged, its checksum is another. {advice}")
    return content, tensors


def _checksum(tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> str:
    """SHA-256 of the description as JSON, and of all tensors in the order of their names."""
    digest = hashlib.sha256(json.dumps(content).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _entries(path: str | Path, described: Mapping[str, Any]) -> list[dict[str, dict]]:
    """The description of each network; raises `LiverlibError` where a field lacks or is wrong."""
    entries = described.get("networks")
    known = set(described) == {"format", "networks"} and described["format"] == FORMAT
    if not known or not isinstance(entries, list) or not entries:
        raise LiverlibError(f"{path}: its description is damaged. Copy it again, or train again.")
    for entry in entries:
        fields = entry if isinstance(entry, dict) else {}
        for name in ("network", "about"):
            if not isinstance(fields.get(name), dict):
                raise LiverlibError(
                    f"{path}: its description lacks {name!r}. Copy it again, or train again."
                )
    return entries


def _rebuilt(path: str | Path, shape: dict, prefix: str, tensors: dict[str, Tensor]) -> UNet3D:
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    try:
        with torch.device("meta"):  # takes no memory, however large a damaged shape is
            expected = UNet3D(**shape).state_dict()
        for name in sorted({*expected, *own}):
            if name not in own or name not in expected or own[name].shape != expected[name].shape:
                raise ValueError(f"{name} does not fit")
        network = UNet3D(**shape)
        network.load_state_dict(own)
    except Exception as error:  # a network takes a wrong shape in many ways
        problem = str(error).splitlines()[-1].strip() if str(error) else type(error).__name__
        raise LiverlibError(
            f"{path}: weights of another shape ({problem}). Train again, or update liverlib."
        ) from error
    return network.eval()
