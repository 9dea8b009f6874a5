"""The tools that correct masks, in a worker of a real Chromium, beside their twins in NumPy."""

import numpy as np
import pytest
from chromium import needs_chromium
from edit_twin import ball, between, in_slice, piece, smoothed, stroke, table
from hypothesis import given, settings
from hypothesis import strategies as st
from page_modules import run

from liverlib.view.slices import HU_LEVELS

pytestmark = needs_chromium()

SHAPE = (17, 14, 11)
AFFINES = {
    "isotropic": np.eye(4),
    "thick": np.diag([0.8, 0.7, 5, 1]),
    "oblique": np.array([[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -7], [0, 0, 0, 1.0]]),
}
# Begins an edit of a mask, acts on it, and gives the mask, the texts and the counts back.
ACT = """(() => {
  const pairs = Uint8Array.from(values.pairs);
  const levels = Uint8Array.from(values.levels ?? pairs);
  const made = volume.makeVolume(values.shape, levels, pairs);
  const edit = new editing.Edit(made, values.shift ?? 2);
  const at = (voxel) => volume.voxelIndex(made, voxel);
  const rule = (rule) => brush.makeRule(rule, values.hounsfield ?? []);
  const acted = (%s)(edit, at, rule, made);
  const fresh = volume.makeVolume(values.shape, levels, pairs.slice());
  return { pairs, acted, same: JSON.stringify(fresh.counts) === JSON.stringify(made.counts),
    steps: edit.steps.length, done: edit.done };
})()"""
STROKE = """(edit, at, rule) => {
  const rows = brush.brushRows(values.affine, values.radius, values.plane);
  edit.begin();
  values.path.forEach((voxel, n) => {
    const way = n ? brush.voxelsBetween(values.path[n - 1], voxel) : [voxel];
    for (const step of way) brush.stamp(edit, rows, step, rule(values.rule));
  });
  edit.end();
}"""


def classes(seed=0, shape=SHAPE):
    """A liver with holes and islands, and tumours in it."""
    random = np.random.default_rng(seed)
    smooth = random.normal(size=shape)
    for axis in range(3):
        smooth = (np.roll(smooth, 1, axis) + smooth + np.roll(smooth, -1, axis)) / 3
    return (smooth > -0.1).astype(np.uint8) + (smooth > 0.15)


def act(tab, mask, code, shift=2, others=0, **values):
    """The classes after an action, its result, and that the counts of slices are right."""
    pairs = (mask << shift) + (others << (2 - shift))
    answer = run(
        tab,
        ACT % code,
        pairs=pairs.ravel(order="F").tolist(),
        shape=list(mask.shape),
        shift=shift,
        **values,
    )
    after = np.array(answer["pairs"], np.uint8).reshape(mask.shape, order="F")
    assert answer["same"]
    assert np.array_equal((after >> (2 - shift)) & 3, np.broadcast_to(others, mask.shape))
    return (after >> shift) & 3, answer


@pytest.mark.parametrize("plane", [None, "axial", "coronal", "sagittal"])
@pytest.mark.parametrize("name", AFFINES)
def test_a_stroke_is_round_in_millimetres_and_has_no_gaps(tab, name, plane):
    affine = AFFINES[name]
    path = [(2, 3, 4), (2, 3, 4), (9, 11, 4), (16, 12, 4)]
    mask = classes()
    for radius in (0.3, 2.0, 5.5, 11):
        after, _ = act(
            tab, mask, STROKE, affine=affine[:3].tolist(), radius=radius, plane=plane, path=path,
            rule={"of": "tumour"},
        )  # fmt: skip
        expected = stroke(mask, affine, path, radius, plane, table("tumour"))
        assert np.array_equal(after, expected), radius
    assert ball(SHAPE, affine, (2, 3, 4), 0.3, plane).sum() == 1  # a voxel at least


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("erases", [False, True])
@pytest.mark.parametrize("of", ["liver", "tumour"])
@pytest.mark.parametrize("shift", [0, 2])
def test_what_is_painted_and_erased_follows_its_rule(tab, of, erases, inside, shift):
    mask, others = classes(), classes(1)
    levels = np.random.default_rng(2).integers(0, 256, SHAPE).astype(np.uint8)
    low, high = 0, 120
    hu = HU_LEVELS[levels]
    after, _ = act(
        tab, mask, STROKE, shift, others, affine=np.eye(4)[:3].tolist(), radius=4, plane=None,
        path=[(8, 7, 5)], levels=levels.ravel(order="F").tolist(), hounsfield=HU_LEVELS.tolist(),
        rule={"of": of, "erases": erases, "inside": inside, "range": [low, high]},
    )  # fmt: skip
    allowed = (hu >= low) & (hu <= high)
    changed = table(of, erases, inside)
    expected = stroke(mask, np.eye(4), [(8, 7, 5)], 4, None, changed, allowed)
    assert np.array_equal(after, expected), np.argwhere(after != expected)


def test_the_brush_is_cut_off_at_the_edge_of_the_scan(tab):
    mask = np.zeros(SHAPE, np.uint8)
    corner = [(0, 0, 0), (16, 0, 10)]
    values = {"affine": np.eye(4)[:3].tolist(), "radius": 6, "plane": None, "path": corner}
    after, _ = act(tab, mask, STROKE, rule={"of": "liver"}, **values)
    assert np.array_equal(after, stroke(mask, np.eye(4), corner, 6, None, table("liver")))


@pytest.mark.parametrize("plane", [None, "axial", "coronal", "sagittal"])
@pytest.mark.parametrize("of", ["liver", "tumour"])
def test_a_hole_is_filled_and_an_open_one_is_refused(tab, of, plane):
    """Every voxel is tried: what its region of others is, and whether that reaches the edge."""
    mask = classes(3, (7, 6, 5))
    code = """(edit, at, rule) => {
      edit.begin();
      const text = operations.fill(edit, at(values.voxel), values.of, rule({ of: values.of }),
        values.plane);
      edit.end();
      return text;
    }"""
    belongs = mask >= (1 if of == "liver" else 2)
    filled = 0
    for voxel in np.ndindex(*mask.shape):
        if (voxel[0] + 2 * voxel[1] + 3 * voxel[2]) % 10:
            continue
        after, answer = act(tab, mask, code, voxel=voxel, of=of, plane=plane)
        hole = piece(~belongs, voxel, plane)
        planes = [axis for axis in range(3) if plane is None or axis != AXIS[plane]]
        on_edge = any(np.moveaxis(hole, axis, 0)[[0, -1]].any() for axis in planes)
        closed = hole.any() and not on_edge
        assert (answer["acted"] == "") == closed
        filled += closed
        expected = np.where(hole & closed, table(of)[mask], mask)
        assert np.array_equal(after, expected), np.argwhere(after != expected)


AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


def test_a_closed_hole_is_filled(tab):
    mask = np.zeros((9, 9, 5), np.uint8)
    mask[1:8, 1:8, 1:4] = 1
    mask[3:6, 3:6, 2] = 2
    mask[4, 4, 2] = 0
    code = """(edit, at, rule) => {
      edit.begin();
      return operations.fill(edit, at([4, 4, 2]), values.of, rule({ of: values.of }), null);
    }"""
    for of, value in (("liver", 1), ("tumour", 2)):
        after, answer = act(tab, mask, code, of=of)
        if of == "liver":
            assert answer["acted"] == ""
            assert after[4, 4, 2] == value
            assert (after != mask).sum() == 1
        else:  # in 3D, the liver above and below leaves it open for tumour
            assert "open" in answer["acted"]


def test_pieces_are_deleted_and_relabelled_whole(tab):
    mask = classes(4)
    code = """(edit, at) => {
      edit.begin();
      return operations[values.tool](edit, at(values.voxel));
    }"""
    random = np.random.default_rng(0)
    for voxel in random.integers(0, SHAPE, (12, 3)).tolist():
        value = mask[tuple(voxel)]
        after, answer = act(tab, mask, code, tool="relabelPiece", voxel=voxel)
        chosen = piece(mask == value, voxel) & (value > 0)
        assert (answer["acted"] == "") == bool(value)
        assert np.array_equal(after, np.where(chosen, 3 - value, mask))
        after, _ = act(tab, mask, code, tool="deletePiece", voxel=voxel)
        chosen = piece(mask == 2 if value == 2 else mask > 0, voxel)
        grown = np.zeros_like(chosen)
        for axis in range(3):
            moved = np.moveaxis(chosen, axis, 0)
            np.moveaxis(grown, axis, 0)[1:] |= moved[:-1]
            np.moveaxis(grown, axis, 0)[:-1] |= moved[1:]
        left = 1 if value == 2 and (mask[grown] == 1).any() else 0
        assert np.array_equal(after, np.where(chosen, left, mask) if value else mask)


@pytest.mark.parametrize("plane", [None, "axial", "coronal"])
@pytest.mark.parametrize("of", ["liver", "tumour"])
def test_a_piece_is_smoothed(tab, of, plane):
    mask = classes(5)
    code = """(edit, at, rule) => {
      edit.begin();
      const rules = [rule({ of: values.of }), rule({ of: values.of, erases: true })];
      return operations.smoothPiece(edit, at(values.voxel), values.of, rules, values.plane);
    }"""
    belongs = mask >= (1 if of == "liver" else 2)
    for voxel in np.argwhere(belongs)[::151].tolist():
        after, answer = act(tab, mask, code, voxel=voxel, of=of, plane=plane)
        inside = piece(belongs, voxel, plane)
        wanted = smoothed(inside, plane) & in_slice(mask, plane, voxel[AXIS[plane]] if plane else 0)
        expected = np.where(wanted & ~inside, table(of)[mask], mask)
        expected = np.where(inside & ~wanted, table(of, erases=True)[mask], expected)
        assert answer["acted"] == ""
        assert np.array_equal(after, expected), np.argwhere(after != expected)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_between_two_painted_ones_are_interpolated(tab, plane):
    spacing = (1.0, 1.5, 2.0)
    affine = np.diag([*spacing, 1])
    axis = AXIS[plane]
    first, second = [5, 5, 5], [9, 8, 6]
    first[axis], second[axis] = 2, 9
    code = """(edit, at, rule) => {
      const texts = [];
      const go = () => {
        edit.begin();
        texts.push(interpolation.interpolate(
          edit, "tumour", rule({ of: "tumour" }), values.plane, values.spacing));
        edit.end();
      };
      go();
      for (const [voxel, radius] of values.stamps) {
        const slice = voxel[volume.PLANES[values.plane].through];
        edit.begin({ paints: true, of: "tumour", plane: values.plane, slice });
        const rows = brush.brushRows(values.affine, radius, values.plane);
        brush.stamp(edit, rows, voxel, rule({ of: "tumour" }));
        edit.end();
      }
      go();
      return texts;
    }"""
    mask = np.zeros(SHAPE, np.uint8)
    mask[13, 2, 2] = 2  # elsewhere, painted before: stays out of it
    after, answer = act(
        tab, mask, code, plane=plane, spacing=spacing, affine=affine[:3].tolist(),
        stamps=[[first, 3.2], [second, 5]],
    )  # fmt: skip
    assert answer["acted"][1] == ""
    assert "two slices" in answer["acted"][0]
    expected = stroke(mask, affine, [first], 3.2, plane, table("tumour"))
    expected = stroke(expected, affine, [second], 5, plane, table("tumour"))
    shapes = [ball(SHAPE, affine, at, mm, plane) for at, mm in ((first, 3.2), (second, 5))]
    a, b = (np.take(shape, i, axis) for shape, i in zip(shapes, (2, 9), strict=True))
    mm = [s for n, s in enumerate(spacing) if n != axis]
    for slice_ in range(3, 9):
        # The last painted is the first of the two.
        inside = between(b, a, (9 - slice_) / 7, mm)
        plane_view = np.moveaxis(expected, axis, 0)[slice_]
        plane_view[inside] = 2
        assert inside.any()
    assert np.array_equal(after, expected), np.argwhere(after != expected)


def test_slices_of_a_very_large_liver_are_interpolated(tab):
    mask = np.ones((400, 380, 3), np.uint8)
    mask[:, :, 1] = mask[0, 0] = 0
    code = """(edit, at, rule) => {
      for (const slice of [0, 2]) {
        edit.begin({ paints: true, of: "liver", plane: "axial", slice });
        edit.put(at([0, 0, slice]), 1);
        edit.end();
      }
      edit.begin();
      const text = interpolation.interpolate(
        edit, "liver", rule({ of: "liver" }), "axial", [1, 1, 1]);
      edit.end();
      return text;
    }"""
    after, answer = act(tab, mask, code)
    assert answer["acted"] == ""
    assert after.all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 999))
def test_undo_and_redo_go_back_and_forth_to_the_bit(tab, seed):
    """Random strokes, fills and deletions: all undone is the original, all redone the result."""
    random = np.random.default_rng(seed)
    strokes = [
        {"voxel": random.integers(0, SHAPE).tolist(), "radius": float(random.uniform(0.5, 4)),
         "rule": {"of": ["liver", "tumour"][random.integers(2)], "erases": random.random() < 0.5},
         "tool": str(random.choice(["brush", "relabelPiece", "deletePiece"]))}
        for _ in range(12)
    ]  # fmt: skip
    code = """(edit, at, rule, made) => {
      const states = [made.pairs.slice()];
      for (const { voxel, radius, rule: given, tool } of values.strokes) {
        edit.begin();
        if (tool === "brush") {
          brush.stamp(edit, brush.brushRows(values.affine, radius, null), voxel, rule(given));
        } else {
          operations[tool](edit, at(voxel), null);
        }
        if (edit.end()) states.push(made.pairs.slice());
      }
      const equal = (a, b) => a.every((value, i) => value === b[i]);
      let right = states.length === edit.done + 1;
      for (let n = edit.done - 1; n >= 0; n--) {
        right &&= edit.undo() && equal(made.pairs, states[n]);
      }
      right &&= !edit.undo();
      for (let n = 1; n < states.length; n++) {
        right &&= edit.redo() && equal(made.pairs, states[n]);
      }
      right &&= !edit.redo();
      while (edit.undo());
      return right;
    }"""
    mask, others = classes(seed), classes(seed + 1)
    after, answer = act(
        tab, mask, code, others=others, strokes=strokes, affine=np.eye(4)[:3].tolist()
    )
    assert answer["acted"] is True
    assert np.array_equal(after, mask)


def test_two_hundred_steps_are_kept_and_a_new_one_forgets_what_was_undone(tab):
    code = """(edit) => {
      for (let i = 0; i < 230; i++) {
        edit.begin();
        edit.put(i, 2);
        edit.end();
      }
      let undone = 0;
      while (edit.undo()) undone++;
      const left = edit.volume.pairs.filter(Boolean).length;
      edit.begin();
      edit.put(500, 1);
      edit.end();
      return [undone, left, edit.redo(), edit.steps.length];
    }"""
    _, answer = act(tab, np.zeros(SHAPE, np.uint8), code)
    assert answer["acted"] == [200, 30, False, 1]


def test_a_step_that_changes_nothing_is_no_step(tab):
    code = "(edit) => { edit.begin(); edit.put(3, 0); return edit.end(); }"
    _, answer = act(tab, np.zeros(SHAPE, np.uint8), code)
    assert (answer["acted"], answer["steps"]) == (False, 0)


def test_the_mask_is_tightened_and_stored_in_any_order_of_axes(tab):
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 2:9, 4:5] = classes()[3:6, 2:9, 4:5] | 1
    code = """(() => {
      const mask = Uint8Array.from(values.mask);
      const part = { first: [10, 20, 30], size: values.shape, values: mask };
      const tight = maskFile.tightened(part);
      const stored = values.orders.map((axes) => maskFile.toStored(part, axes));
      const empty = maskFile.tightened(maskFile.emptyPart([1, 2, 3], [4, 4, 4]));
      return { tight, stored, empty };
    })()"""
    orders = [[[0, False], [1, False], [2, False]], [[2, True], [0, False], [1, True]]]
    flat = mask.ravel(order="F").tolist()
    answer = run(tab, code, mask=flat, shape=list(SHAPE), orders=orders)
    assert (answer["tight"]["first"], answer["tight"]["size"]) == ([13, 22, 34], [3, 7, 1])
    assert answer["tight"]["values"] == mask[3:6, 2:9, 4:5].ravel(order="F").tolist()
    assert answer["stored"][0] == flat
    turned = mask[:, ::-1, ::-1].transpose(2, 0, 1)
    assert answer["stored"][1] == turned.ravel(order="F").tolist()
    assert answer["empty"] == {"first": [1, 2, 3], "size": [0, 0, 0], "values": []}
