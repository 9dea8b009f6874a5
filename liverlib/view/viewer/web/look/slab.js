// A slab: the mean, highest or lowest of some slices, in place of one.
//
// Touches neither the document nor the page's state. Levels rise with HU, so that the highest level
// is the highest HU; a mean is taken in HU and shown as the level nearest to it.

import { PLANES } from "../volume.js";

// The slices of a slab of so many mm around one of them, as (first, last).
export function slabSlices(volume, plane, slice, mm, spacing) {
  const { through } = PLANES[plane];
  const reach = Math.floor(mm / 2 / spacing[through] + 1e-9);
  return [Math.max(0, slice - reach), Math.min(volume.shape[through] - 1, slice + reach)];
}

// The nearest level of each HU from the lowest on, the lower one of two.
export function levelTable(levels) {
  const table = new Uint8Array(levels[255] - levels[0] + 1);
  for (let hu = levels[0], level = 0; hu <= levels[255]; hu++) {
    while (level < 255 && levels[level + 1] - hu < hu - levels[level]) level++;
    table[hu - levels[0]] = level;
  }
  return table;
}

// The levels of a slab, pixel by pixel of a walk (volume.sliceWalk) of its first slice.
export function slabLevels(volume, walk, [first, last], plane, kind, levels, table) {
  const { columns, rows, start, right, down } = walk;
  const step = volume.stride[PLANES[plane].through];
  const made = new Uint8Array(columns * rows);
  const n = last - first + 1;
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0, v = start + r * down; c < columns; c++, i++, v += right) {
      let value = kind === "min" ? 255 : 0;
      for (let k = 0, at = v; k < n; k++, at += step) {
        const level = volume.levels[at];
        if (kind === "mean") value += levels[level];
        else if (kind === "max" ? level > value : level < value) value = level;
      }
      made[i] = kind === "mean" ? table[Math.floor(value / n + 0.5) - levels[0]] : value;
    }
  }
  return made;
}
