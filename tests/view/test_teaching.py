import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from liverlib.models.unet import UNet3D
from liverlib.view.slices import COLOURS
from liverlib.view.teaching import appearances, batch, cost, fits, live_curves, network_diagram

ROW = {
    "step": 1, "learning_rate": 1e-3, "train_loss": 1.0, "validation_loss": 2.0,
    "validation_liver_dice": 0.5, "validation_tumour_dice": 0.1,
}  # fmt: skip


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def feature_maps(network: UNet3D, size: int) -> list[str]:
    """The shape of what each encoder and decoder makes, as the diagram writes it."""
    text = []
    for block in [*network.encoders, *network.decoders]:
        block.register_forward_hook(
            lambda _, __, made: text.append(f"{made.shape[1]} × {made.shape[-1]}³")
        )
    network(torch.zeros(1, 1, size, size, size))
    return text


@pytest.mark.parametrize("kind", [{"channels": (4, 8, 16)}, {"channels": (4, 8), "block_size": 1}])
def test_the_diagram_says_the_shapes_that_the_network_makes(kind):
    network = UNet3D(**kind)
    figure = network_diagram(network.shape, size=16)
    boxes = sorted(text for text in texts(figure) if "×" in text and "\n" not in text)
    assert boxes == sorted(feature_maps(network, 16))
    assert {"1 × 16³\nimage", "3 × 16³\nlogits"} <= set(texts(figure))
    assert texts(figure).count("skip") == len(kind["channels"]) - 1
    words = {"space\nto depth", "depth\nto space"}
    assert words & set(texts(figure)) == (words if network.block_size > 1 else set())


@pytest.mark.parametrize("channels", [(16, 32, 64, 128), (32, 64, 128, 256, 320)])
def test_boxes_and_words_of_the_diagram_do_not_overlap(channels):
    figure = network_diagram(UNet3D(channels).shape)
    figure.draw_without_rendering()
    axis, levels = figure.axes[0], len(channels)
    boxes = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    words = [text for text in axis.texts if text.get_text()]
    assert len(boxes) == 2 + 2 * levels - 1
    extents = [part.get_window_extent() for part in (*boxes, *words)]
    assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])


def test_the_patches_of_a_batch_are_shown_where_their_tumours_are():
    image, soft_labels = torch.full((2, 1, 8, 8, 8), 0.5), torch.zeros(2, 2, 8, 8, 8)
    soft_labels[0, :, 2:5, 2:5, 6] = 1
    soft_labels[1, 0, 2:5, 2:5, 3] = 1
    figure = batch(image, soft_labels)
    assert [axis.get_title() for axis in figure.axes] == ["slice 6 of 8", "slice 3 of 8"]
    tumour, liver = (np.asarray(axis.images[0].get_array()) for axis in figure.axes)
    outlines = (np.array(COLOURS[name]) for name in ("tumour", "liver"))
    for picture, colour in zip((tumour, liver), outlines, strict=True):
        assert set(map(tuple, picture.reshape(-1, 3))) == {(128, 128, 128), tuple(colour)}
    assert batch(image, soft_labels, [1, 2]).axes[1].get_title() == "slice 2 of 8"


def test_live_curves_replace_themselves(monkeypatch):
    shown, updates = [], []

    class Output:
        update = staticmethod(updates.append)

    def display(content, display_id):
        shown.append(content)
        return Output

    monkeypatch.setattr("IPython.display.display", display)
    draw = live_curves(epochs=5)
    for epoch in (1, 2):
        draw([ROW | {"epoch": n + 1} for n in range(epoch)])
    assert len(shown) == 1
    assert [len(figure.axes[0].lines[0].get_xdata()) for figure in updates] == [1, 2]
    assert {axis.get_xlim() for figure in updates for axis in figure.axes} == {(0.5, 5.5)}
    assert not plt.get_fignums()


def test_fits_share_one_scale():
    figure = fits({"first": [ROW], "second": [ROW | {"train_loss": 9.0}]})
    assert [axis.get_title() for axis in figure.axes] == ["first", "second"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    for axis, loss in zip(figure.axes, (1.0, 9.0), strict=True):
        assert [line.get_ydata()[0] for line in axis.lines] == [loss, 2.0]


def test_the_cost_of_a_network():
    shape = UNet3D((32, 64, 128), block_size=1, norm=False).shape
    small, large = cost(shape, 32), cost(shape, 64)
    assert small["parameters"] == 1_355_427
    assert small["weights_mb"] == pytest.approx(1_355_427 * 4 / 2**20)
    assert large["kept_mb"] == pytest.approx(8 * small["kept_mb"])


def test_the_kept_megabytes_are_those_of_a_real_forward_pass():
    """Two convolutions of one block: their two inputs and the output, each non-linearity's in
    place, then the head's input once more: it is the block's output."""
    kept = cost({"channels": (4,), "block_size": 1, "norm": False}, 16)["kept_mb"]
    assert kept == (1 + 4 + 4) * 16**3 * 4 / 2**20


def test_real_appearances_stand_before_the_synthetic_ones():
    x = np.linspace(0.1, 0.5, 5)
    synthetic = [dict.fromkeys(("liver", "cube", "noise"), (n * x, x)) for n in (1, 2, 3)]
    figure = appearances({"real": synthetic[1]}, synthetic)
    for axis in figure.axes:
        *grey, real = [line for line in axis.get_lines() if len(line.get_xdata())]
        assert len(grey) == 3 and {line.get_color() for line in grey} == {"0.75"}
        assert np.array_equal(real.get_ydata(), 2 * x) and real.get_color() != "0.75"
    words = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert words == ["real", "3 synthetic"] and figure.axes[2].get_yscale() == "log"
