// The table of lesions, by the definitions of evaluation/lesion_table.py, which a test compares.
//
// Touches neither the document nor the page's state. The volume's counts tell where to look.

import { findLesions, measured } from "./lesion.js";
import { surfaceSearch } from "./liver-surface.js";

// The volumes, and every lesion, the largest first. Millimetres are null where they are unknown.
export function measureTable(volume, shift, { affine, levels, known }) {
  const ml = known ? voxelMl(affine) : null;
  const [liver, tumour] = [1, 2].map((value) => sliceBox(volume, shift, value));
  const pieces = findLesions(volume, shift, tumour.box);
  const search = known && pieces.length ? surfaceSearch(volume, shift, liver.box, affine) : null;
  const lesions = pieces.map((voxels) => measured(volume, voxels, { affine, levels }, ml, search));
  return {
    liver_ml: known ? liver.count * ml : null,
    tumour_ml: known ? tumour.count * ml : null,
    burden: liver.count ? tumour.count / liver.count : null,
    lesions,
  };
}

export function voxelMl([a, b, c]) {
  const det =
    a[0] * (b[1] * c[2] - b[2] * c[1]) -
    a[1] * (b[0] * c[2] - b[2] * c[0]) +
    a[2] * (b[0] * c[1] - b[1] * c[0]);
  return Math.abs(det) / 1000;
}

// The box of all voxels of a class or a higher one, (first, end) of each axis, and their number.
export function sliceBox({ shape, counts }, shift, value) {
  let count = 0;
  const box = shape.map((n, axis) => {
    const held = Array.from({ length: n }, (_, slice) => {
      let sum = 0;
      for (let pair = 1; pair < 16; pair++) {
        if (((pair >> shift) & 3) >= value) sum += counts[axis][slice * 16 + pair];
      }
      return sum;
    });
    if (axis === 0) count = held.reduce((sum, voxels) => sum + voxels, 0);
    return [Math.max(0, held.findIndex(Boolean)), held.findLastIndex(Boolean) + 1];
  });
  return { box, count };
}
