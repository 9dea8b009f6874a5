// Surfaces of a mask: naive surface nets of the share of each block that a class fills.
//
// Touches neither the document nor the page's state. After Gibson 1998, "Constrained elastic
// surface nets"; a vertex is the mean of where the edges of its cell cross the level.

import { sliceBox } from "../measure/lesion-table.js";

const LEVEL = 0.5;
const CORNERS = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n & 1, (n >> 1) & 1, n >> 2]);
const EDGES = CORNERS.flatMap((a, i) =>
  CORNERS.flatMap((b, j) => (i < j && a.filter((v, k) => v !== b[k]).length === 1 ? [[i, j]] : [])));

// The shares (0 to 1) of a class, or a higher one, in the blocks of its box: at most `most` along
// an axis, and an empty block around. `origin` and `factor` lead back to the volume's voxels.
export function shareField(volume, shift, value, most = 128) {
  const { box } = sliceBox(volume, shift, value);
  const factor = box.map(([low, end]) => Math.max(1, Math.ceil((end - low) / (most - 2))));
  const size = box.map(([low, end], axis) => Math.ceil(Math.max(0, end - low) / factor[axis]) + 2);
  const field = new Float32Array(size[0] * size[1] * size[2]);
  const add = 1 / (factor[0] * factor[1] * factor[2]);
  const block = factor.map((f, axis) =>
    Int32Array.from({ length: Math.max(0, box[axis][1] - box[axis][0]) }, (_, i) =>
      Math.floor(i / f) + 1));
  for (let z = box[2][0]; z < box[2][1]; z++) {
    for (let y = box[1][0]; y < box[1][1]; y++) {
      const to = (block[1][y - box[1][0]] + block[2][z - box[2][0]] * size[1]) * size[0];
      const from = y * volume.stride[1] + z * volume.stride[2];
      for (let x = box[0][0]; x < box[0][1]; x++) {
        if (((volume.pairs[from + x] >> shift) & 3) >= value) {
          field[to + block[0][x - box[0][0]]] += add;
        }
      }
    }
  }
  const origin = box.map(([low], axis) => low - factor[axis] + (factor[axis] - 1) / 2);
  return { field, size, origin, factor };
}

// Vertices (x, y, z, … in blocks) and triangles, anticlockwise as seen from outside.
export function surfaceNet(field, size) {
  const stride = [1, size[0], size[0] * size[1]];
  const offset = CORNERS.map((corner) => corner.reduce((sum, c, k) => sum + c * stride[k], 0));
  const vertexOf = new Int32Array(field.length).fill(-1);
  const [vertices, triangles] = [[], []];
  for (let z = 0; z < size[2] - 1; z++) {
    for (let y = 0; y < size[1] - 1; y++) {
      for (let x = 0, i = y * stride[1] + z * stride[2]; x < size[0] - 1; x++, i++) {
        let inside = 0;
        for (let c = 0; c < 8; c++) if (field[i + offset[c]] >= LEVEL) inside |= 1 << c;
        if (inside === 0 || inside === 255) continue;
        vertexOf[i] = vertices.length / 3;
        pushMiddle(vertices, field, i, offset, inside, x, y, z);
        addQuads(i, x, y, z, inside);
      }
    }
  }
  return { vertices: Float32Array.from(vertices), triangles: Uint32Array.from(triangles) };

  // The edges from the cell's first corner: around each that crosses lie four cells, all made.
  function addQuads(i, x, y, z, inside) {
    const first = inside & 1;
    if (y && z && first !== ((inside >> 1) & 1)) addQuad(i, stride[1], stride[2], first);
    if (z && x && first !== ((inside >> 2) & 1)) addQuad(i, stride[2], stride[0], first);
    if (x && y && first !== ((inside >> 4) & 1)) addQuad(i, stride[0], stride[1], first);
  }

  function addQuad(i, u, v, first) {
    const [a, b, c, d] = [vertexOf[i - u - v], vertexOf[i - v], vertexOf[i], vertexOf[i - u]];
    if (first) triangles.push(a, b, c, a, c, d);
    else triangles.push(a, c, b, a, d, c);
  }
}

// Adds the mean of the crossings of a cell's edges to `vertices`.
function pushMiddle(vertices, field, i, offset, inside, x, y, z) {
  let [crossings, sx, sy, sz] = [0, 0, 0, 0];
  for (let e = 0; e < EDGES.length; e++) {
    const a = EDGES[e][0];
    const b = EDGES[e][1];
    if (((inside >> a) & 1) === ((inside >> b) & 1)) continue;
    const low = field[i + offset[a]];
    const t = (LEVEL - low) / (field[i + offset[b]] - low);
    crossings++;
    sx += (a & 1) + t * ((b & 1) - (a & 1));
    sy += ((a >> 1) & 1) + t * (((b >> 1) & 1) - ((a >> 1) & 1));
    sz += (a >> 2) + t * ((b >> 2) - (a >> 2));
  }
  vertices.push(x + sx / crossings, y + sy / crossings, z + sz / crossings);
}

// A class as a mesh in mm: vertices, normals that point outwards, triangles, and how far vertices
// are apart.
export function meshOf(volume, shift, value, affine) {
  const { field, size, origin, factor } = shareField(volume, shift, value);
  const { vertices, triangles } = surfaceNet(field, size);
  for (let i = 0; i < vertices.length; i += 3) {
    const x = vertices[i] * factor[0] + origin[0];
    const y = vertices[i + 1] * factor[1] + origin[1];
    const z = vertices[i + 2] * factor[2] + origin[2];
    for (let k = 0; k < 3; k++) {
      const row = affine[k];
      vertices[i + k] = row[0] * x + row[1] * y + row[2] * z + row[3];
    }
  }
  const step = Math.max(...factor.map((f, axis) => f * Math.hypot(...affine.map((row) => row[axis]))));
  return { vertices, triangles, normals: normalsOf(vertices, triangles), step };
}

function normalsOf(p, triangles) {
  const normals = new Float32Array(p.length);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    const [ux, uy, uz] = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
    const [vx, vy, vz] = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
    const [nx, ny, nz] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) {
      normals[corner] += nx;
      normals[corner + 1] += ny;
      normals[corner + 2] += nz;
    }
  }
  return normals;
}
