// Ruler and ellipse: millimetres between two points, mean and spread of HU in a region.
//
// Touches neither the document nor the page's state. Points are in voxels, the middle of the first
// one at 0.

import { PLANES } from "../volume.js";

export function lengthMm(affine, from, to) {
  const step = to.map((value, axis) => value - from[axis]);
  return Math.hypot(...affine.map((row) => row[0] * step[0] + row[1] * step[1] + row[2] * step[2]));
}

// Of the voxels of a slice whose middles are in the ellipse between two corners: their number,
// mean HU and standard deviation (of all of them, not of a sample), and its area in mm².
export function ellipseOf(volume, levels, affine, plane, from, to) {
  const { across, up, through } = PLANES[plane];
  const middle = [across, up].map((axis) => (from[axis] + to[axis]) / 2);
  const radius = [across, up].map((axis) => Math.abs(to[axis] - from[axis]) / 2);
  let [n, sum, squares] = [0, 0, 0];
  const clipped = (k, axis) => [
    Math.max(0, Math.ceil(middle[k] - radius[k])),
    Math.min(volume.shape[axis] - 1, Math.floor(middle[k] + radius[k])),
  ];
  const [[a0, a1], [u0, u1]] = [clipped(0, across), clipped(1, up)];
  for (let u = u0; u <= u1; u++) {
    for (let a = a0; a <= a1; a++) {
      const [x, y] = [(a - middle[0]) / radius[0], (u - middle[1]) / radius[1]];
      if (!(x * x + y * y <= 1)) continue;
      const index =
        a * volume.stride[across] + u * volume.stride[up] + from[through] * volume.stride[through];
      const hu = levels[volume.levels[index]];
      n++;
      sum += hu;
      squares += hu * hu;
    }
  }
  const mean = n ? sum / n : null;
  const sd = n ? Math.sqrt(Math.max(0, squares / n - mean * mean)) : null;
  return { n, mean, sd, mm2: Math.PI * radius[0] * radius[1] * areaOf(affine, across, up) };
}

// mm² of a pixel: the parallelogram of two columns of the affine.
function areaOf(affine, across, up) {
  const [a, b] = [across, up].map((axis) => affine.map((row) => row[axis]));
  return Math.hypot(
    a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
}
