"""Hugging Face's layout: its own library reads the card."""

import pytest
from stages import save_untrained

from liverlib.core.text import NOT_MEDICAL
from liverlib.inference.export import hub
from liverlib.inference.export.hub import model_card, write_hub_folder
from liverlib.models.weights import PRETRAINED, load_networks


def test_its_library_reads_the_cards_header(tmp_path):
    library = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    paths = write_hub_folder(tmp_path / "x", weights)
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "x").iterdir()}
    card = library.ModelCard.load(tmp_path / "x" / "README.md")
    assert (card.data.license, card.data.library_name) == ("mit", "liverlib")
    assert card.data.pipeline_tag == "image-segmentation" and "onnx" in card.data.tags
    assert NOT_MEDICAL in card.text and "segment.py" in card.text
    assert len(load_networks(tmp_path / "x" / "model.safetensors")) == 2


@pytest.mark.parametrize("address", ["", "https://forge.example/a/b"])
def test_the_pretrained_weights_have_their_own_card_with_links_that_lead_somewhere(
    address, monkeypatch
):
    monkeypatch.setattr(hub, "HOME", address)
    text = model_card(PRETRAINED, "## Use\n\n")
    assert "../" not in text
    assert (f"]({address}/blob/main/docs/" in text) == bool(address)
    assert text.index("# Model card") < text.index("## Use") < text.index("## Details")
