"""The surfaces of the liver and its tumours: their shape, and the pane that shows them."""

import numpy as np
import pytest
from chromium import needs_chromium, opened, state
from page_modules import run

from liverlib.io.volume import Grid, Volume
from liverlib.view.viewer.page import show

pytestmark = needs_chromium()

SHAPE = (30, 26, 22)
AFFINE = np.diag([2.0, 2, 3, 1])
MESH = """(() => {
  const made = volume.makeVolume(
    values.shape, new Uint8Array(values.pairs.length), Uint8Array.from(values.pairs));
  return nets.meshOf(made, 2, values.value, values.affine);
})()"""


def ball(centre, mm):
    middle = np.stack(np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]], -1) - centre
    return np.linalg.norm(middle @ AFFINE[:3, :3], axis=-1) <= mm


def make_case():
    """A ball of liver with a tumour in it, in front of its middle and to the patient's left."""
    mask = ball((15, 13, 11), 20).astype(np.uint8)
    mask[ball((12, 17, 12), 6)] = 2
    grid = Grid.of(SHAPE, AFFINE)
    return Volume(np.zeros(SHAPE, np.int16), grid, "case"), Volume(mask, grid, "case")


@pytest.mark.parametrize("value", [1, 2])
def test_a_surface_is_closed_and_holds_the_volume_of_its_class(tab, value):
    mask = make_case()[1].voxels
    mesh = run(tab, MESH, shape=list(SHAPE), value=value, affine=AFFINE[:3].tolist(),
               pairs=(mask << 2).ravel(order="F").tolist())  # fmt: skip
    points = np.reshape(mesh["vertices"], (-1, 3))
    faces = np.reshape(mesh["triangles"], (-1, 3))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)  # each once in each direction
    assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
    a, b, c = (points[faces[:, k]] for k in range(3))
    inside = (np.cross(a, b) * c).sum() / 6  # positive where faces look outwards
    expected = (mask >= value).sum() * 12
    assert inside == pytest.approx(expected, rel=0.2)  # nets are smooth: a small ball shrinks
    assert points.mean(0) == pytest.approx(
        np.argwhere(mask >= value).mean(0) @ AFFINE[:3, :3], abs=0.3
    )
    normals = np.reshape(mesh["normals"], (-1, 3))
    assert ((points - points.mean(0)) * normals).sum(1).min() > 0


def test_an_empty_class_has_no_surface(tab):
    mesh = run(tab, MESH, shape=[4, 4, 4], value=2, affine=AFFINE[:3].tolist(), pairs=[4] * 64)
    assert mesh["triangles"] == []


def test_large_volumes_are_reduced_to_128_blocks(tab):
    code = """(() => {
      const shape = [300, 3, 3];
      const pairs = new Uint8Array(2700).fill(4);
      const made = volume.makeVolume(shape, pairs, pairs);
      return nets.shareField(made, 2, 1);
    })()"""
    made = run(tab, code)
    assert made["factor"] == [3, 1, 1]
    assert made["size"] == [102, 5, 5]
    assert max(made["field"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("affine", [AFFINE, np.array(
    [[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -7], [0, 0, 0, 1.0]])])  # fmt: skip
def test_the_inverse_of_an_affine(tab, affine):
    made = run(tab, "camera.inverseOf(values.affine)", affine=affine[:3].tolist())
    assert np.allclose(made, np.linalg.inv(affine)[:3])


@pytest.mark.parametrize("webgl", [True, False])
def test_the_pane_shows_turns_and_finds_the_tumour(tab, tmp_path, webgl):
    """With WebGL2 and without: both colours are there, a click goes to the tumour, keys turn."""
    scan, mask = make_case()
    file = show(scan, mask=mask).save(tmp_path / "page.html")
    with opened(tab.context.browser, file) as page:
        if not webgl:
            page.evaluate("""() => {
              const get = HTMLCanvasElement.prototype.getContext;
              HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
                return kind === "webgl2" ? null : get.call(this, kind, ...rest);
              };
            }""")
        page.click("#whole")
        page.wait_for_function("!!sliceBrowser.solid.scene.paint")
        colours = shown(page)
        blue = (colours[..., 2] > colours[..., 0] + 20).mean()
        orange = (colours[..., 0] > colours[..., 2] + 40).mean()
        assert blue > 0.1
        assert orange > 0.01
        # The tumour lies in front: its middle, as one looks from the front.
        page.evaluate("sliceBrowser.change({ at: [2, 2, 2] })")
        box = page.locator("#surface-picture").bounding_box()
        centre, half = page.evaluate(
            "[sliceBrowser.solid.scene.centre, sliceBrowser.solid.scene.half]"
        )
        away = np.array([24, 34, 36]) - centre
        scale = box["width"] / 2 / half
        page.mouse.click(
            box["x"] + box["width"] / 2 - away[0] * scale,
            box["y"] + box["height"] / 2 - away[2] * scale,
        )
        at = state(page)["at"]
        assert mask.voxels[tuple(at)] == 2
        assert mask.voxels[at[0], at[1] + 1, at[2]] < 2  # the nearest one
        page.focus("#surface-picture")
        for _ in range(24):
            page.keyboard.press("ArrowRight")  # half around: now the back
        page.wait_for_timeout(100)
        assert abs(page.evaluate("sliceBrowser.solid.camera.yaw")) == pytest.approx(np.pi)
        assert np.abs(shown(page).astype(int) - colours).max() > 50
        assert state(page)["at"] == at


def shown(page):
    """The pixels of the pane, (rows, columns, 3)."""
    side, held = page.evaluate("""() => {
      sliceBrowser.draw();
      const canvas = document.querySelector("#surface-picture");
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      const context = copy.getContext("2d");
      context.drawImage(canvas, 0, 0);
      return [canvas.width, [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
    }""")
    return np.array(held, np.uint8).reshape(side, side, 4)[..., :3]


def test_the_surfaces_follow_what_is_painted(tab, tmp_path):
    scan, mask = make_case()
    file = show(scan, mask=mask).save(tmp_path / "page.html")
    with opened(tab.context.browser, file) as page:
        page.click("#whole")
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        triangles = "sliceBrowser.solid.scene.parts[0].mesh.triangles.length"
        before = page.evaluate(triangles)
        page.evaluate("sliceBrowser.change({ at: [18, 8, 9], tool: 'brush', solid: true })")
        page.evaluate("document.activeElement.blur()")  # or Enter would press the button
        page.keyboard.press("Enter")
        page.wait_for_function(f"{triangles} > {before}")
        page.keyboard.press("z")
        page.wait_for_function(f"{triangles} === {before}")


def test_the_surfaces_follow_what_is_shown(tab, tmp_path):
    scan, mask = make_case()
    label = Volume(np.minimum(mask.voxels, 1), mask.grid)
    file = show(scan, label, mask).save(tmp_path / "page.html")
    with opened(tab.context.browser, file) as page:
        page.click("#whole")
        tumour = "sliceBrowser.solid.scene.parts[0].mesh.triangles.length"
        assert page.evaluate(tumour) > 0
        page.select_option("#show", "label")
        page.wait_for_function(f"{tumour} === 0")
