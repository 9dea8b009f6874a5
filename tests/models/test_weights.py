import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from liverlib.core.errors import LiverlibError
from liverlib.models.unet import UNet3D
from liverlib.models.weights import FORMAT, load_networks, save_networks


def test_weights_come_back_to_the_bit(tmp_path):
    network = UNet3D((4, 8)).eval()
    deeper = UNet3D((4, 8, 8)).eval()
    save_networks(tmp_path / "w.safetensors", [(network, {"data": "nothing"}), (deeper, {})])
    (loaded, about), (loaded_deeper, _) = load_networks(tmp_path / "w.safetensors")
    x = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(loaded(x), network(x))
    assert torch.equal(loaded_deeper(x), deeper(x))
    assert about == {"data": "nothing"}


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    network = UNet3D((4, 8))
    for half in (False, True):
        save_networks(tmp_path / f"{half}.safetensors", [(network, {})], half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)]
    assert sizes[1] < 0.6 * sizes[0]
    assert {t.dtype for t in load_file(tmp_path / "True.safetensors").values()} == {torch.float16}
    ((loaded, _),) = load_networks(tmp_path / "True.safetensors")
    for parameter, original in zip(loaded.parameters(), network.parameters(), strict=True):
        assert torch.equal(parameter, original.half().float())


def weight_file(path, kind):
    network = UNet3D((4, 8))
    entry = {"network": network.shape, "about": {}}
    described = {"format": {"newer": 99, "older": 1}.get(kind, FORMAT), "networks": [entry]}
    if kind == "another shape":
        entry["network"]["channels"] = [4, 16]
    if kind == "another argument":
        entry["network"]["width"] = 3
    if kind == "pickle":
        torch.save(network.state_dict(), path)
    elif kind == "foreign":
        save_file(network.state_dict(), path)
    elif kind != "missing":
        tensors = {f"0.{name}": tensor for name, tensor in network.state_dict().items()}
        save_file(tensors, path, {"liverlib": json.dumps(described)})
    return path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("missing", "no such weights"),
        ("pickle", "not liverlib's weights"),
        ("foreign", "not liverlib's weights"),
        ("newer", "newer liverlib"),
        ("older", "an older liverlib"),
        ("another shape", "another shape"),
        ("another argument", "another shape"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, kind, text):
    path = weight_file(tmp_path / "w.safetensors", kind)
    with pytest.raises(LiverlibError, match=text) as caught:
        load_networks(path)
    assert str(path) in str(caught.value)
