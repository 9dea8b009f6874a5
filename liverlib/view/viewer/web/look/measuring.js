// Ruler and ellipse on the pictures: the drag that makes them, their outline, their text.

import { byId } from "../dom.js";
import { ellipseOf, lengthMm } from "./measures.js";
import { averaged, change, facts, state, volume } from "../state.js";
import { PLANES, isMirrored, volumeOfRow, voxelAtPoint } from "../volume.js";

export const MEASURES = ["ruler", "ellipse"];

// The point under the pointer in voxels, between their middles, too.
function pointUnder(view, event) {
  const { across, up } = PLANES[view.plane];
  const box = view.picture.getBoundingClientRect();
  const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const point = voxelAtPoint(volume, view.plane, state.at, share, state.radiological);
  const mirrored = isMirrored(view.plane, state.radiological);
  point[across] = (mirrored ? 1 - share[0] : share[0]) * volume.shape[across] - 0.5;
  point[up] = (1 - share[1]) * volume.shape[up] - 0.5;
  return point;
}

export function measureDrag(view) {
  let from = null;
  const follow = (event) => {
    const to = pointUnder(view, event);
    from ??= to;
    measure(view, from, to);
  };
  return Object.assign(follow, { end() {} });
}

function measure({ plane, row }, from, to) {
  change({ measure: { kind: state.tool, plane, row, from, to } });
}

// By keys: the first time where it begins, the second time where it ends, at the crosshair.
export function measureAtCrosshair() {
  const { measure: last, active: plane, at } = state;
  const open = last && last.open && last.plane === plane;
  measure({ plane, row: 0 }, open ? last.from : at.slice(), at.slice());
  state.measure.open = !open;
}

export function describeMeasure() {
  const { measure: last } = state;
  if (!last) return "";
  const known = facts.spacing_known;
  if (last.kind === "ruler") {
    const mm = lengthMm(facts.affine, last.from, last.to);
    return known ? `ruler: ${mm.toFixed(1)} mm` : "ruler: mm unknown";
  }
  const { n, mean, sd, mm2 } = ellipseOf(
    volumeOfRow(volume, last.row), facts.levels, facts.affine, last.plane, last.from, last.to);
  const name = facts.second === null ? "" : ` in ${last.row ? facts.second : facts.title}`;
  if (!n) return `ellipse${name}: no voxel inside`;
  const area = known ? `, ${(mm2 / 100).toFixed(2)} cm²` : "";
  const hu = `mean ${mean.toFixed(1)} HU, SD ${sd.toFixed(1)}${averaged ? " of averages" : ""}`;
  return `ellipse${name}: ${hu}${area}, ${n} voxels`;
}

// Outlines, in the slice where they were made.
export function drawMeasures(views) {
  byId("measure").textContent = describeMeasure();
  for (const view of views) {
    const { across, up, through } = PLANES[view.plane];
    const last = state.measure;
    const shown = last?.plane === view.plane && last.from[through] === state.at[through];
    view.ruler.toggleAttribute("hidden", !(shown && last.kind === "ruler"));
    view.ellipse.toggleAttribute("hidden", !(shown && last.kind === "ellipse"));
    if (!shown) continue;
    const mirrored = isMirrored(view.plane, state.radiological);
    const [a, b] = [last.from, last.to].map((point) => {
      const x = (point[across] + 0.5) / volume.shape[across];
      return [100 * (mirrored ? 1 - x : x), 100 * (1 - (point[up] + 0.5) / volume.shape[up])];
    });
    set(view.ruler, { x1: a[0], y1: a[1], x2: b[0], y2: b[1] });
    set(view.ellipse, {
      cx: (a[0] + b[0]) / 2, cy: (a[1] + b[1]) / 2,
      rx: Math.abs(a[0] - b[0]) / 2, ry: Math.abs(a[1] - b[1]) / 2,
    });
  }
}

function set(shape, values) {
  for (const [name, value] of Object.entries(values)) shape.setAttribute(name, value);
}
