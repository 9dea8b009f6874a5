// The volume of the page: its decoding, its planes, and where a voxel lies in a picture.
//
// Touches neither the document nor the page's state. Voxels are in RAS order, x fastest.

// Axes of the volume (0 right, 1 front, 2 head) that run along the columns and rows of a picture
// and through the stack. Rows start at the high end: front or head up.
export const PLANES = {
  axial: { across: 0, up: 1, through: 2 },
  coronal: { across: 0, up: 2, through: 1 },
  sagittal: { across: 1, up: 2, through: 0 },
};
export const PLANE_NAMES = Object.keys(PLANES);

export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// A volume of gzipped bytes, as payload.py packs them: the levels (indices of HU values) as
// differences from voxel to voxel, then, if there are any classes, the pairs label + 4 * mask, then,
// if there is a second scan, its levels.
export async function decodeVolume(packed, shape, hasPairs) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = shape[0] * shape[1] * shape[2];
  const pairs = hasPairs ? bytes.subarray(size, 2 * size) : null;
  const [levels, second] = [0, hasPairs ? 2 * size : size].map((start) => {
    for (let i = start + 1; i < Math.min(start + size, bytes.length); i++) bytes[i] += bytes[i - 1];
    return bytes.subarray(start, start + size);
  });
  return { ...makeVolume(shape, levels, pairs), second: second.length ? second : null };
}

export function makeVolume(shape, levels, pairs) {
  const stride = [1, shape[0], shape[0] * shape[1]];
  return { shape, stride, levels, pairs, counts: countPairs(shape, pairs) };
}

// How many voxels of each pair lie in each slice: counts[axis][slice * 16 + pair], without pair 0.
function countPairs(shape, pairs) {
  const counts = shape.map((n) => new Uint32Array(n * 16));
  if (pairs === null) return counts;
  for (let z = 0, i = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[0]; x++, i++) {
        const pair = pairs[i];
        if (pair === 0) continue;
        counts[0][x * 16 + pair]++;
        counts[1][y * 16 + pair]++;
        counts[2][z * 16 + pair]++;
      }
    }
  }
  return counts;
}

// The volume with the levels that a row of views shows: of the second scan, if there is one.
export function volumeOfRow(volume, row) {
  return row && volume.second ? { ...volume, levels: volume.second } : volume;
}

export function voxelIndex(volume, at) {
  return at.reduce((sum, value, axis) => sum + value * volume.stride[axis], 0);
}

// Whether columns run against the axis: the patient's right, or front, is on the viewer's left.
export function isMirrored(plane, radiological) {
  return radiological || plane === "sagittal";
}

// The letters at the left, right, top and bottom of a picture.
export function sideLetters(plane, radiological) {
  const ends = plane === "sagittal" ? "AP" : radiological ? "RL" : "LR";
  return [...ends, ...(plane === "axial" ? "AP" : "HF")];
}

// The index of the first pixel's voxel, and the steps to those of the next column and row.
export function sliceWalk(volume, plane, slice, radiological) {
  const { across, up, through } = PLANES[plane];
  const { shape, stride } = volume;
  const [columns, rows] = [shape[across], shape[up]];
  const mirrored = isMirrored(plane, radiological);
  const [right, down] = [mirrored ? -stride[across] : stride[across], -stride[up]];
  const corner = (rows - 1) * stride[up] + (mirrored ? (columns - 1) * stride[across] : 0);
  return { columns, rows, start: slice * stride[through] + corner, right, down };
}

// The voxel under a point of a picture, given as fractions of its width and height; `at` gives
// the slice.
export function voxelAtPoint(volume, plane, at, point, radiological) {
  const { across, up } = PLANES[plane];
  const { shape } = volume;
  const [column, row] = [across, up].map((axis, i) =>
    Math.min(shape[axis] - 1, Math.max(0, Math.floor(point[i] * shape[axis]))),
  );
  const voxel = at.slice();
  voxel[across] = isMirrored(plane, radiological) ? shape[across] - 1 - column : column;
  voxel[up] = shape[up] - 1 - row;
  return voxel;
}

// The middle of a voxel in a picture, as fractions of its width and height.
export function pointOfVoxel(volume, plane, at, radiological) {
  const { across, up } = PLANES[plane];
  const x = (at[across] + 0.5) / volume.shape[across];
  const y = (at[up] + 0.5) / volume.shape[up];
  return [isMirrored(plane, radiological) ? 1 - x : x, 1 - y];
}
