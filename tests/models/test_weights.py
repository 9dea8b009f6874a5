import hashlib
import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from liverlib.core.errors import LiverlibError
from liverlib.models.unet import UNet3D
from liverlib.models.weights import FORMAT, PRETRAINED, load_networks, save_networks


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


def described(path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["liverlib"])


def rewritten(path, change):
    """The file with another description and the same tensors."""
    content = described(path)
    save_file(load_file(path), path, {"liverlib": json.dumps(change(content) or content)})


DISTORTED = {
    "no list": lambda d: d.pop("networks"),
    "no networks": lambda d: d.update(networks=[]),
    "networks of text": lambda d: d.update(networks=["a"]),
    "no shape": lambda d: d["networks"][0].pop("network"),
    "shape of text": lambda d: d["networks"][0].update(network="wide"),
    "no about": lambda d: d["networks"][0].pop("about"),
    "channels of text": lambda d: d["networks"][0]["network"].update(channels="wide"),
    "channels without end": lambda d: d["networks"][0]["network"].update(channels=[10**6] * 9),
    "no channels": lambda d: d["networks"][0]["network"].update(channels=[]),
    "blocks of nothing": lambda d: d["networks"][0]["network"].update(block_size=0),
    "format of text": lambda d: d.update(format="3"),
    "no format": lambda d: d.pop("format"),
}


@pytest.mark.parametrize("change", DISTORTED.values(), ids=DISTORTED)
@pytest.mark.parametrize("checked", [False, True])
def test_a_distorted_description_is_refused_in_a_sentence(tmp_path, change, checked):
    path = tmp_path / "w.safetensors"
    save_networks(path, [(UNet3D((4, 8)), {"cube": {}})])

    def distort(content):
        change(content)
        if not checked:  # as earlier versions wrote it
            content.pop("sha256")

    rewritten(path, distort)
    with pytest.raises(LiverlibError, match=r"w\.safetensors: .*(damaged|lacks|another shape)"):
        load_networks(path)


def test_a_description_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_networks(path, [(UNet3D((4, 8)), {})])
    rewritten(path, lambda content: [content])
    with pytest.raises(LiverlibError, match="not liverlib's weights"):
        load_networks(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    network = UNet3D((4, 8))
    with torch.no_grad():
        network.head.bias[1] = value
    save_networks(tmp_path / "w.safetensors", [(network, {})])
    with pytest.raises(LiverlibError, match="some weights are no numbers"):
        load_networks(tmp_path / "w.safetensors")


def test_no_flipped_or_lost_byte_goes_unnoticed(tmp_path):
    path = tmp_path / "w.safetensors"
    save_networks(path, [(UNet3D((4, 8)), {"cube": {"window": [-60, 200]}})], half=True)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    positions = [*random.integers(0, header, 150), *random.integers(header, len(whole), 50)]
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        try:
            networks = load_networks(path)
        except LiverlibError as error:
            assert str(error).startswith(str(path))
        else:  # a space for a tab, or a name that means the same
            assert len(networks) == 1
            assert networks[0][1] == {"cube": {"window": [-60, 200]}}
            assert described(path) and load_file(path).keys()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(LiverlibError, match="not liverlib's weights, or cut off"):
            load_networks(path)


def test_the_same_networks_make_the_same_bytes(tmp_path):
    network = UNet3D((4, 8))
    for name in "ab":
        save_networks(tmp_path / name, [(network, {"x": 1})])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_pretrained_weights_have_a_checksum_and_the_model_card_names_their_file():
    assert len(described(PRETRAINED)["sha256"]) == 64
    digest = hashlib.sha256(PRETRAINED.read_bytes()).hexdigest()
    assert digest in (PRETRAINED.parent / "README.md").read_text()
