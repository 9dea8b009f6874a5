// The brush: a ball or a disc, round in the patient's millimetres.
//
// Touches neither the document nor the page's state.

import { PLANES } from "../volume.js";

const ROUNDING = 1e-6; // mm², so that a voxel at the very edge is in on every machine

// What a class becomes, by the class that it has. A tumour lies in the liver: to paint liver
// leaves tumours as they are, and where a tumour is erased there is liver.
const PAINTED = { liver: [1, 1, 2], tumour: [2, 2, 2] };
const ERASED = { liver: [0, 0, 0], tumour: [0, 1, 1] };

// What a tool does to a voxel: a table from its class to the next one, and the levels that allow
// it (null for all). `range` is (low, high) in HU.
export function makeRule({ of, erases, inside, range }, hounsfield) {
  const next = Uint8Array.from([...(erases ? ERASED : PAINTED)[of], 0]);
  if (inside) next[0] = 0;
  const allowed = range && Uint8Array.from(hounsfield, (hu) => hu >= range[0] && hu <= range[1]);
  return { next, allowed };
}

// Gives a voxel the class that a rule has for it.
export function putByRule(edit, index, rule) {
  const before = edit.classOf(index);
  const after = rule.next[before];
  if (after === before || (rule.allowed && !rule.allowed[edit.volume.levels[index]])) return;
  edit.put(index, after);
}

// The rows (dy, dz, first dx, last dx) of all voxels whose middle is at most `radius` mm away.
// `affine` are its first three rows; a `plane` keeps to its slice, null is a ball.
export function brushRows(affine, radius, plane) {
  const gram = [0, 1, 2].map((i) =>
    [0, 1, 2].map((j) => affine.reduce((sum, row) => sum + row[i] * row[j], 0)),
  );
  const reach = reachOf(gram, radius);
  if (plane) reach[PLANES[plane].through] = 0;
  const rows = [];
  for (let z = -reach[2]; z <= reach[2]; z++) {
    for (let y = -reach[1]; y <= reach[1]; y++) {
      const isIn = (x) => squared(gram, x, y, z) <= radius * radius + ROUNDING;
      let [first, last] = [-reach[0], reach[0]];
      while (first <= last && !isIn(first)) first++;
      while (last > first && !isIn(last)) last--;
      if (first <= last) rows.push([y, z, first, last]);
    }
  }
  return rows;
}

function squared(g, x, y, z) {
  return (
    g[0][0] * x * x + g[1][1] * y * y + g[2][2] * z * z +
    2 * (g[0][1] * x * y + g[0][2] * x * z + g[1][2] * y * z)
  );
}

// How many voxels the ball reaches along each axis: from the diagonal of the inverse.
function reachOf(g, radius) {
  const minor = (i, j) => g[i][i] * g[j][j] - g[i][j] * g[j][i];
  const minors = [minor(1, 2), minor(0, 2), minor(0, 1)];
  const det =
    g[0][0] * minors[0] -
    g[0][1] * (g[1][0] * g[2][2] - g[1][2] * g[2][0]) +
    g[0][2] * (g[1][0] * g[2][1] - g[1][1] * g[2][0]);
  return minors.map((value) => Math.floor(radius * Math.sqrt(Math.max(0, value / det)) + 1e-3));
}

// Stamps the brush on a voxel; what reaches beyond the volume is cut off.
export function stamp(edit, rows, [x, y, z], rule) {
  const { shape, stride } = edit.volume;
  for (const [dy, dz, dx0, dx1] of rows) {
    if (y + dy < 0 || y + dy >= shape[1] || z + dz < 0 || z + dz >= shape[2]) continue;
    const start = (y + dy) * stride[1] + (z + dz) * stride[2];
    const last = Math.min(shape[0] - 1, x + dx1);
    for (let i = Math.max(0, x + dx0); i <= last; i++) putByRule(edit, start + i, rule);
  }
}

// The voxels on the way from one to another, without the first: a stroke has no gaps.
export function voxelsBetween(from, to) {
  const steps = Math.max(...to.map((value, axis) => Math.abs(value - from[axis])));
  return Array.from({ length: steps }, (_, n) =>
    to.map((value, axis) => Math.floor(from[axis] + ((value - from[axis]) * (n + 1)) / steps + 0.5)),
  );
}
