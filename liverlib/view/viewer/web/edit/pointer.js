// The tools at work: under the pointer, and at the crosshair by a key.

import { brushRows, makeRule, stamp, voxelsBetween } from "./brush.js";
import { interpolate } from "./interpolate.js";
import { deletePiece, fill, relabelPiece, smoothPiece } from "./operations.js";
import { endStep, session, takeStep } from "./session.js";
import { facts, moveTo, state, volume } from "../state.js";
import { PLANES, pointOfVoxel, voxelAtPoint, voxelIndex } from "../volume.js";

export const STROKES = ["brush", "eraser"];

function ruleOf(erases) {
  const { of, inside, ranged, low, high } = state;
  return makeRule({ of, erases, inside, range: ranged ? [low, high] : null }, facts.levels);
}

export function voxelUnder(view, event) {
  const box = view.picture.getBoundingClientRect();
  const point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  return voxelAtPoint(volume, view.plane, state.at, point, state.radiological);
}

// What follows the pointer while its button is down; `end` returns whether a step was stored.
export function toolDrag(view) {
  if (!STROKES.includes(state.tool)) {
    let [used, stored] = [false, false];
    return Object.assign((event) => {
      if (used) return;
      used = true;
      moveTo(voxelUnder(view, event));
      stored = applyTool(view.plane);
    }, { end: () => stored });
  }
  const stroke = beginStroke(view.plane);
  const follow = (event) => {
    const voxel = voxelUnder(view, event);
    stroke(voxel);
    moveTo(voxel);
    placeRing(view, voxel);
  };
  return Object.assign(follow, { end: () => endStep() });
}

// A stroke: called with voxel after voxel, it leaves no gaps. Where its step was ended meanwhile
// (by a key, or by another finger), it goes on in a new one.
function beginStroke(plane) {
  const erases = state.tool === "eraser";
  const rule = ruleOf(erases);
  const rows = brushRows(facts.affine, state.radius, state.solid ? null : plane);
  const slice = state.at[PLANES[plane].through];
  const note = { paints: !erases, of: state.of, plane, slice };
  session.edit.begin(note);
  let last = null;
  return (voxel) => {
    const { edit } = session;
    if (!edit.open) edit.begin(note);
    for (const at of last ? voxelsBetween(last, voxel) : [voxel]) stamp(edit, rows, at, rule);
    last = voxel;
  };
}

// The chosen tool, once, at the crosshair. Returns whether a step was stored.
export function applyTool(plane = state.active) {
  if (STROKES.includes(state.tool)) {
    beginStroke(plane)(state.at);
    return endStep();
  }
  const start = voxelIndex(volume, state.at);
  const flat = state.solid ? null : plane;
  const tools = {
    fill: (edit) => fill(edit, start, state.of, ruleOf(false), flat),
    smooth: (edit) => smoothPiece(edit, start, state.of, [ruleOf(false), ruleOf(true)], flat),
    delete: (edit) => deletePiece(edit, start),
    relabel: (edit) => relabelPiece(edit, start),
  };
  return state.tool in tools && takeStep(tools[state.tool]);
}

export function interpolateSlices() {
  takeStep((edit) =>
    interpolate(edit, state.of, ruleOf(false), state.active, facts.spacing));
}

// The outline of the brush around a voxel; none without a brush or a voxel.
export function placeRing(view, voxel) {
  const shown = voxel && state.editing && STROKES.includes(state.tool);
  view.ring.hidden = !shown;
  if (!shown) return;
  const { across, up } = PLANES[view.plane];
  const [x, y] = pointOfVoxel(volume, view.plane, voxel, state.radiological);
  const share = (axis) => (200 * state.radius) / (facts.spacing[axis] * volume.shape[axis]);
  Object.assign(view.ring.style, {
    left: `${100 * x}%`, top: `${100 * y}%`, width: `${share(across)}%`, height: `${share(up)}%`,
  });
}
