// Connected pieces, by 6 neighbours as evaluation counts lesions; by 4 within a slice.
//
// Touches neither the document nor the page's state.

import { PLANES } from "../volume.js";

// The voxels connected to `start` whose class `belongs` (a table of 0 and 1), and whether they
// reach the edge of the volume. A `plane` keeps to its slice.
export function pieceAt(edit, start, belongs, plane) {
  const { shape, stride } = edit.volume;
  const axes = plane ? [PLANES[plane].across, PLANES[plane].up] : [0, 1, 2];
  const found = [];
  let atEdge = false;
  if (!belongs[edit.classOf(start)]) return { voxels: found, atEdge };
  const seen = new Uint8Array(edit.volume.pairs.length);
  seen[start] = 1;
  found.push(start);
  for (let n = 0; n < found.length; n++) {
    const index = found[n];
    for (const axis of axes) {
      const at = Math.floor(index / stride[axis]) % shape[axis];
      atEdge ||= at === 0 || at === shape[axis] - 1;
      for (const step of [at > 0 ? -stride[axis] : 0, at < shape[axis] - 1 ? stride[axis] : 0]) {
        const next = index + step;
        if (seen[next] || !belongs[edit.classOf(next)]) continue;
        seen[next] = 1;
        found.push(next);
      }
    }
  }
  return { voxels: found, atEdge };
}

// Whether a voxel of a class has a neighbour that is of one of `classes` (a table).
export function touches(edit, voxels, classes) {
  const { shape, stride } = edit.volume;
  return voxels.some((index) =>
    [0, 1, 2].some((axis) => {
      const at = Math.floor(index / stride[axis]) % shape[axis];
      const low = at > 0 && classes[edit.classOf(index - stride[axis])];
      return low || (at < shape[axis] - 1 && classes[edit.classOf(index + stride[axis])]);
    }),
  );
}

// The box around voxels, as (first, last) of each axis.
export function boxOf(volume, voxels) {
  const box = volume.shape.map((n) => [n, -1]);
  for (const index of voxels) {
    for (let axis = 0; axis < 3; axis++) {
      const at = Math.floor(index / volume.stride[axis]) % volume.shape[axis];
      if (at < box[axis][0]) box[axis][0] = at;
      if (at > box[axis][1]) box[axis][1] = at;
    }
  }
  return box;
}
