// Slices between two that were painted: their shapes, moved and blended by signed distance.
//
// Touches neither the document nor the page's state. After Raya and Udupa 1990, "Shape-based
// interpolation of multidimensional objects"; the shapes' centres are laid on each other.

import { putByRule } from "./brush.js";
import { pieceAt } from "./pieces.js";
import { PLANES } from "../volume.js";

const BELONGS = { liver: [0, 1, 1, 0], tumour: [0, 0, 1, 0] };
const ROUNDING = 1e-9; // mm: at a tie nothing is painted, on every machine

// Fills the slices between the last two that were painted in this plane with this class. Returns
// the text that says why nothing was done, or "".
export function interpolate(edit, of, rule, plane, spacing) {
  const painted = edit.steps.slice(0, edit.done).filter(({ note }) =>
    note.paints && note.of === of && note.plane === plane).reverse();
  const second = painted.find(({ note }) => note.slice !== painted[0].note.slice);
  if (!second) return `Paint ${of} in two slices of this plane first.`;
  const [a, b] = [painted[0], second].map(({ note }) => note.slice);
  if (Math.abs(a - b) < 2) return "There is no slice between the two painted last.";
  const shapes = [a, b].map((slice) => shapeIn(edit, painted, of, plane, slice));
  if (shapes.some((shape) => !shape.points.length)) return `Paint ${of} in two slices first.`;
  const { across, up } = PLANES[plane];
  const reach = [0, 1].map((k) => Math.max(...shapes.map((shape) => shape.reach[k])));
  const mm = [spacing[across], spacing[up]];
  const distances = shapes.map((shape) => signedDistance(shape, reach, mm));
  const step = Math.sign(b - a);
  for (let slice = a + step; slice !== b; slice += step) {
    blend(edit, plane, slice, (slice - a) / (b - a), shapes, reach, distances, rule);
  }
  return "";
}

// The pieces of a slice that its strokes touch: their points (across, up), centre and reach.
function shapeIn(edit, painted, of, plane, slice) {
  const { shape, stride } = edit.volume;
  const { across, up, through } = PLANES[plane];
  const at = (index, axis) => Math.floor(index / stride[axis]) % shape[axis];
  const inside = new Set();
  for (const { note, runs } of painted) {
    if (note.slice !== slice) continue;
    for (let r = 0; r < runs.length; r += 3) {
      for (let i = runs[r]; i < runs[r] + runs[r + 1]; i++) {
        if (at(i, through) !== slice || inside.has(i)) continue;
        for (const voxel of pieceAt(edit, i, BELONGS[of], plane).voxels) inside.add(voxel);
      }
    }
  }
  const points = [...inside].map((i) => [at(i, across), at(i, up)]);
  const centre = [0, 1].map((k) =>
    Math.floor(points.reduce((sum, p) => sum + p[k], 0) / points.length + 0.5));
  const reach = [0, 1].map((k) =>
    points.reduce((most, p) => Math.max(most, Math.abs(p[k] - centre[k])), 0));
  return { points, centre, reach };
}

// mm to the shape's edge around its centre: positive inside, negative outside. `at` (da, du) are
// voxels from the centre, at most the `reach` of both shapes.
function signedDistance({ points, centre }, reach, spacing) {
  const [width, height] = reach.map((n) => 2 * n + 3);
  const inside = new Uint8Array(width * height);
  for (const [a, u] of points) {
    inside[a - centre[0] + reach[0] + 1 + (u - centre[1] + reach[1] + 1) * width] = 1;
  }
  const [toOut, toIn] = [0, 1].map((value) => distanceTo(inside, value, width, height, spacing));
  return (da, du) => {
    const i = da + reach[0] + 1 + (du + reach[1] + 1) * width;
    return inside[i] ? toOut[i] : -toIn[i];
  };
}

// mm from each pixel to the nearest one of a value: along rows, then by columns.
function distanceTo(pixels, value, width, height, spacing) {
  const rows = new Float64Array(pixels.length).fill(Infinity);
  for (let y = 0; y < height; y++) {
    for (const step of [1, -1]) {
      let last = -Infinity;
      for (let n = 0; n < width; n++) {
        const x = step > 0 ? n : width - 1 - n;
        if (pixels[x + y * width] === value) last = n;
        rows[x + y * width] = Math.min(rows[x + y * width], (n - last) * spacing[0]);
      }
    }
  }
  return Float64Array.from(pixels, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let best = Infinity;
    for (let r = 0; r < height; r++) {
      best = Math.min(best, rows[x + r * width] ** 2 + ((r - y) * spacing[1]) ** 2);
    }
    return Math.sqrt(best);
  });
}

// Paints a slice at a share `t` of the way: where the blended distance is that of an inside.
function blend(edit, plane, slice, t, [a, b], reach, [distanceA, distanceB], rule) {
  const { shape, stride } = edit.volume;
  const { across, up, through } = PLANES[plane];
  const centre = [0, 1].map((k) => Math.floor(a.centre[k] + t * (b.centre[k] - a.centre[k]) + 0.5));
  for (let du = -reach[1]; du <= reach[1]; du++) {
    for (let da = -reach[0]; da <= reach[0]; da++) {
      if ((1 - t) * distanceA(da, du) + t * distanceB(da, du) < ROUNDING) continue;
      const [x, y] = [centre[0] + da, centre[1] + du];
      if (x < 0 || y < 0 || x >= shape[across] || y >= shape[up]) continue;
      putByRule(edit, x * stride[across] + y * stride[up] + slice * stride[through], rule);
    }
  }
}
